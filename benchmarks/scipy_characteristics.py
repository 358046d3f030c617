"""Peer: plain scipy characteristics for the ODE: DOP853 on points and log-Jacobian.

dx = b(x, tau) dtau,  d log J = div b dtau  from Gauss-Hermite nodes of the start, so that
H = H(start) + E log J and P = E P_0(y|x), both sums over the nodes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import roots_hermitenorm

from benchmarks.cases import HORIZON, Array, Case


def prepare(case: Case, nodes: int, rtol: float) -> Callable[[], tuple[float, float]]:
    """Return a run with that many nodes per axis: it gives entropy and posterior mass."""
    d, n_points = case.dimension, nodes**case.dimension
    gaps, squares = case.gaps, np.sum(case.gaps**2, axis=1)
    # P_k / P_y = exp(r^2 offset_k - r v_k . x) at any set of points

    def ratios(x: Array, r: float) -> Array:
        return np.exp(r * r * case.offsets[:, None] - r * (gaps @ x))

    def rhs(tau: float, state: Array) -> Array:
        x = state[: d * n_points].reshape(d, n_points)
        r = np.exp(tau - HORIZON)
        shares = ratios(x, r)
        shares /= 1.0 + shares.sum(axis=0)
        pull = gaps.T @ shares
        out = np.empty_like(state)
        b = case.strength * r * pull + r * case.means[case.target][:, None]
        out[: d * n_points] = b.ravel()
        out[d * n_points :] = (-case.strength * r * r) * (
            squares @ shares - np.sum(pull * pull, axis=0)
        )
        return out

    def run() -> tuple[float, float]:
        z, w = roots_hermitenorm(nodes)
        w = w / np.sqrt(2 * np.pi)
        points = np.stack(np.meshgrid(*[z] * d, indexing="ij")).reshape(-1)
        weights = w if d == 1 else np.multiply.outer(w, w).ravel()
        start = np.concatenate([points, np.zeros(n_points)])
        solution = solve_ivp(
            rhs, (0.0, HORIZON), start, method="DOP853", rtol=rtol, atol=rtol, t_eval=[HORIZON]
        )
        end = solution.y[:, -1]
        x, log_jacobian = end[: d * n_points].reshape(d, n_points), end[d * n_points :]
        posterior = 1.0 / (1.0 + ratios(x, 1.0).sum(axis=0))
        entropy = 0.5 * d * (1 + np.log(2 * np.pi)) + float(weights @ log_jacobian)
        return entropy, float(weights @ posterior)

    return run
