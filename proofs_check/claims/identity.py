r"""The entropy identity I1-I2, from posterior covariances written here and not in the model.

For a common covariance :math:`\Sigma_t = r^2\Sigma + v I` the divergence of the guided drift is
that of the unguided one, which does not depend on x, less a nonnegative term:

.. math:: H_\eta = H_0 - \int_0^T (1+\lambda^2) D\,\eta\, r^2
          E\,\mathrm{tr}(\Sigma_t^{-1}\mathrm{Cov}_{P_t(.|x)}(\mu)\Sigma_t^{-1})\,d\tau
          \qquad (\lambda = 0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokker_planck import ReverseProcess
from fokker_planck.functionals import expectation
from fokker_planck.resolution import classifier_gaps
from fokker_planck.solution import Solution
from proofs_check.claims.densities import EPS, Value, solve

Array = NDArray[np.float64]


def clenshaw_curtis(n: int, length: float) -> tuple[Array, Array]:
    """Return the n + 1 nodes in [0, length] and their weights, n even.

    Exact for polynomials of degree n; the rule for n/2 uses every other node.
    """
    theta = np.pi * np.arange(n + 1) / n
    k = np.arange(1, n // 2 + 1)
    b = np.where(2 * k == n, 1.0, 2.0)
    inner = 1 - np.sum(b / (4 * k**2 - 1) * np.cos(2 * np.outer(theta, k)), axis=1)
    weights = 2 * inner / n
    weights[[0, -1]] /= 2
    nodes = 0.5 * length * (1 - np.cos(theta))
    nodes[-1] = length
    return nodes, 0.5 * length * weights


def posterior_variance(process: ReverseProcess, x: Array, tau: float) -> Array:
    """Return the variance of the component mean under P_t(.|x), 1-D, common variance.

    Written from Bayes' formula with a pairwise sum, sum_{j<k} P_j P_k (mu_j - mu_k)^2, so that
    nothing is shared with the model's divergence and nothing cancels.
    """
    mixture, t = process.mixture, float(process.forward_time(tau))
    r, v = float(process.schedule.signal(t)), float(process.schedule.variance(t))
    used = np.flatnonzero(mixture.weights > 0)
    mu = mixture.means[used, 0]
    c = r * r * mixture.covariances[used[0], 0, 0] + v
    log_p = np.log(mixture.weights[used])[:, None] - 0.5 * (x - r * mu[:, None]) ** 2 / c
    share = np.exp(log_p - log_p.max(axis=0))
    share /= share.sum(axis=0)
    total = np.zeros_like(x)
    for j in range(mu.size):
        for k in range(j):
            total += share[j] * share[k] * (mu[j] - mu[k]) ** 2
    return total


def entropy_loss_rate(process: ReverseProcess, x: Array, tau: float) -> Array:
    """Return the integrand: the entropy that guidance takes away per unit of reverse time."""
    t = float(process.forward_time(tau))
    r, v = float(process.schedule.signal(t)), float(process.schedule.variance(t))
    c = r * r * process.mixture.covariances[process.target, 0, 0] + v
    rate = (1 + process.noise_level**2) * float(process.schedule.diffusivity(t))
    eta = float(process.guidance.strength(t))
    return np.asarray(rate * eta * r * r * posterior_variance(process, x, tau) / c**2)


def entropy_loss(process: ReverseProcess, n: int = 64, method: str = "auto") -> Value:
    """Return the integral of the loss over reverse time, with its error budget.

    The error of the quadrature is the difference to the rule on every other node.
    """
    taus, weights = clenshaw_curtis(n, process.horizon)
    solution: Solution = solve(process, method, taus)
    rate = expectation(
        "loss",
        lambda x, log_p, tau: entropy_loss_rate(process, x, tau),
        classifier_gaps(process),
    )
    values, budget = solution.reading.read(rate)
    total = float(weights @ values)
    half = float(clenshaw_curtis(n // 2, process.horizon)[1] @ values[::2])
    parts = {f"{key} of the rate": float(weights @ part) for key, part in budget.items()}
    parts["quadrature over tau"] = abs(total - half)
    parts["rounding"] = 4 * EPS * float(weights @ np.abs(values))
    return Value(total, parts, solution.method)
