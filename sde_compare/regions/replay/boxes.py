"""Proofs by boxes: they tile the region, and in each the function is not below the bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from flint import arb

from sde_compare.regions.replay.bound import Checker
from sde_compare.regions.replay.form import Node, Region, RejectedError, above, below, shown, whole
from sde_compare.regions.replay.tiling import check_tiling


def numbers(entry: Any, index: int, dimension: int) -> list[float]:
    """Return the ends of one box."""
    if not isinstance(entry, list) or len(entry) != 2 * dimension:
        raise RejectedError(f"box {index} must have {2 * dimension} ends, got {shown(entry)}")
    out = []
    for value in entry:
        if isinstance(value, float) and math.isfinite(value):
            out.append(value)
        elif isinstance(value, str) and value in ("inf", "-inf"):
            out.append(math.inf if value == "inf" else -math.inf)
        elif whole(value) and abs(value) <= 2**53:
            out.append(float(value))
        else:
            raise RejectedError(f"box {index} has an end that is no number, {shown(value)}")
    return out


def least(bound: Any) -> arb:
    """Return the bound of a list of boxes, a number >= 0."""
    finite = (isinstance(bound, float) and math.isfinite(bound)) or (
        whole(bound) and abs(bound) <= 2**53
    )
    if not finite or bound < 0:
        raise RejectedError(f"bound must be a finite number >= 0, got {shown(bound)}")
    return arb(bound)


def check_boxes(nodes: Sequence[Node], region: Region, bound: Any, boxes: Any) -> tuple[int, int]:
    """Check a proof by boxes; return how many there are and how many cuts were added.

    Raises
    ------
    RejectedError
        If they do not tile the region, or one does not show the bound, naming it.
    """
    limit = least(bound)
    if not isinstance(boxes, list) or not boxes:
        raise RejectedError(f"boxes must be a list of boxes, got {shown(boxes)}")
    dimension = len(region.names)
    table = np.array([numbers(entry, k, dimension) for k, entry in enumerate(boxes)]) + 0.0
    outer_low = [below(end) for end in region.lows]
    outer_high = [above(end) for end in region.highs]
    check_tiling(table[:, ::2], table[:, 1::2], outer_low, outer_high)
    checker = Checker(nodes, region, limit)
    for k, row in enumerate(table.tolist()):
        if not checker.shows(row):
            raise RejectedError(f"box {k}: {checker.why} in {_named(region, row)}")
    return len(boxes), checker.cuts


def _named(region: Region, row: Sequence[float]) -> str:
    ranges_ = zip(region.names, row[::2], row[1::2], strict=True)
    text = ", ".join(f"{name} in [{low:.8g}, {high:.8g}]" for name, low, high in ranges_)
    return text if len(text) <= 300 else text[:297] + "..."
