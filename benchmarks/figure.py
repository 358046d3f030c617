"""The work-precision figure: true error against wall time, one panel per case."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.cases import CASES, Array
from benchmarks.measure import Row
from benchmarks.runs import CHARACTERISTICS, FIPY, LINES, OURS, PY_PDE, PY_PDE_SCIPY
from proofs_check.figures.style import (
    FULL_WIDTH,
    new_figure,
    save_figure,
    settled,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

#: package -> colour and marker
LOOKS: dict[str, tuple[str, str]] = {
    OURS: ("#0072B2", "o"),
    CHARACTERISTICS: ("#CC79A7", "s"),
    LINES: ("#009E73", "^"),
    PY_PDE: ("#E69F00", "v"),
    PY_PDE_SCIPY: ("#D55E00", "D"),
    FIPY: ("#777777", "P"),
}
#: where a name may stand beside a run, best first: offset in points, alignment
PLACES = (
    *[((6, 0), "left"), ((6, -7), "left"), ((6, 7), "left"), ((0, -9), "center")],
    *[((0, 9), "center"), ((-6, 0), "right"), ((-6, -7), "right"), ((-6, 7), "right")],
    *[((0, -17), "center"), ((0, 17), "center"), ((-16, -12), "right"), ((4, -12), "right")],
)
FORMATS = ("svg", "png")


def _series(rows: list[Row], package: str) -> list[list[Row]]:
    """Return a package's runs in the order they were made, one list per time stepper."""
    series: dict[str, list[Row]] = {}
    for row in rows:
        if row.package == package and row.true_error < float("inf"):
            key = row.settings.split(",")[0] if package == LINES else ""
            series.setdefault(key, []).append(row)
    return list(series.values())


def _panel(ax: Axes, rows: list[Row]) -> list[tuple[str, str, Array, bool]]:
    """Draw a panel; return name, colour, runs (time, error) and weight of every series."""
    case = CASES[rows[0].case]
    drawn = []
    for package, (colour, marker) in LOOKS.items():
        mine = package == OURS
        for series in _series(rows, package):
            runs = np.array([(row.seconds, row.true_error) for row in series])
            ax.plot(
                *runs.T,
                color=colour,
                marker=marker,
                ms=4.2 if mine else 3.4,
                lw=1.6 if mine else 1.0,
                mfc=colour if mine else "white",
                zorder=4 if mine else 3,
            )
            method = series[0].settings.split(",")[0]
            name = f"{LINES}, {method}" if package == LINES else package
            drawn.append((name, colour, runs, mine))
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.grid(True, which="major", color="#EEEEEE", lw=0.5, zorder=0)
    ax.set_title(case.name, loc="left", fontweight="bold", fontsize=8)
    ax.set_title(case.label, loc="right", fontsize=7, color="#555555")
    return drawn


def _label(ax: Axes, drawn: list[tuple[str, str, Array, bool]]) -> None:
    """Write every name beside its series, at the place that covers least of the panel."""
    inside = ax.get_window_extent()
    lines = [ax.transData.transform(runs) for *_, runs, _ in drawn]
    # the points of all lines, close enough together that no letter fits between them
    share = np.linspace(0, 1, 401)[:, None]
    ink = np.concatenate(
        [line[:1] for line in lines]
        + [a + share * (b - a) for line in lines for a, b in pairwise(line)]
    )
    taken: list[Bbox] = []
    for name, colour, runs, mine in drawn:
        best, least, box = None, np.inf, inside
        anchors = [runs[-1], runs[0], *runs[1:-1]]
        for k, (anchor, (offset, side)) in enumerate(product(anchors, PLACES)):
            text = ax.annotate(
                name,
                anchor,
                xytext=offset,
                textcoords="offset points",
                color=colour,
                ha=side,
                va="center",
                fontsize=6.5,
                fontweight="bold" if mine else "normal",
                zorder=5,
            )
            here = text.get_window_extent().padded(4)
            held = (here.min < ink) & (ink < here.max)
            cost = 0.1 * k + held.all(axis=1).sum()
            cost += 300 * sum(here.overlaps(other) for other in taken)
            cost += 300 * (not (inside.contains(*here.min) and inside.contains(*here.max)))
            if cost < least:
                if best is not None:
                    best.remove()
                best, least, box = text, cost, here
            else:
                text.remove()
        taken.append(box)


@styled
def draw(rows: list[Row]) -> Figure:
    """Draw the figure from the rows of a run."""
    names = [name for name in CASES if any(row.case == name for row in rows)]
    deep = (len(names) + 1) // 2
    figure = new_figure(FULL_WIDTH, 0.4 + 2.6 * deep)
    panels = figure.subplots(deep, min(2, len(names)), squeeze=False, sharex=True, sharey=True)
    for ax in panels.flat[len(names) :]:
        ax.set_visible(False)
    drawn = [
        _panel(ax, [row for row in rows if row.case == name])
        for ax, name in zip(panels.flat, names, strict=False)
    ]
    left, right = panels[0, 0].get_xlim()
    panels[0, 0].set_xlim(left / 8, 4 * right)
    bottom, top = panels[0, 0].get_ylim()
    panels[0, 0].set_ylim(bottom / 4, 3 * top)
    for ax in panels[:, 0]:
        ax.set_ylabel("true error")
    for ax in panels[-1, :]:
        ax.set_xlabel("wall time (s)")
    settled(figure)  # labels need the final size of the panels
    for ax, series in zip(panels.flat, drawn, strict=False):
        _label(ax, series)
    return figure


def write(rows: list[Row], folder: Path) -> None:
    """Write work_precision.svg and .png."""
    figure = draw(rows)
    for suffix in FORMATS:
        save_figure(figure, folder / f"work_precision.{suffix}")
