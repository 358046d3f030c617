"""Laws in closed form: the unguided process (docs/theory.md, I4), and one guided pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import one_of, real_number, shown
from fokker_planck.model.guided import GuidedProcess
from fokker_planck.model.mixture import GaussianMixture, diffused
from fokker_planck.model.schedule import OrnsteinUhlenbeck

Array = NDArray[np.float64]


def unguided_moments(process: GuidedProcess, tau: ArrayLike) -> tuple[Array, Array]:
    r"""Return mean and covariance of x_tau at strength 0, for a Gaussian class (I4).

    The reverse dynamics is linear, and p_t(.|y) solves it for every noise level; so with
    :math:`\Sigma_t = r^2 \Sigma_y + v I` and the propagator :math:`\Phi`, from a start of mean
    m_0 and covariance C_0,

    .. math:: m = r\mu_y + \Phi\,(m_0 - r_T\mu_y), \qquad
              C = \Sigma_t + \Phi\,(C_0 - \Sigma_T)\,\Phi, \qquad
              \Phi = (r_T/r_t)^{\lambda^2}\, (\Sigma_t \Sigma_T^{-1})^{(1+\lambda^2)/2} .

    Parameters
    ----------
    process : ReverseProcess or PairProcess
        Any dimension, schedule and stop; its strength is taken to be 0.
    tau : array_like
        Reverse times.

    Returns
    -------
    mean, covariance : ndarray
        In dimension one both of the shape of ``tau``; else with axes (d,) and (d, d) added.

    Raises
    ------
    ValueError
        If the class is no Gaussian (unless the start is its own law at T), or the score has a
        stated error.

    Notes
    -----
    The start may be a mixture: the moments are those of the whole. The law itself is
    :func:`unguided_law`.
    """
    tau = np.asarray(tau, dtype=float)
    weights, means, covariances = _components(process, tau)
    if weights.size == 1:
        mean, covariance = means[0], covariances[0]
    else:
        mean = np.tensordot(weights, means, axes=1)
        offset = means - mean
        within = np.tensordot(weights, covariances, axes=1)
        covariance = within + np.einsum("k,k...i,k...j->...ij", weights, offset, offset)
    if process.dimension == 1:
        return mean[..., 0], covariance[..., 0, 0]
    return mean, covariance


def unguided_law(process: GuidedProcess, tau: float) -> GaussianMixture:
    """Return the law of x_tau at strength 0: one Gaussian per component of the start (I4).

    Where the class is a mixture and the start its own law at T, that is its law at t = T - tau.

    Raises
    ------
    ValueError
        As :func:`unguided_moments`.
    """
    return GaussianMixture(*_components(process, np.asarray(float(tau))))


def _components(process: GuidedProcess, tau: Array) -> tuple[Array, Array, Array]:
    """Return weights (K,), means (K, ..., d) and covariances (K, ..., d, d)."""
    error = process.perturbation
    if error is not None and error.kind == "score":
        raise ValueError(f"process must have an exact score, got {shown(error)}")
    law = process.class_law
    if law.n_components > 1:
        return _diffused_class(process, law, tau)
    schedule, start = process.schedule, process.initial
    t = process.forward_time(tau)
    t_start = process.start_time
    power = 0.5 * (1 + process.noise_level**2)
    mu, sigma = law.means[0] @ law.axes[0], law.variances[0]
    r, r_start = (np.asarray(schedule.signal(s))[..., None] for s in (t, t_start))
    c, c_start = (
        k * k * sigma + np.asarray(schedule.variance(s))[..., None]
        for k, s in ((r, t), (r_start, t_start))
    )
    if isinstance(schedule, OrnsteinUhlenbeck) and not process.stop:
        # written with r = e^{-t}, so that nothing is lost in the ratio of the two signals
        growth = np.asarray(tau)[..., None] + power * (
            2 * (t - t_start)[..., None] + np.log(c / c_start)
        )
    else:
        growth = process.noise_level**2 * np.log(r_start / r) + power * np.log(c / c_start)
    phi = np.exp(growth)
    axes = law.axes[0]
    means, covariances = [], []
    for m, cov in zip(start.means, start.covariances, strict=True):
        means.append((r * mu + phi * (m @ axes - r_start * mu)) @ axes.T)
        change = axes.T @ cov @ axes - np.diag(c_start)
        inner = c[..., :, None] * np.eye(law.dimension)
        inner = inner + phi[..., :, None] * phi[..., None, :] * change
        covariances.append(axes @ inner @ axes.T)
    return start.weights, np.array(means), np.array(covariances)


def _diffused_class(
    process: GuidedProcess, law: GaussianMixture, tau: Array
) -> tuple[Array, Array, Array]:
    """Return the class law at t, if the process starts from it."""
    own, start = diffused(law, process.schedule, process.start_time), process.initial
    same = own.n_components == start.n_components and all(
        np.allclose(a, b, rtol=1e-12, atol=1e-14)
        for a, b in (
            (own.weights, start.weights),
            (own.means, start.means),
            (own.covariances, start.covariances),
        )
    )
    if not same:
        raise ValueError(
            f"process must have a class of one Gaussian or start exact, got {shown(law)}"
        )
    t = process.forward_time(tau)
    r, v = (np.asarray(f(t)) for f in (process.schedule.signal, process.schedule.variance))
    means = np.array([r[..., None] * mu for mu in law.means])
    square = (r * r)[..., None, None]
    noise = v[..., None, None] * np.eye(law.dimension)
    return law.weights, means, np.array([square * cov + noise for cov in law.covariances])


def exploding_pair_variance(horizon: float, scale: float, sampler: str) -> float:
    r"""Return the output variance of a guided pair in closed form.

    Class law N(0, 1), total law N(0, 2), variance-exploding with v = t, start N(0, 1 + T), scale
    :math:`\gamma = 1 + \eta`. With :math:`q = (2+T)/(1+T)` the variance is

    .. math:: (q/2)^{\gamma-1} \ \text{(ODE)}, \qquad
              2^{2-2\gamma} \Big[\frac{q^{2\gamma-2}}{1+T}
              + \frac{2^{2\gamma-1} - q^{2\gamma-1}}{2\gamma-1}\Big] \ \text{(SDE)} .

    Parameters
    ----------
    horizon : float
        T > 0.
    scale : float
        gamma >= 1.
    sampler : {"ode", "sde"}

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    With :math:`a = \gamma/(1+t) - (\gamma-1)/(2+t)` the variance obeys dV/dtau = -a V (ODE) and
    dV/dtau = -2 a V + 1 (SDE), and :math:`e^{\int a} = (1+t)^\gamma (2+t)^{1-\gamma}`.
    Source: arXiv 2408.09000, derived anew.
    """
    T = real_number("horizon", horizon, minimum=0.0, strict=True)
    gamma = real_number("scale", scale, minimum=1.0)
    q = (2 + T) / (1 + T)
    if one_of("sampler", sampler, ("ode", "sde")) == "ode":
        return float((q / 2) ** (gamma - 1))
    power = 2 * gamma - 1
    grown = q ** (power - 1) / (1 + T) + (2**power - q**power) / power
    return float(2 ** (1 - power) * grown)
