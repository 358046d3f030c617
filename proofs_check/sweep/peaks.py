"""Peaks of a function on nodes: how far each rises, and how many rise far enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokker_planck import Estimate

Array = NDArray[np.float64]


def rises(values: Array) -> Array:
    """Return how far each peak rises above the saddle where it meets a higher one, descending.

    ``values`` lie on a line or a tensor grid; beyond its edge they are zero, and what is below
    zero counts as zero. These are the lengths of the intervals of the zeroth persistence diagram
    of the superlevel sets.
    """
    flat, shape = values.ravel(), values.shape
    if len(shape) == 1:
        flat = flat[_extremes(flat)]
        shape = flat.shape
    strides = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    parent = [-1] * flat.size
    height = flat.tolist()
    found: list[float] = []

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    order = np.argsort(-flat, kind="stable")
    for node in order[: int(np.count_nonzero(flat > 0))].tolist():
        parent[node] = top = node
        for stride, length in zip(strides, shape, strict=True):
            place = node // stride % length
            for step, inside in ((-stride, place > 0), (stride, place < length - 1)):
                if not inside or parent[node + step] < 0:
                    continue
                other = root(node + step)
                if other == top:
                    continue
                low, high = (top, other) if height[top] <= height[other] else (other, top)
                found.append(height[low] - height[node])
                parent[low] = top = high
    found += [height[i] for i, up in enumerate(parent) if up == i]
    rise = np.array(found)
    return np.sort(rise[rise > 0])[::-1]


def _extremes(values: Array) -> NDArray[np.bool_]:
    """Return which nodes of a line are its ends or turn: no other changes a peak or a saddle."""
    if values.size < 3:
        return np.ones(values.size, dtype=bool)
    rise = np.diff(values)
    turn = rise[:-1] * rise[1:] <= 0
    return np.concatenate([[True], turn, [True]])


def count_modes(values: Array, error: float, prominence: float) -> Estimate:
    """Return the number of peaks that rise by more than ``prominence`` of the highest.

    A change of the density by at most ``error`` everywhere changes a rise by at most twice that
    (stability of persistence diagrams), and so decides between which numbers the true one lies.
    """
    if not np.all(np.isfinite(values)) or not np.isfinite(error):
        return Estimate(np.nan, np.inf)
    found = rises(values)
    level = prominence * float(found.max(initial=0.0))
    slack = (2 + prominence) * error
    count, least, most = (int(np.sum(found > level + s)) for s in (0.0, slack, -slack))
    # errors as large as the level itself hide any number of modes
    known = max(count - least, most - count) if slack < level else np.inf
    return Estimate(count, known, "refinement")
