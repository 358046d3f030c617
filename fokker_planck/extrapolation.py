"""Richardson extrapolation that stops where the differences do not shrink as the order says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.characteristic_reading import remaining_share

Array = NDArray[np.float64]
#: a quintic spline gains this much when its nodes are twice as close
LEAST_GAIN = 64.0
#: an observed ratio of successive differences may miss the expected one by this factor
TOLERANCE = 2.0


def extrapolate(
    values: ArrayLike,
    powers: Sequence[float],
    noise: float = 0.0,
    share: float = 1 / 16,
    doubt: float = 0.0,
) -> tuple[float, float]:
    r"""Extrapolate values at steps H, H/2, H/4, ... to step zero, with an error.

    For :math:`v(H) = v + a_1 H^{p_1} + a_2 H^{p_2} + \dots` column k of the table removes the
    power p_k,

    .. math:: v_{k}(H/2) = v_{k-1}(H/2) + \frac{v_{k-1}(H/2) - v_{k-1}(H)}{2^{p_k} - 1}.

    A column whose last two differences are not in the ratio :math:`2^{p_k}`, within a factor of
    2, is not extrapolated: the value is then its last entry and the error twice the largest of its
    differences and of the distance to what extrapolating regardless would give.

    Parameters
    ----------
    values : array_like, shape (levels,)
        From the coarsest to the finest.
    powers : sequence of float
        p_1 < p_2 < ...; at most levels - 1 of them are used.
    noise : float
        Differences below it are rounding, and end the extrapolation.
    share : float
        How much of what the column before the last changed is claimed at least; 1 trusts the last
        column with nothing.
    doubt : float
        Such a share, too, is what the last ratio seen misses its power by, times this: other terms
        are then left, which the last column, whose ratio nobody sees, does not remove.

    Returns
    -------
    value, error : float
        The error is what the last column changed at the finest level (docs/theory.md, N5), and
        at least ``share`` of what the column before changed; inf if there is one level only.
    """
    column = np.asarray(values, dtype=float)
    if column.size == 1:
        return float(column[0]), float("inf")
    change = before = float("inf")
    missed = 0.0
    for power in powers:
        gaps = np.abs(np.diff(column))
        if gaps.size == 0:
            break
        factor = 2.0**power
        if gaps[-2:].max() <= noise:
            return float(column[-1]), float(gaps[-2:].max())
        if gaps.size > 1:
            steady = np.diff(column)[-2] / factor / TOLERANCE
            last = np.diff(column)[-1]
            ratio = last / steady if steady else np.inf
            if not 1.0 <= ratio <= TOLERANCE**2:
                # leading terms that nearly cancel make small differences far from the limit
                rest = powers[list(powers).index(power) :]
                regardless = abs(column[-1] - _regardless(column, rest))
                return float(column[-1]), float(2 * max(gaps[-1], gaps[-2] / factor, regardless))
            missed = max(ratio / TOLERANCE, TOLERANCE / ratio) - 1
        before, change = change, gaps[-1] / (factor - 1)
        column = column[1:] + np.diff(column) / (factor - 1)
    share = max(share, min(doubt * missed, 1.0))
    return float(column[-1]), float(max(change, before * share if np.isfinite(before) else 0.0))


def _regardless(column: Array, powers: Sequence[float]) -> float:
    """Return the last entry of the full table, whatever the ratios."""
    for power in powers:
        if column.size == 1:
            break
        column = column[1:] + np.diff(column) / (2.0**power - 1)
    return float(column[-1])


def spline_share(last: float, previous: float) -> float:
    """Return the share left of what the last halving of a spline's nodes changed (N4d).

    Never less than four times that of the order, whatever two differences seem to say.
    """
    return max(remaining_share(last, previous), 4 / LEAST_GAIN)
