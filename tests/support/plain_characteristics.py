"""The ODE's functionals by textbook means: scipy's integrator and Gauss-Hermite nodes.

Shares nothing with the solvers but the model: one call of ``solve_ivp`` for points and
log-Jacobians, a product rule over a Gaussian start. The error is what fewer nodes change, plus
what a looser tolerance changes.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import roots_hermitenorm

import fokker_planck as fp

NODES = {1: (240, 320), 2: (48, 64)}
TOLERANCES = (1e-9, 1e-11)


def carried(process: fp.ReverseProcess, n: int, rtol: float):
    """Return points at the output (m, d), log-density there, and weights."""
    z, weight = roots_hermitenorm(n)
    weight = weight / weight.sum()
    d = process.dimension
    grid = np.stack(np.meshgrid(*[z] * d, indexing="ij"), axis=-1).reshape(-1, d)
    weights = np.prod(np.stack(np.meshgrid(*[weight] * d, indexing="ij"), axis=-1), axis=-1)
    law = process.initial
    start = law.means[0] + grid @ np.linalg.cholesky(law.covariances[0]).T
    m = len(start)

    def rhs(tau, state):
        x = state[: m * d].reshape(m, d)
        b, div = process.drift_and_divergence(x if d > 1 else x[:, 0], tau)
        return np.concatenate([np.ravel(b), div])

    state = np.concatenate([start.ravel(), np.zeros(m)])
    done = solve_ivp(
        rhs, (0.0, process.horizon), state, method="DOP853", rtol=rtol, atol=rtol, max_step=0.5
    )
    end = done.y[:, -1]
    return end[: m * d].reshape(m, d), law.log_density(start) - end[m * d :], weights.ravel()


def plain_characteristics(process: fp.ReverseProcess) -> dict[str, fp.Estimate]:
    """Return entropy, mean, covariance and posterior mass at the output, with errors."""
    fewer, more = NODES[process.dimension]
    loose, tight = TOLERANCES
    runs = [
        _functionals(process, *carried(process, n, rtol))
        for n, rtol in ((more, tight), (fewer, tight), (fewer, loose))
    ]
    out = {}
    for name, best in runs[0].items():
        other, looser = runs[1][name], runs[2][name]
        error = np.abs(best - other) + np.abs(looser - other) + 1e-13
        out[name] = fp.Estimate(best, error)
    return out


def _functionals(process, x, log_p, w) -> dict[str, np.ndarray]:
    mean = w @ x
    cov = (x - mean).T @ (w[:, None] * (x - mean))
    log_post = process.log_posterior(x, process.horizon)
    flat = process.dimension == 1
    return {
        "entropy": np.asarray(-w @ log_p),
        "mean": mean[0] if flat else mean,
        "covariance": cov[0, 0] if flat else cov,
        "posterior_mass": np.asarray(w @ np.exp(np.ravel(log_post))),
    }
