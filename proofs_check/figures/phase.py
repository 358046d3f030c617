"""Step size against strength for the centre of three classes: confidence of the chain's own law.

Euler steps, ODE and SDE; no sampling, and every cell with an error. The lines are where theory
expects the centre to start to swing (D1) and to split visibly (D2). Under a minute on two cores.
Source: docs/theory.md, D1 to D3.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import fokker_planck as fp
from proofs_check.claims.d1 import centre_process
from proofs_check.figures.model import describe, number
from proofs_check.figures.style import FULL_WIDTH, new_figure, sampler_name, settled, styled
from sde_compare.thresholds import linear_threshold
from sde_compare.visible import closing_steps, net_threshold

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fokker_planck import ReverseProcess

Array = NDArray[np.float64]
WEIGHT, SEPARATION, HORIZON = 1 / 3, 3.0, 5.0
STEPS, THETAS = (0.02, 0.5), (0.0, 15.0)
#: cells along each axis
SIZE = {"quick": 15, "full": 60}
#: a cell whose error exceeds this is not known
KNOWN = 1e-4
SAMPLERS = ("ode", "sde")
#: step size at which lines are labelled, and thetas of the close-up of a panel that is mostly dark
LABELLED, CLOSE = 0.075, (0.0, 3.0)
#: a cell is split where it has less than this share of the confidence without guidance
SPLIT = 0.5
#: step sizes at which the linear threshold is located
LOCATED = 7


def times(h: float, horizon: float = HORIZON) -> Array:
    """Return reverse times in steps of length h up to the horizon; the first is what remains."""
    return closing_steps(horizon, h)


def row(process: ReverseProcess, h: float, thetas: Array) -> tuple[Array, Array]:
    """Return confidences and their errors at strengths theta / h; cells not known are redone."""
    chain = fp.chain(process, times(h))
    found = fp.chain_sweep(chain, thetas / h, KNOWN).posterior_mass
    value, error = np.array(found.value), np.array(found.error)
    open_cells = ~(error <= KNOWN)
    if open_cells.any():
        again = fp.chain_sweep(chain, thetas[open_cells] / h, KNOWN / 10).posterior_mass
        better = again.error < error[open_cells]
        places = np.flatnonzero(open_cells)[better]
        value[places], error[places] = again.value[better], again.error[better]
    return value, error


def panel(sampler: str, n: int) -> dict[str, Any]:
    """Return one diagram as plain data, cells row by row from the smallest step."""
    started = time.process_time()
    process = centre_process(WEIGHT, SEPARATION, sampler, HORIZON)
    steps, thetas = np.linspace(*STEPS, n), np.linspace(*THETAS, n)
    rows = [row(process, float(h), thetas) for h in steps]
    lines = np.linspace(*STEPS, LOCATED)
    found = [linear_threshold(process, float(h)).strength for h in lines]
    return {
        "noise_level": process.noise_level,
        "model": describe(process),
        "h": steps.tolist(),
        "theta": thetas.tolist(),
        "confidence": [[float(f"{v:.6g}") for v in value] for value, _ in rows],
        "error": [
            [
                float(f"{1.1 * e + 1e-6 * v:.1e}") if np.isfinite(e) else None
                for v, e in zip(*pair, strict=True)
            ]
            for pair in rows
        ],
        "linear": {
            "h": lines.tolist(),
            "theta": [float(h * s.value) for h, s in zip(lines, found, strict=True)],
            "error": max(float(h * s.error) for h, s in zip(lines, found, strict=True)),
        },
        "net": float(net_threshold(process).value) if process.noise_level == 0 else None,
        "seconds": round(time.process_time() - started, 1),
    }


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record: a diagram for ODE and SDE. Nothing is random.

    Raises
    ------
    ValueError
        If a process is given: the figure is of one model.
    """
    if process is not None:
        raise ValueError(f"process must be None for phase, got {process}")
    panels = [panel(sampler, SIZE[level]) for sampler in SAMPLERS]
    return {"panels": panels, "caption": caption(panels)}


def known(data: dict[str, Any]) -> NDArray[np.bool_]:
    """Return where the confidence is known to ``KNOWN``, shape (steps, thetas)."""
    errors = np.array(data["error"], dtype=float)
    return np.asarray(errors <= KNOWN)


def caption(panels: list[dict[str, Any]]) -> str:
    """Return the caption, with numbers from the run."""
    parts = [
        f"({letter}) {sampler_name(p['noise_level'])}: {tally(p)}"
        for letter, p in zip("AB", panels, strict=False)
    ]
    located = max(p["linear"]["error"] for p in panels)
    return (
        f"Step size against strength: confidence E[P_0(y|x)] of chains of Euler steps, from "
        f"their own laws, without sampling. Target the centre, {panels[0]['model']}; steps of "
        f"length h that end at the output (the first is what remains), theta = h eta. Solid: D1, "
        f"where the slope of some step at the centre falls to -1, located from the step map "
        f"(error at most {located:.0e}). Dashed: theta_net of D2, the root of the integral of "
        f"the log-multiplier, the limit of the visible threshold of the ODE for small h; light "
        f"bands beyond it are windows in which a step lands near the zero of the multiplier and "
        f"pins the cluster again (a cell shows its centre, and the narrow ones fall between "
        f"centres). Cells whose error exceeds {KNOWN:.0e} are hatched. {'. '.join(parts)}. "
        f"{sum(p['seconds'] for p in panels):.0f} s of processor time in all."
    )


