"""How many modes a law has at the output, of its density or of that smoothed by a Gaussian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck import Estimate
from fokker_planck.characteristic_reading import LEAST_RATIO, remaining_share
from proofs_check.sweep.peaks import count_modes

if TYPE_CHECKING:
    from fokker_planck import Solution

Array = NDArray[np.float64]
EPS = float(np.finfo(float).eps)
#: lattice points per bandwidth of a smoothed density, how far its kernel reaches, the longest
FINENESS, REACH, LONGEST = 10, 7.0, 1 << 22


def modes(solution: Solution, prominence: float, bandwidth: float = 0.0) -> Estimate:
    """Return the number of modes of a solution's law at its last output time.

    Parameters
    ----------
    solution : Solution
    prominence : float
        A mode rises above the saddle to a higher one by more than this share of the highest.
    bandwidth : float
        Standard deviation of a Gaussian that the density is smoothed by; 0: the density itself.

    Raises
    ------
    ValueError
        If the law has no density, or a bandwidth is asked for in the plane.
    """
    reading: Any = solution.reading
    if bandwidth:
        if solution.dimension != 1:
            raise ValueError("modes in the plane have no bandwidth")
        return smoothed_modes(last_part(reading), prominence, bandwidth)
    density = solution.density(-1)
    values, shape = density.values, getattr(density, "shape", None)
    high = values > 0.1 * prominence * values.max()
    worst = density_error(last_part(reading), values, high)
    grid = values if shape is None else values.reshape(shape)
    whole = count_modes(grid, worst, prominence)
    # at least what leaving out every other node would change
    half = count_modes(grid[(slice(None, None, 2),) * grid.ndim], worst, prominence)
    return Estimate(whole.value, np.maximum(whole.error, abs(whole.value - half.value)), whole.kind)


def last_part(reading: Any) -> Any:
    """Return the reading at the last time; a chain has one for each."""
    return reading.parts[-1] if hasattr(reading, "parts") else reading


def density_error(reading: Any, values: Array, high: NDArray[np.bool_]) -> float:
    """Return the largest error of the density over the nodes that are ``high``.

    Characteristics and push-forwards carry the density along: its values at the carried nodes,
    and so the heights of peaks and saddles, do not depend on where exactly the nodes have got to.
    """
    if hasattr(reading, "companions"):
        mass = reading.best.mass[-1]
        gap = sum((np.abs(c[-1] - mass) for c in reading.companions.values()), EPS * mass.max())
        cells = mass[high] / values[high]
        return float(np.max(np.asarray(gap)) / cells.min())
    logs = reading.best.log_density[-1]
    if hasattr(reading, "coarsest_time"):
        last = np.abs(logs - reading.coarse_time.log_density[-1])
        previous = np.abs(
            reading.coarse_time.log_density[-1] - reading.coarsest_time.log_density[-1]
        )
        # a change may vanish at a node by accident, two in a row hardly
        last = np.maximum(last, LEAST_RATIO * previous)
        shares = np.array([*map(remaining_share, last.tolist(), previous.tolist())])
        rounding = 4 * reading.steps * EPS * (1 + np.abs(logs))
        error = last * shares + rounding + reading.drift_error[-1]
    elif hasattr(reading, "jittered"):
        error = 4 * np.abs(reading.jittered.log_density[-1] - logs) + 64 * EPS * (1 + np.abs(logs))
        if reading.other is not None:
            error = error + np.abs(reading.other / reading.best.mass[-1] - 1)
    else:
        return float("inf")
    heights = np.exp(logs)
    where = heights > 0.1 * float(values[high].min())
    return float(np.max(heights[where] * np.expm1(error[where])))


def smoothed_modes(reading: Any, prominence: float, bandwidth: float) -> Estimate:
    """Return the number of modes of a law on the line after smoothing.

    It is a sum over the nodes, whatever the density does between them. The error is what fewer
    nodes or a companion's would make of it, and the bend of the curve between lattice points. A
    trapezoid rule loses its error like exp(-c/h^2): half the nodes lose the fourth root of what
    all do, and the square of theirs is charged.
    """
    best = reading.best
    points, mass = best.points[-1], best.mass[-1]
    others: list[tuple[Array, Array]] = []
    fewer = (points[::2], 2 * mass[::2])
    if hasattr(reading, "companions"):
        others += [(points, companion[-1]) for companion in reading.companions.values()]
    elif hasattr(reading, "coarse_time"):
        others.append((reading.coarse_time.points[-1], mass))
    elif hasattr(reading, "jittered"):
        others.append((reading.jittered.points[-1], mass))
        others += [] if reading.other is None else [(points, reading.other)]
        fewer = (reading.runs[-2].points[-1], reading.runs[-2].mass[-1])
    else:
        return Estimate(np.nan, np.inf)
    sums = [(points, mass), fewer, *others]
    step = bandwidth / FINENESS
    used = np.concatenate([x[np.abs(m) > EPS * EPS] for x, m in sums])
    low, high = (used.min() / step, used.max() / step) if used.size else (0.0, np.inf)
    if not np.isfinite(high - low) or high - low > LONGEST:
        return Estimate(np.nan, np.inf)
    curves = [_smoothed(x, m, bandwidth, int(np.floor(low)), int(high - low) + 2) for x, m in sums]
    top = float(np.max(np.abs(curves[0])))
    gaps = [float(np.max(np.abs(curve - curves[0]))) for curve in curves[1:]]
    missed = gaps[0] if gaps[0] > 0.1 * top else gaps[0] ** 2 / top
    bend = float(np.max(np.abs(np.diff(curves[0], n=2)))) / 8
    return count_modes(curves[0], missed + sum(gaps[1:]) + bend, prominence)


def _smoothed(points: Array, mass: Array, bandwidth: float, first: int, length: int) -> Array:
    """Return masses smoothed by a Gaussian, on a lattice with its reach on either side."""
    counts = np.abs(mass) > EPS * EPS
    points, mass = points[counts], mass[counts]
    step, wide = bandwidth / FINENESS, int(REACH * FINENESS)
    nearest = np.rint(points / step).astype(np.int64)
    rest = points / step - nearest
    out = np.zeros(length + 2 * wide + 2)
    for shift in range(-wide, wide + 1):
        weights = mass * np.exp(-0.5 * ((shift - rest) / FINENESS) ** 2)
        out += np.bincount(nearest - first + shift + wide, weights, minlength=out.size)
    return out / (bandwidth * np.sqrt(2 * np.pi))
