"""Margins of every case in units of their error, claim by claim."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from proofs_check import margins
from proofs_check.figures.model import number
from proofs_check.figures.style import (
    FULL_WIDTH,
    GREEN,
    GREY,
    LIGHT,
    ODE,
    SDE,
    new_figure,
    settled,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "PROVED": ODE,
    "SUPPORTED": GREEN,
    "REFUTED": SDE,
    "INCONCLUSIVE": "#E69F00",
    "ERROR": "#000000",
    "VACUOUS": "#AAAAAA",
}
MARKERS = {"REFUTED": "v", "INCONCLUSIVE": "D", "ERROR": "X", "PROVED": "s"}
EXACT = 1e16  # where a margin without error is drawn


def compute(seed: int, level: str, out: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the record: what the stored verdicts of a run say, case by case."""
    folder = Path(out)
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    claims = []
    for entry in index["claims"]:
        record = json.loads((folder / entry["file"]).read_text(encoding="utf-8"))
        cases = [
            {
                "id": case["id"],
                "verdict": case["verdict"],
                "margin": drawable(margins.least(case)),
                "difference": drawable(margins.largest_difference(case)),
            }
            for case in record["cases"]
        ]
        fields = ("id", "verdict", "expected", "as_expected")
        claims.append({**{field: record[field] for field in fields}, "cases": cases})
    return {"claims": claims, "caption": caption(claims)}


def caption(claims: list[dict[str, Any]]) -> str:
    """Return the caption."""
    cases = [case for claim in claims for case in claim["cases"]]
    vacuous = sum(case["verdict"] == "VACUOUS" for case in cases)
    unknown = sum(
        case["verdict"] != "VACUOUS" and case["margin"] is None and case["difference"] is None
        for case in cases
    )
    return (
        f"Least margin of each case divided by its error, over {len(cases)} cases. Right of "
        f"1 the statement holds with every error against it, left of -1 it fails, and in the grey "
        f"band nothing is decided. Right panel: controls, both sides equal by construction; the "
        f"difference must be explained by its error. Margins without error are drawn at the edge "
        f"('exact'). Not drawn: {vacuous} vacuous cases, {unknown} with an unknown margin."
    )


def drawable(ratio: float | None) -> float | None:
    """Return a margin in units of its error with an infinite one at the edge of the figure."""
    return None if ratio is None else math.copysign(min(abs(ratio), EXACT), ratio)


def points(claim: dict[str, Any], field: str) -> list[tuple[float, str]]:
    """Return (margin or difference in errors, verdict) of the cases that have it."""
    return [(case[field], case["verdict"]) for case in claim["cases"] if case[field] is not None]


def strip(ax: Axes, rows: list[list[tuple[float, str]]], clip: float) -> None:
    """Draw one row of points per claim, spread a little in height."""
    for y, row in enumerate(rows):
        ax.axhline(y, color="#EEEEEE", lw=0.6, zorder=0)
        shift = 0.28 * np.sin(2.4 * np.arange(len(row))) if len(row) > 1 else np.zeros(1)
        for (value, verdict), dy in zip(row, shift, strict=False):
            ax.plot(
                *(math.copysign(min(abs(value), clip), value), y + dy, MARKERS.get(verdict, "o")),
                color=COLOURS[verdict],
                ms=3.4,
                mew=0,
                alpha=0.85,
                clip_on=False,
            )
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record."""
    claims = record["claims"]
    figure = new_figure(FULL_WIDTH, 0.9 + 0.3 * len(claims))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    main = [points(claim, "margin") for claim in claims]
    finite = [abs(v) for row in main for v, _ in row if abs(v) < EXACT]
    reach = 10.0 ** (1 + math.ceil(math.log10(max([10.0, *finite]))))
    left.set_xscale("symlog", linthresh=1.0, linscale=0.6)
    left.axvspan(-1, 1, color=LIGHT, alpha=0.6, lw=0)
    strip(left, main, reach)
    low = min([-10.0, *(v for row in main for v, _ in row if v > -EXACT)])
    left.set_xlim(10 * low, 2 * reach)
    ticks = [-1.0, 1.0]
    decade = max(1, round(math.log10(reach) / 5))
    ticks += [10.0**k for k in range(decade, int(math.log10(reach)), decade)]
    ticks += [-(10.0**k) for k in range(decade, int(math.log10(-10 * low)) + 1, decade)]
    left.set_xticks(sorted(ticks), [tick_text(t) for t in sorted(ticks)])
    left.minorticks_off()
    if any(v == EXACT for row in main for v, _ in row):
        left.text(reach, len(claims) - 0.35, "exact", ha="center", va="bottom", fontsize=6.5)
    for x, text, side in ((-1.6, "fails", "right"), (1.6, "holds", "left")):
        left.text(x, -0.5, text, ha=side, va="center", color=GREY, fontsize=6.5)
    left.set_xlabel("margin / error")
    left.set_yticks(range(len(claims)), [row_label(claim) for claim in claims])
    right.axvspan(0, 1, color=LIGHT, alpha=0.6, lw=0)
    strip(right, [points(claim, "difference") for claim in claims], 2.0)
    right.set_xlim(0, 2)
    right.set_xlabel("controls: |difference| / error")
    legend(left, claims)
    return settled(figure)


def tick_text(value: float) -> str:
    """Return a power of ten as text."""
    if abs(value) == 1:
        return number(value)
    sign = "-" if value < 0 else ""
    return rf"${sign}10^{{{round(math.log10(abs(value)))}}}$"


def row_label(claim: dict[str, Any]) -> str:
    """Return a claim's id and its verdict."""
    surprise = "" if claim["as_expected"] else " (!)"
    if claim["verdict"] == claim["expected"] == "REFUTED":
        surprise = ", as expected"
    return f"{claim['id']}  {claim['verdict'].lower()}{surprise}"


def legend(ax: Axes, claims: list[dict[str, Any]]) -> None:
    """Name the colours of the verdicts that occur, above the panel."""
    from matplotlib.lines import Line2D

    present = {case["verdict"] for claim in claims for case in claim["cases"]} - {"VACUOUS"}
    handles = [
        Line2D([], [], ls="", marker=MARKERS.get(v, "o"), color=COLOURS[v], ms=4, label=v.lower())
        for v in COLOURS
        if v in present
    ]
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=5,
        borderaxespad=0.2,
        handletextpad=0.1,
        columnspacing=1.2,
    )
