"""Step rules on paths: grids cut finer, and noise that drives two step sizes at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics, GuidedProcess
from fokker_planck.model.steps import RULES, StepTable, check_rule, step_table, time_nodes

Array = NDArray[np.float64]
__all__ = [
    "RULES",
    "StepTable",
    "check_rule",
    "noise_weights",
    "step_table",
    "subdivide",
    "time_nodes",
]


def subdivide(tau: Array, parts: int) -> Array:
    """Return the grid with every step cut into equal parts; its old nodes stay to the bit."""
    if parts == 1:
        return tau
    share = np.arange(parts) / parts
    inner = tau[:-1, None] + share * np.diff(tau)[:, None]
    return np.append(inner.ravel(), tau[-1])


def noise_weights(process: Dynamics, tau: Array, rule: str, stride: int) -> Array:
    r"""Return the weights with which fine normals add up to coarse ones.

    :math:`\Xi = \sum_j w_j \xi_j` with :math:`\sum_j w_j^2 = 1` drives one coarse step over
    ``stride`` fine ones. Euler: :math:`w_j = \sqrt{h_j/H}`, the sum of Brownian increments. Other
    rules: w_j proportional to the amplitude C_j carried to the end of the coarse step, which for
    the exponential rule is the exact stochastic integral.

    Parameters
    ----------
    tau : ndarray, shape (n * stride + 1,)
        The fine grid.

    Returns
    -------
    ndarray, shape (n, stride)
    """
    h = np.diff(tau).reshape(-1, stride)
    weight = np.sqrt(h)
    if rule in ("exponential", "ddpm") and isinstance(process, GuidedProcess):
        noisy = process if not process.deterministic else process.with_noise_level(1.0)
        signal = process.schedule.signal(process.forward_time(tau[1:])).reshape(-1, stride)
        carried = step_table(noisy, tau, rule).noise.reshape(-1, stride) * signal[:, -1:] / signal
        weight = np.where(carried.any(axis=1, keepdims=True), carried, weight)
    return np.asarray(weight / np.linalg.norm(weight, axis=1, keepdims=True))