def tally(data: dict[str, Any]) -> str:
    """Return the numbers of a panel in words."""
    value, error = np.array(data["confidence"]), np.array(data["error"], dtype=float)
    fine = known(data)
    text = f"{value.size} cells, {int((~fine).sum())} of them not known"
    if not fine.any():
        return text
    thetas = np.array(data["theta"])
    split = fine & (value < SPLIT * value[:, :1])
    again = np.logical_or.accumulate(split, axis=1) & fine & ~split
    best = np.unravel_index(int(np.argmax(np.where(fine, value, -1))), value.shape)
    text += (
        f", error at most {error[fine].max():.0e} on the others; confidence "
        f"{number(value[0, 0])} without guidance at h = {number(data['h'][0])}, at most "
        f"{number(value[best])} (h = {number(data['h'][best[0]])}, "
        f"theta = {number(thetas[best[1]])})"
    )
    firsts = [
        f"{number(thetas[int(np.argmax(split[k]))])} at h = {number(data['h'][k])}"
        for k in sorted({0, len(data["h"]) - 1})
        if split[k].any()
    ]
    if firsts:
        text += f"; below half of the unguided from theta = {' and '.join(firsts)}"
    text += f"; past the first such cell of its row, above half again on {int(again.sum())}"
    return text


# -- drawing -----------------------------------------------------------------------------------
def edges(centres: list[float]) -> Array:
    """Return the edges of equal cells about their centres."""
    x = np.array(centres)
    half = 0.5 * (x[1] - x[0])
    return np.concatenate([x - half, [x[-1] + half]])


def diagram(ax: Axes, data: dict[str, Any], span: tuple[float, float] | None = None) -> Any:
    """Draw one diagram: cells, hatches and lines; return what the colours belong to."""
    from matplotlib.patheffects import withStroke

    x, y = edges(data["theta"]), edges(data["h"])
    left, right = span or (0.0, float(x[-1]))
    fine = known(data)
    value = np.ma.masked_array(data["confidence"], ~fine)
    drawn = ax.pcolormesh(x, y, value, cmap="viridis", vmin=0, vmax=1, rasterized=True)
    for i, j in zip(*np.nonzero(~fine), strict=True):
        corner, size = (x[j], y[i]), (x[j + 1] - x[j], y[i + 1] - y[i])
        ax.add_patch(unknown_patch(corner, *size))
    line = data["linear"]
    lines = [(line["theta"], line["h"], "-", "D1")]
    if data["net"] is not None:
        lines.append(([data["net"]] * 2, [y[0], y[-1]], "--", r"$\theta_{\mathrm{net}}$ (D2)"))
    for thetas, steps, style, words in lines:
        halo = [withStroke(linewidth=2.0, foreground="white")]
        ax.plot(thetas, steps, color="black", lw=1.0, ls=style, path_effects=halo)
        place = float(np.interp(LABELLED, steps, thetas))
        beside = place + 0.05 * (right - left)
        cell = np.searchsorted(y, LABELLED) - 1, np.searchsorted(x, beside) - 1
        dark = value.filled(1.0)[cell] < 0.6
        ax.annotate(
            words,
            (place, LABELLED),
            (5, 0),
            textcoords="offset points",
            va="center",
            color="white" if dark else "black",
        )
    ax.set_xlim(left, right)
    ax.set_ylim(y[0], y[-1])
    return drawn


def close_up(ax: Axes, data: dict[str, Any]) -> None:
    """Draw the left of a diagram again, wider, over its dark part."""
    inner = ax.inset_axes((0.36, 0.3, 0.58, 0.62))
    diagram(inner, data, CLOSE)
    inner.tick_params(colors="white", which="both")
    inner.set_xticks(np.arange(CLOSE[0], CLOSE[1] + 0.5))
    inner.set_yticks([0.1, 0.3, 0.5])
    for spine in inner.spines.values():
        spine.set(visible=True, color="white", linewidth=0.7)
    inner.set_xlabel(r"$\theta$, close-up", color="white", labelpad=2)


def unknown_patch(corner: tuple[float, float], width: float, height: float, **more: Any) -> Any:
    """Return the mark of a cell that is not known."""
    from matplotlib.patches import Rectangle

    style: dict[str, Any] = {
        "facecolor": "#D9D9D9",
        "edgecolor": "#555555",
        "hatch": "//////",
        "linewidth": 0.0,
    }
    return Rectangle(corner, width, height, **style, **more)


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record: one diagram per sampler."""
    panels = record["panels"]
    figure = new_figure(FULL_WIDTH, 3.0)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    drawn: Any = None
    for ax, data, letter in zip(axes, panels, "AB", strict=False):
        drawn = diagram(ax, data)
        ax.set_title(rf"$\bf{{{letter}}}$  {sampler_name(data['noise_level'])}", loc="left")
        ax.set_xlabel(r"$\theta = h\eta$")
        if data["net"] is None:
            close_up(ax, data)
    axes[0].set_ylabel("step size $h$")
    bar = figure.colorbar(drawn, ax=list(axes), pad=0.02, aspect=30)
    bar.set_label(r"confidence $\mathbb{E}\,P_0(y\,|\,x)$")
    bar.outline.set_linewidth(0.4)
    if not all(known(data).all() for data in panels):
        mark = unknown_patch((0, 0), 1, 1, label=f"error above {KNOWN:.0e}: not known")
        figure.legend(handles=[mark], loc="outside lower center")
    return settled(figure)
