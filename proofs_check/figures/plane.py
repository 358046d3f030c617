"""Densities in the plane: strengths side by side, for the ODE and the SDE.

Also what every figure in the plane is made of: one panel as data, and how it is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import fokker_planck as fp
from proofs_check.figures.model import guidance_text, largest, marks, number, numbers, plain
from proofs_check.figures.style import (
    FULL_WIDTH,
    new_figure,
    sampler_name,
    settled,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    from fokker_planck import ReverseProcess, Solution

STRENGTHS = (0.0, 1.0, 2.0, 4.0)
#: what is asked of solutions in the plane, by level; what was reached stands in the caption
TOLERANCES = {"quick": 1e-4, "full": 1e-7}
#: the shares of the mass that contours hold, from the inside
SHARES = (0.5, 0.9, 0.99)
SHADES = ("white", "white", "black")
#: points along each axis of a panel, and the decades of density that are coloured
N_POINTS, DECADES = 101, 4.0
COLOURS = "magma_r"  # perceptually uniform, light where there is nothing
#: the mass outside a panel's edges
OUTSIDE = 1e-4
#: error of a log-density that no eye can tell
DRAWN = 1e-5
#: digits of a density in a record: more than an eye can tell
DIGITS = 5


def reference_plane() -> ReverseProcess:
    """Return the case of the built-in figures: three unit components at radius 2."""
    angles = np.deg2rad([90.0, 210.0, 330.0])
    means = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    mixture = fp.GaussianMixture(np.full(3, 1 / 3), means)
    return fp.reverse_process(mixture, 0, strength=2.0, sampler="sde", horizon=5.0)


def describe_plane(process: ReverseProcess) -> str:
    """Return the model in words, for captions."""
    mixture = process.mixture
    means = ", ".join(f"({numbers(mean)})" for mean in mixture.means)
    equal = bool(np.allclose(mixture.weights, mixture.weights[0]))
    shares = "equal weights" if equal else f"weights ({numbers(mixture.weights)})"
    unit = bool(np.all(mixture.covariances == np.eye(2)))
    spread = "identity covariances" if unit else "covariances of its own"
    return (
        f"component means {means}, {shares}, {spread}, target component {process.target}, "
        f"horizon {number(process.horizon)}"
    )


# -- data --------------------------------------------------------------------------------------
def extent(solutions: list[Solution], indices: list[int] | None = None) -> list[float]:
    """Return a square [left, right, bottom, top] with nearly all mass and all marks of panels."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for solution in solutions:
        for i in range(len(solution)) if indices is None else indices:
            index = range(len(solution))[i]
            run = solution.reading.best.snapshot(index)
            marked = marked_at(solution, index)[0]
            low, high = np.minimum(low, marked.min(axis=0)), np.maximum(high, marked.max(axis=0))
            for axis in (0, 1):
                x = run.along(axis)
                order = np.argsort(x)
                total = np.cumsum(run.mass[order])
                inside = x[order][(total > OUTSIDE / 2) & (total < total[-1] - OUTSIDE / 2)]
                low[axis] = min(low[axis], inside.min())
                high[axis] = max(high[axis], inside.max())
    middle, half = 0.5 * (low + high), 0.57 * float((high - low).max())
    return [float(v) for pair in zip(middle - half, middle + half, strict=True) for v in pair]


def marked_at(solution: Solution, i: int) -> tuple[Any, list[int]]:
    """Return the diffused means to mark at an output time, and which are the target's."""
    process: Any = solution.process
    means, own = marks(process)
    return float(process.schedule.signal(process.forward_time(solution.taus[i]))) * means, own


def levels(solution: Solution, i: int) -> list[float]:
    """Return the densities above which lie the shares of the mass that contours hold."""
    density = solution.density(i)
    order = np.argsort(density.values)[::-1]
    held = np.cumsum(density.mass[order])
    return [float(np.interp(share, held, density.values[order])) for share in SHARES]


def lines(edges: list[float], n: int) -> tuple[Any, Any]:
    """Return equally spaced points along both axes of a square."""
    left, right, bottom, top = edges
    return np.linspace(left, right, n), np.linspace(bottom, top, n)


