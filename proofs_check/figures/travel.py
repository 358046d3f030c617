"""The density travelling through reverse time: one ridge per time, one panel per sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import fokker_planck as fp
from proofs_check.figures.model import (
    TOLERANCE,
    describe,
    guidance_text,
    largest,
    marks,
    plain,
    reference_process,
)
from proofs_check.figures.style import (
    FULL_WIDTH,
    GREY,
    new_figure,
    sampler_colour,
    sampler_name,
    settled,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fokker_planck import ReverseProcess, Solution

STRENGTHS = (0.0, 1.0, 3.0, 10.0)
N_FRAMES, N_POINTS = 11, 161


def frame_times(horizon: float) -> list[float]:
    """Return the reverse times of the ridges."""
    return [horizon * i / (N_FRAMES - 1) for i in range(N_FRAMES)]


def support(solution: Solution) -> tuple[float, float]:
    """Return an interval that holds all but 1e-3 of the mass at every output time."""
    low, high = np.inf, -np.inf
    for i in range(len(solution.taus)):
        density = solution.density(i)
        total = np.cumsum(density.mass)
        inside = density.points[(total > 5e-4) & (total < 1 - 5e-4)]
        low, high = min(low, float(inside.min())), max(high, float(inside.max()))
    pad = 0.05 * (high - low)
    return low - pad, high + pad


def drawn(density: Any, x: Any) -> Any:
    """Return the density at ``x``, zero where it is below 1e-13 of its maximum: invisible."""
    known = density.points[density.reliable]
    return np.where((x >= known[0]) & (x <= known[-1]), density.pdf(x), 0.0)


def panel(solution: Solution, low: float, high: float) -> dict[str, Any]:
    """Return one panel of ridges on [low, high] as plain data."""
    process: Any = solution.process
    x = np.linspace(low, high, N_POINTS)
    signal = process.schedule.signal(process.forward_time(np.asarray(solution.taus)))
    means, own = marks(process)
    return {
        "noise_level": process.noise_level,
        "strength": process.strength,
        "method": solution.method,
        "taus": np.asarray(solution.taus).tolist(),
        "x": x.tolist(),
        "pdf": [drawn(solution.density(i), x).tolist() for i in range(len(solution.taus))],
        "signal": np.asarray(signal).tolist(),
        "means": means[:, 0].tolist(),
        "target": own,
        "entropy": plain(solution.entropy, -1),
        "posterior_mass": confidence(solution),
        "mass": plain(solution.mass, -1),
    }


def confidence(solution: Solution) -> dict[str, Any] | None:
    """Return the confidence at the output; None where there is no classifier."""
    if not hasattr(solution.process, "log_posterior"):
        return None
    return plain(solution.posterior_mass, -1)


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record of the figure: ODE and SDE at several strengths."""
    base = reference_process() if process is None else process
    strengths = sorted({*STRENGTHS, *([] if process is None else [base.strength])})
    if len(strengths) > 4:  # four panels fit a page: keep the user's own strength
        strengths.remove(min(STRENGTHS[1:], key=lambda s: abs(s - base.strength)))
    cases = [base.with_noise_level(g).with_strength(s) for g in (0.0, 1.0) for s in strengths]
    solutions = [fp.solve(c, taus=frame_times(c.horizon), tol=TOLERANCE) for c in cases]
    supports = [support(solution) for solution in solutions]
    low, high = min(low for low, _ in supports), max(high for _, high in supports)
    panels = [panel(solution, low, high) for solution in solutions]
    return {"model": base.spec(), "panels": panels, "caption": caption(describe(base), panels)}


def caption(model: str, panels: list[dict[str, Any]]) -> str:
    """Return the caption, with parameters and errors."""
    entropy = largest(p["entropy"]["error"] for p in panels)
    confidence = largest(p["posterior_mass"]["error"] for p in panels)
    return (
        f"Density of the guided sampler at equally spaced reverse times, start at the top, output "
        f"at the bottom; {model}. Dashed lines follow the diffused component means, the solid one "
        f"the target. Printed: confidence P and entropy H at the output; errors at most "
        f"{confidence} in P and {entropy} nats in H. In a panel all ridges share one scale."
    )


