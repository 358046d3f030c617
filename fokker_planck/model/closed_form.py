"""Closed form of the unguided law (docs/theory.md, I4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import shown
from fokker_planck.model.process import ReverseProcess
from fokker_planck.model.schedule import OrnsteinUhlenbeck

Array = NDArray[np.float64]


def unguided_moments(process: ReverseProcess, tau: ArrayLike) -> tuple[Array, Array]:
    r"""Return mean and variance of x_tau at strength 0, one dimension, Gaussian start (I4).

    The reverse dynamics is linear with slope :math:`A = 1 - (1+\lambda^2)/C_t`, and p_t(.|y)
    solves it for every noise level; so with :math:`\Phi = \exp\int_0^\tau A`

    .. math:: m = r\mu_y + \Phi\,(m_0 - r_T\mu_y), \qquad V = C_t + \Phi^2\,(V_0 - C_T),

    where for the Ornstein-Uhlenbeck schedule, with u = e^{2t} and kappa = 1 - Sigma_y,
    :math:`\Phi = e^{\tau}\,[(u_t - \kappa)/(u_T - \kappa)]^{(1+\lambda^2)/2}`.

    Returns
    -------
    mean, variance : ndarray, shape of ``tau``

    Raises
    ------
    ValueError
        If the process is not 1-D, OU and started from one Gaussian.
    """
    if process.dimension != 1 or not isinstance(process.schedule, OrnsteinUhlenbeck):
        raise ValueError(f"process must be 1-D with the OU schedule, got {shown(process)}")
    if process.initial.n_components != 1:
        raise ValueError(f"process must start from one Gaussian, got {shown(process.initial)}")
    tau = np.asarray(tau, dtype=float)
    t, horizon = process.forward_time(tau), process.horizon
    mu = float(process.mixture.means[process.target, 0])
    sigma = float(process.mixture.covariances[process.target, 0, 0])
    r, r_start = np.exp(-t), np.exp(-horizon)
    c = r * r * sigma - np.expm1(-2 * t)
    c_start = r_start**2 * sigma - np.expm1(-2 * horizon)
    # (u - kappa) = u C: the ratio of the two is e^{2(t-T)} C_t / C_T
    power = 0.5 * (1 + process.noise_level**2)
    phi = np.exp(tau + power * (2 * (t - horizon) + np.log(c / c_start)))
    m0 = float(process.initial.means[0, 0])
    v0 = float(process.initial.covariances[0, 0, 0])
    return r * mu + phi * (m0 - r_start * mu), c + phi**2 * (v0 - c_start)
