"""Where the hypotheses of T1 and T1-Sigma hold over a plane of means, and what happens elsewhere.

Three components in the plane; the third mean moves over a grid, and every cell is decided at its
centre: the hypothesis in exact and interval arithmetic, a losing path by steering the noise, the
mean confidence by the density solver. One to two minutes on one core. Source: docs/theory.md, T1,
T1-Sigma, C5, X2, X3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import fokker_planck as fp
from proofs_check.claims.hypotheses import GRAM
from proofs_check.claims.t1_sigma import KERNEL
from proofs_check.figures.model import number, numbers
from proofs_check.figures.style import FULL_WIDTH, SDE, new_figure, settled, styled
from sde_compare.losing import losing_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fokker_planck import ReverseProcess

WEIGHTS = (0.05, 0.04, 0.91)
SECOND = (-0.5, -0.25)
#: where the third mean moves, and cells along each axis
EDGES = (-4.0, 6.0, -5.0, 5.0)
SIZE = {"quick": 11, "full": 21}
STRENGTH, HORIZON = 2.0, 5.0
#: what is asked of the density solver; what was reached stands in the caption
TOLERANCE = 1e-2
#: name of a panel -> variances along the axes
CASES = {"T1": (1.0, 1.0), "T1-Sigma": (1.0, 0.25)}
#: what a cell shows -> its words and colour
STATES = {
    "applies": ("hypothesis proved: no path loses", "#BBD7EC"),
    "rises": ("refuted: the mean rises", "#FCE0BF"),
    "falls": ("refuted: the mean falls", SDE),
    "undecided": ("refuted, mean undecided", "#C9C9C9"),
    "open": ("hypothesis undecided", "#FFFFFF"),
}


def moved(name: str, mean: tuple[float, float]) -> ReverseProcess:
    """Return the model of a panel with the third mean at a point."""
    mixture = fp.GaussianMixture(WEIGHTS, [(0.0, 0.0), SECOND, mean], np.diag(CASES[name]))
    return fp.reverse_process(mixture, 0, strength=STRENGTH, sampler="sde", horizon=HORIZON)


def mean_change(process: ReverseProcess) -> tuple[float, float]:
    """Return what guidance changes in the mean confidence at the output, and the error."""
    ends = [
        fp.solve(case, taus=[case.horizon], tol=TOLERANCE).posterior_mass[-1]
        for case in (process, process.with_strength(0.0))
    ]
    return float(ends[0].value - ends[1].value), float(ends[0].error + ends[1].error)


def cell(name: str, mean: tuple[float, float]) -> dict[str, Any]:
    """Return what is known where the third mean is at a point.

    Loss and mean are looked for only where the hypothesis is not proved; both are None otherwise.
    A loss is None where none was found.
    """
    process = moved(name, mean)
    condition = (GRAM if name == "T1" else KERNEL).examine(process)
    found: dict[str, Any] = {"mean": list(mean), "hypothesis": condition.status}
    if condition.status == "proved":
        return {**found, "loss": None, "change": None}
    path = losing_path(process)
    change, error = mean_change(process)
    return {
        **found,
        "loss": None if path is None else {"value": path.loss, "error": path.error},
        "change": {"value": change, "error": error if np.isfinite(error) else None},
    }


def state(data: dict[str, Any]) -> str:
    """Return what a cell shows, one of ``STATES``."""
    if data["hypothesis"] != "refuted":
        return "applies" if data["hypothesis"] == "proved" else "open"
    value, error = data["change"]["value"], data["change"]["error"]
    if error is None or abs(value) <= error:
        return "undecided"
    return "falls" if value < 0 else "rises"


def panel(name: str, n: int) -> dict[str, Any]:
    """Return one map as plain data, cells row by row from below."""
    left, right, bottom, top = EDGES
    cells = [
        cell(name, (float(a), float(b)))
        for b in np.linspace(bottom, top, n)
        for a in np.linspace(left, right, n)
    ]
    return {"name": name, "variances": list(CASES[name]), "n": n, "cells": cells}


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record: a map for each of ``CASES``. Nothing is random.

    Raises
    ------
    ValueError
        If a process is given: the figure is of one family of models.
    """
    if process is not None:
        raise ValueError(f"process must be None for hypothesis_map, got {process}")
    panels = [panel(name, SIZE[level]) for name in CASES]
    return {
        "weights": list(WEIGHTS),
        "second": list(SECOND),
        "strength": STRENGTH,
        "horizon": HORIZON,
        "edges": list(EDGES),
        "panels": panels,
        "caption": caption(panels),
    }


