"""The work-precision figure: true error against wall time, one panel per case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cases import CASES
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

#: package -> colour, marker and where its name stands (points, from its last run)
LOOKS: dict[str, tuple[str, str, tuple[int, int], str]] = {
    OURS: ("#0072B2", "o", (0, -11), "center"),
    CHARACTERISTICS: ("#CC79A7", "s", (6, -9), "left"),
    LINES: ("#009E73", "^", (7, -1), "left"),
    PY_PDE: ("#E69F00", "v", (0, 8), "center"),
    PY_PDE_SCIPY: ("#D55E00", "D", (6, -3), "left"),
    FIPY: ("#777777", "P", (4, 8), "center"),
}
FORMATS = ("svg", "png")


def _series(rows: list[Row], package: str) -> list[list[Row]]:
    """Return a package's runs in the order they were made, one list per time stepper."""
    series: dict[str, list[Row]] = {}
    for row in rows:
        if row.package == package and row.true_error < float("inf"):
            key = row.settings.split(",")[0] if package == LINES else ""
            series.setdefault(key, []).append(row)
    return list(series.values())


def _panel(ax: Axes, rows: list[Row], letter: str) -> None:
    case = CASES[rows[0].case]
    for package, (colour, marker, offset, side) in LOOKS.items():
        for series in _series(rows, package):
            x = [row.seconds for row in series]
            y = [row.true_error for row in series]
            mine = package == OURS
            ax.plot(
                x,
                y,
                color=colour,
                marker=marker,
                ms=4.2 if mine else 3.4,
                lw=1.6 if mine else 1.0,
                mfc=colour if mine else "white",
                zorder=4 if mine else 3,
            )
            name = package
            if package == LINES:
                name = f"{LINES}, {series[0].settings.split(',')[0]}"
            ax.annotate(
                name,
                (x[-1], y[-1]),
                xytext=offset,
                textcoords="offset points",
                color=colour,
                ha=side,
                va="center",
                fontsize=6.5,
                fontweight="bold" if mine else "normal",
                zorder=5,
            )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.grid(True, which="major", color="#EEEEEE", lw=0.5, zorder=0)
    ax.set_title(f"{letter}  {case.name}", loc="left", fontweight="bold", fontsize=8)
    ax.set_title(case.label, loc="right", fontsize=7, color="#555555")


@styled
def draw(rows: list[Row]) -> Figure:
    """Draw the figure from the rows of a run."""
    names = [name for name in CASES if any(row.case == name for row in rows)]
    deep = (len(names) + 1) // 2
    figure = new_figure(FULL_WIDTH, 0.4 + 2.6 * deep)
    panels = figure.subplots(deep, min(2, len(names)), squeeze=False, sharex=True, sharey=True)
    for ax in panels.flat[len(names) :]:
        ax.set_visible(False)
    for ax, name, letter in zip(panels.flat, names, "ABCD", strict=False):
        _panel(ax, [row for row in rows if row.case == name], letter)
    left, right = panels[0, 0].get_xlim()
    panels[0, 0].set_xlim(left, 6 * right)
    for ax in panels[:, 0]:
        ax.set_ylabel("true error")
    for ax in panels[-1, :]:
        ax.set_xlabel("wall time (s)")
    return settled(figure)


def write(rows: list[Row], folder: Path) -> None:
    """Write work_precision.svg and .png."""
    figure = draw(rows)
    for suffix in FORMATS:
        save_figure(figure, folder / f"work_precision.{suffix}")
