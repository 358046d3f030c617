"""Score and its Jacobian matrix in more dimensions, for the steps of chains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model.dynamics import Dynamics
from fokker_planck.model.guided import GuidedProcess
from fokker_planck.model.vector import VectorPosterior

Array = NDArray[np.float64]
#: eighth-order central differences
WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
STEP = 0.01


def plane_score(
    process: Dynamics, x: Array, tau: float, jacobian: bool
) -> tuple[Array, Array | None]:
    """Return the score (the drift of a user's own process) at points (n, d), and its Jacobian.

    The Jacobian, (n, d, d), is exact where the class is one Gaussian and guidance is linear; else
    it is an eighth-order central difference.
    """
    field: Any = process.score if isinstance(process, GuidedProcess) else process.drift
    score = np.asarray(field(x, tau))
    if not jacobian:
        return score, None
    if isinstance(process, GuidedProcess) and process.is_linear:
        posterior = process.posterior
        if type(posterior) is VectorPosterior:
            return score, _exact(process, posterior, x, tau)
    columns = []
    for unit in np.eye(process.dimension) * STEP:
        change = np.zeros_like(score)
        for j, weight in enumerate(WEIGHTS, start=1):
            change += weight / STEP * (field(x + j * unit, tau) - field(x - j * unit, tau))
        columns.append(change)
    return score, np.stack(columns, axis=-1)


def _exact(process: GuidedProcess, posterior: VectorPosterior, x: Array, tau: float) -> Array:
    """Return the Hessian of log p(x|y) + eta log P, by polarisation of n^T H n."""
    t = process.forward_time(tau)
    eta = float(process.guidance.strength(t))
    d = x.shape[-1]
    law, y = posterior.mixture, posterior.target
    r = float(posterior.schedule.signal(t))
    spectrum = r * r * law.variances[y] + float(posterior.schedule.variance(t))
    own = -(law.axes[y] / spectrum) @ law.axes[y].T
    out = np.broadcast_to(own, (*x.shape[:-1], d, d)).copy()
    if eta == 0 or not posterior.others:
        return out
    units = np.eye(d)
    diagonal = [posterior.bend(x, t, np.broadcast_to(unit, x.shape)) for unit in units]
    for i in range(d):
        out[..., i, i] += eta * diagonal[i]
        for j in range(i):
            both = np.broadcast_to(units[i] + units[j], x.shape)
            mixed = 0.5 * (posterior.bend(x, t, both) - diagonal[i] - diagonal[j])
            out[..., i, j] += eta * mixed
            out[..., j, i] += eta * mixed
    return out