def panel(solution: Solution, i: int, edges: list[float]) -> dict[str, Any]:
    """Return one density on the square ``edges`` as plain data."""
    from fokker_planck.methods.characteristics import backward_log_density

    process: Any = solution.process
    index = range(len(solution))[i]
    x, y = lines(edges, N_POINTS)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    if solution.method == "characteristics":
        pdf = np.exp(backward_log_density(process, points, solution.taus[index], DRAWN)[0])
    else:
        pdf = solution.density(index).pdf(points)
    rows = [[float(f"{v:.{DIGITS - 1}e}") for v in row] for row in pdf.reshape(N_POINTS, -1)]
    strength = float(process.strength)
    means, own = marked_at(solution, index)
    out = {
        "noise_level": process.noise_level,
        "strength": strength if np.isfinite(strength) else None,
        "method": solution.method,
        "tau": float(solution.taus[index]),
        "edges": edges,
        "pdf": rows,
        "levels": levels(solution, index),
        "means": means.tolist(),
        "target": own,
        "entropy": plain(solution.entropy, index),
        "mass": plain(solution.mass, index),
    }
    if hasattr(process, "log_posterior"):
        out["posterior_mass"] = plain(solution.posterior_mass, index)
    return out


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record of the figure: ODE and SDE at several strengths, at the output."""
    base = reference_plane() if process is None else process
    strengths = sorted({*STRENGTHS, *([] if process is None else [base.strength])})
    if len(strengths) > 4:  # four panels fit a page: keep the user's own strength
        strengths.remove(min(STRENGTHS[1:], key=lambda s: abs(s - base.strength)))
    cases = [base.with_noise_level(g).with_strength(s) for g in (0.0, 1.0) for s in strengths]
    solutions = [fp.solve(case, taus=[case.horizon], tol=TOLERANCES[level]) for case in cases]
    edges = extent(solutions)
    panels = [panel(solution, -1, edges) for solution in solutions]
    return {
        "model": base.spec(),
        "panels": panels,
        "caption": caption("Density at the output", describe_plane(base), panels),
    }


def caption(what: str, model: str, panels: list[dict[str, Any]]) -> str:
    """Return the caption, with parameters and errors."""
    entropy = largest(p["entropy"]["error"] for p in panels)
    confidence = largest(p["posterior_mass"]["error"] for p in panels if "posterior_mass" in p)
    shares = ", ".join(f"{100 * share:g}" for share in SHARES)
    return (
        f"{what} of the guided sampler; {model}. Colour is the density on one logarithmic scale; "
        f"contours hold {shares} % of the mass. Circles mark the diffused component means, the "
        f"star that of the target. Printed: confidence P and entropy H; errors at most "
        f"{confidence} in P and {entropy} nats in H."
    )


# -- drawing -----------------------------------------------------------------------------------
def colour_scale(panels: list[dict[str, Any]]) -> Normalize:
    """Return one logarithmic scale for all panels, so many decades down from the largest."""
    from matplotlib.colors import LogNorm

    top = max(float(np.max(p["pdf"])) for p in panels)
    return LogNorm(top * 10**-DECADES, top)


def density_panel(ax: Axes, data: dict[str, Any], scale: Normalize) -> Any:
    """Draw one density with contours and component means; return the image."""
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    pdf, edges = np.array(data["pdf"]), data["edges"]
    colours = colormaps[COLOURS].with_extremes(under="white")
    image = ax.imshow(
        np.maximum(pdf, 0.1 * float(scale.vmin or 0.0)),
        origin="lower",
        extent=edges,
        cmap=colours,
        norm=scale,
        interpolation="bilinear",
    )
    x, y = lines(edges, len(pdf))
    for level, shade in zip(data["levels"], SHADES, strict=True):
        if pdf.min() < level < pdf.max():
            ax.contour(x, y, pdf, levels=[level], colors=[shade], linewidths=0.7)
    for k, (mean_x, mean_y) in enumerate(data["means"]):
        own = k in np.atleast_1d(data["target"])
        ax.plot(
            mean_x,
            mean_y,
            "*" if own else "o",
            ms=6 if own else 3.2,
            mfc="white",
            mec="black",
            mew=0.6,
            zorder=6 if own else 5,
        )
    ax.set_xlim(edges[0], edges[1])
    ax.set_ylim(edges[2], edges[3])
    ax.set_aspect("equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, integer=True))
    return image


def printed(data: dict[str, Any], between: str = "   ") -> str:
    """Return the numbers printed above a panel."""
    entropy = f"$H$ = {data['entropy']['value']:.3f}"
    if "posterior_mass" not in data:
        return entropy
    return f"$P$ = {data['posterior_mass']['value']:.4f}{between}{entropy}"


def small_multiples(record: dict[str, Any], key: str, head: str) -> Figure:
    """Draw panels in a grid: rows are samplers, columns the values of ``key``."""
    panels = record["panels"]
    rows = sorted({p["noise_level"] for p in panels})
    columns = sorted({p[key] for p in panels})
    size = (FULL_WIDTH - 0.9) / len(columns)
    between = "   " if len(columns) < 5 else "\n"
    figure = new_figure(FULL_WIDTH, (size + 0.26) * len(rows) + 0.35)
    axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
    scale = colour_scale(panels)
    image: Any = None
    for data in panels:
        i, j = rows.index(data["noise_level"]), columns.index(data[key])
        ax = axes[i, j]
        image = density_panel(ax, data, scale)
        top = f"{head} = {data[key]:g}\n" if i == 0 else ""
        ax.set_title(top + printed(data, between), fontsize=7, linespacing=1.4)
        if j == 0:
            ax.set_ylabel(f"{sampler_name(rows[i])}\n$x_2$", linespacing=1.6)
        if i == len(rows) - 1:
            ax.set_xlabel("$x_1$")
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=28, pad=0.012)
    bar.set_label("density")
    bar.outline.set_linewidth(0.4)
    return settled(figure)


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record: rows are samplers, columns are strengths."""
    return small_multiples(record, "strength", r"strength $\eta$")


def single_record(solution: Solution) -> dict[str, Any]:
    """Return the record of one solution at its last time, for ``draw_single``."""
    process: Any = solution.process
    return {"model": process.spec(), "panels": [panel(solution, -1, extent([solution], [-1]))]}


def single_title(data: dict[str, Any]) -> str:
    """Return the title of a panel that stands alone."""
    name = sampler_name(data["noise_level"])
    guided = guidance_text(data["strength"])
    return rf"{name}, {guided}, $\tau$ = {data['tau']:.2f}" + "\n" + printed(data)


@styled
def draw_single(record: dict[str, Any], i: int = 0) -> Figure:
    """Draw one panel; all of a record have the same scale, edges and layout."""
    figure = new_figure(3.6, 3.3)
    ax = figure.subplots()
    data = record["panels"][i]
    image = density_panel(ax, data, colour_scale(record["panels"]))
    ax.set_title(single_title(data))
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=24)
    bar.set_label("density")
    bar.outline.set_linewidth(0.4)
    return settled(figure)