def ridges(ax: Axes, data: dict[str, Any]) -> None:
    """Draw one panel of ridges on ``ax``."""
    from matplotlib.ticker import MaxNLocator

    x, pdf = np.array(data["x"]), np.array(data["pdf"])
    taus, signal = np.array(data["taus"]), np.array(data["signal"])
    spacing = taus[1] - taus[0]
    height = 2.1 * spacing / pdf.max()
    colour = sampler_colour(data["noise_level"])
    for k, mean in enumerate(data["means"]):
        own = k in np.atleast_1d(data["target"])
        ax.plot(
            signal * mean,
            -taus,
            color="black" if own else GREY,
            linestyle="-" if own else (0, (3, 2)),
            linewidth=0.9 if own else 0.7,
            zorder=50,
        )
        ax.plot(
            mean, -taus[-1], "^", color="black" if own else GREY, ms=4, zorder=51, clip_on=False
        )
    for i, (tau, values) in enumerate(zip(taus, pdf, strict=True)):
        last = i == len(taus) - 1
        ax.fill_between(
            x,
            -tau,
            height * values - tau,
            color=colour,
            alpha=0.75 if last else 0.28,
            lw=0,
            zorder=i,
        )
        ax.plot(x, height * values - tau, color=colour, lw=1.1 if last else 0.6, zorder=i + 0.5)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(-taus[-1] - 0.12 * spacing, 2.2 * spacing)
    ax.set_yticks(
        -taus[:: max(1, len(taus) // 5)], [f"{t:g}" for t in taus[:: max(1, len(taus) // 5)]]
    )
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def printed(data: dict[str, Any]) -> str:
    """Return the numbers printed above a panel."""
    entropy = f"$H$ = {data['entropy']['value']:.4f} nats"
    known = data["posterior_mass"]
    return entropy if known is None else f"$P$ = {known['value']:.4f}   {entropy}"


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record: rows are samplers, columns are strengths."""
    rows = sorted({p["noise_level"] for p in record["panels"]})
    columns = sorted({p["strength"] for p in record["panels"]})
    figure = new_figure(FULL_WIDTH, 2.35 * len(rows) + 0.3)
    axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True)
    for data in record["panels"]:
        i, j = rows.index(data["noise_level"]), columns.index(data["strength"])
        ax = axes[i, j]
        ridges(ax, data)
        head = rf"strength $\eta$ = {data['strength']:g}" + "\n" if i == 0 else ""
        ax.set_title(head + printed(data), fontsize=7, linespacing=1.5)
        if j == 0:
            ax.set_ylabel(r"reverse time $\tau$")
            ax.text(
                *(0.02, 0.99, sampler_name(rows[i])),
                transform=ax.transAxes,
                color=sampler_colour(rows[i]),
                fontweight="bold",
                fontsize=9,
                va="top",
            )
        else:
            ax.tick_params(axis="y", labelleft=False)
        if i == len(rows) - 1:
            ax.set_xlabel("$x$")
    return settled(figure)


def single_record(solution: Solution) -> dict[str, Any]:
    """Return the record of one solution, for ``draw_single``."""
    process: Any = solution.process
    return {"model": process.spec(), "panels": [panel(solution, *support(solution))]}


@styled
def draw_single(record: dict[str, Any]) -> Figure:
    """Draw one panel of ridges."""
    figure = new_figure(3.4, 3.0)
    ax = figure.subplots()
    data = record["panels"][0]
    ridges(ax, data)
    name = sampler_name(data["noise_level"])
    ax.set_title(f"{name}, {guidance_text(data['strength'])}\n{printed(data)}")
    ax.set_xlabel("$x$")
    ax.set_ylabel(r"reverse time $\tau$")
    return settled(figure)
