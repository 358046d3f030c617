"""How many modes a density has, with an error: peaks by how far they rise above their saddles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fokker_planck import Estimate

if TYPE_CHECKING:
    from fokker_planck import Solution

Array = NDArray[np.float64]


def rises(values: Array) -> Array:
    """Return how far each peak rises above the saddle where it meets a higher one, descending.

    ``values`` lie on a line or a tensor grid; beyond its edge they are zero. These are the
    lengths of the intervals of the zeroth persistence diagram of the superlevel sets.
    """
    flat = values.ravel()
    if values.ndim == 1:
        keep = _extremes(flat)
        flat, shape = flat[keep], (int(keep.sum()),)
    else:
        shape = values.shape
    strides = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    parent = np.full(flat.size, -1)
    found: list[float] = []

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    order = np.argsort(-flat, kind="stable")
    for node in order[: int(np.count_nonzero(flat > 0))].tolist():
        parent[node] = node
        top = node
        for axis, stride in enumerate(strides):
            place = node // stride % shape[axis]
            for step, inside in ((-stride, place > 0), (stride, place < shape[axis] - 1)):
                if not inside or parent[node + step] < 0:
                    continue
                other = root(node + step)
                if other == top:
                    continue
                low, high = sorted((top, other), key=lambda i: (flat[i], -i))
                if low != node:
                    found.append(float(flat[low] - flat[node]))
                parent[low] = top = high
    if flat.size and flat.max() > 0:
        found.append(float(flat.max()))
    return np.sort(np.array(found))[::-1]


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
    slack = 2 * error + prominence * error
    if slack >= level:
        return Estimate(float(np.sum(found > level)), np.inf)
    count, least, most = (int(np.sum(found > level + s)) for s in (0.0, slack, -slack))
    return Estimate(count, max(count - least, most - count), "refinement")


def modes(solution: Solution, prominence: float) -> Estimate:
    """Return the number of modes of a solution's density at its last output time.

    The error of the density is the largest over the points where it exceeds a tenth of what a
    mode must rise by, and at least what every other node would change.
    """
    density = solution.density(-1)
    points, shape = density.points, getattr(density, "shape", None)
    logs, error = solution.log_density(points, -1)
    values = np.exp(logs)
    high = values > 0.1 * prominence * values.max()
    with np.errstate(over="ignore", invalid="ignore"):
        worst = float(np.max(values[high] * np.expm1(error[high])))
    grid = values if shape is None else values.reshape(shape)
    whole = count_modes(grid, worst, prominence)
    half = count_modes(grid[(slice(None, None, 2),) * grid.ndim], worst, prominence)
    return Estimate(whole.value, np.maximum(whole.error, abs(whole.value - half.value)), whole.kind)
