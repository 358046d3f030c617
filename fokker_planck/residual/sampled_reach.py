"""Where the law of any 1-D process can be, from suprema on a grid: for residuals, not bounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics
from fokker_planck.residual.moments import Reach
from fokker_planck.tails import tail_bound

Array = NDArray[np.float64]
#: how much higher than the computed density the true one may be: it counts by its logarithm
HEADROOM = 10.0


def sampled_reach(process: Dynamics, taus: Array, heights: Array) -> Reach:
    """Return moment bounds from the tail bounds of a process, and heights of its densities.

    Parameters
    ----------
    process : Dynamics
        One-dimensional.
    taus : ndarray, shape (m,)
    heights : ndarray, shape (m,)
        Largest computed densities.
    """
    bound = tail_bound(process)
    best: list[tuple[Array, Array]] = []
    for q, centre, log_moment in bound.lyapunov:
        # x^2 <= 2 (x - c)^2 + 2 c^2
        best.append((np.full_like(bound.taus, 2 / q), log_moment + 0.5 * q * centre**2))
    if np.all(np.isfinite(bound.sandwich_deviation)):
        spread = 2 * bound.sandwich_deviation.max(axis=0) ** 2
        mean = np.maximum(np.abs(bound.low_mean), np.abs(bound.high_mean)).max(axis=0)
        # between two Gaussians of half that variance, one for either sign
        best.append((spread, np.log(2 * np.sqrt(2)) + mean**2 / spread))
    nothing = np.full(taus.size, np.inf)
    log_height = np.log(HEADROOM * np.maximum(heights, 1e-300))
    if not best:
        return Reach(taus, nothing, nothing, log_height)
    index = np.minimum(np.searchsorted(bound.taus, taus), bound.taus.size - 1)
    # the one that keeps 1e-8 nearest
    radii = [np.where(np.isfinite(s * g), s * (np.maximum(g, 0) + 18), np.inf) for s, g in best]
    spread, log_moment = best[int(np.argmin([float(r[index].max()) for r in radii]))]
    return Reach(taus, spread[index], np.maximum(log_moment[index], 0.0), log_height)
