"""Moments of a mixture's guided law in any dimension, with rates sampled in time: for residuals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import ReverseProcess
from fokker_planck.residual.moments import Reach, graded_edges, march
from fokker_planck.residual.naive import diffusivity_of, members

Array = NDArray[np.float64]


def naive_reach(process: ReverseProcess, taus: Array, heights: Array) -> Reach:
    """Return moment bounds at ``taus``; ``heights`` bound the density itself.

    The same inequality as on the line, x . b <= A|x| + beta |x|^2 from the extreme eigenvalues of
    the components, with rates from the middle of pieces of time.
    """
    edges = graded_edges(process.horizon, taus)
    mixture, own = process.mixture, members(process)
    used = mixture.weights > 0
    size = np.linalg.norm(mixture.means, axis=1)
    dimension = process.dimension
    columns = []
    for tau in 0.5 * (edges[1:] + edges[:-1]):
        t = float(process.forward_time(tau))
        r, v = float(process.schedule.signal(t)), float(process.schedule.variance(t))
        f, diffusion = (
            float(process.schedule.drift_rate(t)),
            float(process.schedule.diffusivity(t)),
        )
        eta = float(process.guidance.strength(t))
        c = (1 + process.noise_level**2) * diffusion
        low = r * r * mixture.variances[:, 0] + v
        high = r * r * mixture.variances[:, -1] + v
        pulls = r * size / low
        rise = c * ((1 + eta) * pulls[own & used].max() + eta * pulls[used].max())
        beta = -f + c * (eta / low[used].min() - (1 + eta) / high[own & used].max())
        noise = diffusivity_of(process, float(tau))
        columns.append([beta, rise, (dimension - 1) * noise, noise, 0.5 * c + 1e-3, 0.0])
    law = process.initial
    spread = 1.25 * float(law.variances.max())
    gap = 1 - law.variances / spread
    shift = np.sum(law.means**2, axis=1) / (2 * (spread - law.variances.max(axis=1)))
    logs = -0.5 * np.log(gap).sum(axis=1) + shift
    start = (spread, float(np.logaddexp.reduce(law.log_weights + logs)), 0.0)
    found = march(taus, edges, np.array(columns).T, start)
    return Reach(taus, found.spread, found.log_moment, np.log(heights))
