"""Whether boxes tile a box: cut along planes that no box crosses, until one box is left in each.

Boxes made by repeated bisection, at whatever planes, always come apart in this way. Coordinates
are compared and never computed with, so the answer is exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sde_compare.regions.replay.form import RejectedError

Ints = NDArray[np.int64]


def check_tiling(
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
    outer_low: Sequence[float],
    outer_high: Sequence[float],
) -> None:
    """Check that boxes (rows: boxes, columns: variables) tile the outer box.

    Raises
    ------
    RejectedError
        If they leave a gap, overlap or stick out, naming a box.
    """
    count, dimension = lows.shape
    low_of, high_of = np.empty((2, count, dimension), dtype=np.int64)
    cell_low, cell_high = np.empty_like(low_of), np.empty_like(high_of)
    thick = []
    for k in range(dimension):
        ends = np.concatenate([lows[:, k], highs[:, k], [outer_low[k], outer_high[k]]])
        _, ranks = np.unique(ends, return_inverse=True)
        low_of[:, k], high_of[:, k] = ranks[:count], ranks[count : 2 * count]
        cell_low[:, k], cell_high[:, k] = ranks[-2], ranks[-1]
        if ranks[-2] != ranks[-1]:
            thick.append(k)
    for k in range(dimension):
        out = (low_of[:, k] < cell_low[:, k]) | (high_of[:, k] > cell_high[:, k])
        _refuse(out, "sticks out of the region")
        ordered = low_of[:, k] < high_of[:, k] if k in thick else low_of[:, k] == high_of[:, k]
        _refuse(~ordered, "is empty or has its ends swapped")
    alive = np.arange(count)
    group = np.zeros(count, dtype=np.int64)
    idle = 0  # variables in a row that cut nothing
    turn = 0
    while alive.size and thick and idle < len(thick):
        k = thick[turn % len(thick)]
        turn += 1
        before = alive.size
        alive, group, cut = _cut(k, alive, group, low_of, high_of, cell_low, cell_high)
        idle = 0 if cut or alive.size < before else idle + 1
    # a box alone in its cell is out of the loop; one variable of no width leaves nothing to cut
    if alive.size and (thick or alive.size > 1):
        raise RejectedError(f"box {int(alive[0])} overlaps another one, or no plane parts them")
    _refuse(
        ((low_of != cell_low) | (high_of != cell_high)).any(axis=1),
        "does not fill its place: a gap",
    )


def _cut(
    k: int,
    alive: Ints,
    group: Ints,
    low_of: Ints,
    high_of: Ints,
    cell_low: Ints,
    cell_high: Ints,
) -> tuple[Ints, Ints, bool]:
    """Cut every group of boxes along all planes across variable k; drop groups of one box."""
    order = np.lexsort((low_of[alive, k], group))
    alive, group = alive[order], group[order]
    low, high = low_of[alive, k], high_of[alive, k]
    step = int(max(high.max(), low.max())) + 1  # keeps the running maxima of groups apart
    reach = np.maximum.accumulate(high + group * step) - group * step
    same = group[1:] == group[:-1]
    plane = np.flatnonzero(same & (reach[:-1] <= low[1:])) + 1
    gap = plane[reach[plane - 1] < low[plane]]
    if gap.size:
        raise RejectedError(f"box {int(alive[gap[0]])} lies behind a gap")
    fresh = np.concatenate([[True], ~same])
    fresh[plane] = True
    parts = np.cumsum(fresh) - 1
    first = np.flatnonzero(fresh)
    last = np.concatenate([first[1:], [alive.size]]) - 1
    from_plane = np.zeros(alive.size, dtype=bool)
    from_plane[plane] = True
    started = from_plane[first]  # this part begins at a plane
    ended = np.concatenate([started[1:], [False]])  # the next one does
    begin = np.where(started, low[first], cell_low[alive[first], k])
    end = np.where(ended, reach[last], cell_high[alive[first], k])
    cell_low[alive, k], cell_high[alive, k] = begin[parts], end[parts]
    crowd = (last - first + 1 > 1)[parts]
    return alive[crowd], parts[crowd], bool(plane.size)


def _refuse(wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        raise RejectedError(f"box {int(np.flatnonzero(wrong)[0])} {why}")