def caption(panels: list[dict[str, Any]]) -> str:
    """Return the caption, with numbers from the run."""
    parts = [
        f"({letter}) {p['name']}, Sigma = diag({numbers(p['variances'])}): {tally(p)}"
        for letter, p in zip("AB", panels, strict=False)
    ]
    return (
        f"Where the hypothesis of a theorem holds, as the mean of the third component moves over "
        f"the plane. Target (star) at the origin, second mean (circle) ({numbers(SECOND)}), "
        f"weights ({numbers(WEIGHTS)}), common covariance Sigma, SDE, strength {STRENGTH:g}, "
        f"horizon {HORIZON:g}; every cell is decided at its centre. Blue: the hypothesis is "
        f"proved, by the Gram matrix in exact arithmetic (A) or the kernel condition over all "
        f"times (B), and no path loses confidence. Elsewhere it is refuted; a dot marks a path "
        f"along which guidance loses confidence beyond the error of its integration, and the "
        f"colour says what the mean confidence does, by the density solver. Lines: where the "
        f"condition is an equality at the output (solid) and at the start (dashed; in A they are "
        f"one). {'. '.join(parts)}."
    )


def tally(data: dict[str, Any]) -> str:
    """Return the counts of a panel in words, with the errors reached."""
    cells = data["cells"]
    counts = {name: sum(state(c) == name for c in cells) for name in STATES}
    refuted = [c for c in cells if c["hypothesis"] == "refuted"]
    losing = [c["loss"] for c in refuted if c["loss"] is not None]
    text = (
        f"proved on {counts['applies']} of {len(cells)} cells, refuted on {len(refuted)}, "
        f"undecided on {counts['open']}; a losing path was found on {len(losing)} of the "
        f"{len(refuted)}"
    )
    if losing:
        least = max(losing, key=lambda item: item["value"])
        text += f" (least loss {-least['value']:.1e} ± {least['error']:.0e} in log-odds)"
    if refuted:
        errors = [c["change"]["error"] for c in refuted]
        worst = "unknown" if None in errors else f"{max(errors):.0e}"
        low = min(c["change"]["value"] for c in refuted)
        text += (
            f"; the mean rises on {counts['rises']}, falls on {counts['falls']} (by "
            f"{number(-low)} at most), and is undecided on {counts['undecided']} (errors, from "
            f"refinement, at most {worst})"
        )
    return text


# -- drawing -----------------------------------------------------------------------------------
def map_panel(ax: Axes, record: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw one map: cells, losing paths, means, and the lines of equality."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    n, names = data["n"], list(STATES)
    left, right, bottom, top = record["edges"]
    shown = np.array([names.index(state(c)) for c in data["cells"]]).reshape(n, n)
    pad_x, pad_y = 0.5 * (right - left) / (n - 1), 0.5 * (top - bottom) / (n - 1)
    edges_x = np.linspace(left - pad_x, right + pad_x, n + 1)
    edges_y = np.linspace(bottom - pad_y, top + pad_y, n + 1)
    ax.pcolormesh(
        edges_x,
        edges_y,
        shown,
        cmap=ListedColormap([colour for _, colour in STATES.values()]),
        norm=BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names)),
        edgecolors="white",
        linewidth=0.3,
    )
    for data_cell in data["cells"]:
        if data_cell["loss"] is not None:
            ax.plot(*data_cell["mean"], ".", color="black", ms=2.2, mew=0)
    ax.set_xlim(edges_x[0], edges_x[-1])
    ax.set_ylim(edges_y[0], edges_y[-1])
    equality(ax, record, data)
    ax.plot(0, 0, "*", ms=9, mfc="white", mec="black", mew=0.7, zorder=6)
    ax.plot(*record["second"], "o", ms=4.2, mfc="white", mec="black", mew=0.7, zorder=6)
    ax.set_aspect("equal")


def equality(ax: Axes, record: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw where the condition is an equality for the pair of rivals, at both ends of time.

    The kernel is least or largest there; for covariance I the two lines are one.
    """
    reach = 3 * max(map(abs, record["edges"]))
    variances = np.array(data["variances"])
    for s, style in ((0.0, "-"), (record["horizon"], (0, (4, 2)))):
        if s and np.all(variances == 1):
            continue
        normal = np.array(record["second"]) * (1 + (variances - 1) * np.exp(-2 * s)) ** -2
        along = reach * np.array([-normal[1], normal[0]]) / np.linalg.norm(normal)
        ax.plot([-along[0], along[0]], [-along[1], along[1]], color="black", lw=0.8, ls=style)


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record: one map per theorem."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    panels = record["panels"]
    figure = new_figure(FULL_WIDTH, 4.22)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, data, letter in zip(axes, panels, "AB", strict=False):
        map_panel(ax, record, data)
        title = data["name"].replace("Sigma", r"$\Sigma$")
        ax.set_title(
            rf"$\bf{{{letter}}}$  {title}, $\Sigma$ = diag({numbers(data['variances'])})",
            loc="left",
        )
        ax.set_xlabel("$a$, third mean $(a, b)$")
    axes[0].set_ylabel("$b$")
    present = {state(c) for data in panels for c in data["cells"]}
    handles: list[Any] = [
        Patch(fc=colour, ec="#777777", lw=0.4, label=words)
        for name, (words, colour) in STATES.items()
        if name in present
    ]
    if any(c["loss"] is not None for data in panels for c in data["cells"]):
        dot = Line2D([], [], ls="", marker=".", color="black", ms=5, mew=0)
        dot.set_label("a path loses confidence")
        handles.append(dot)
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return settled(figure)
