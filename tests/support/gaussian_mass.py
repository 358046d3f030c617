"""The posterior mass of a Gaussian output, by quadrature that shares nothing with the solvers."""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad

import fokker_planck as fp


def gaussian_mass(process: fp.ReverseProcess, m: np.ndarray, c: np.ndarray) -> tuple[float, float]:
    """Return the posterior mass of N(m, c) at the output, and what the quadrature may be off by.

    Adaptive on the line; in the plane the trapezoid rule on two grids, spectrally accurate.
    """
    root = np.linalg.cholesky(c)

    def posterior(z: np.ndarray) -> np.ndarray:
        return np.exp(process.log_posterior(m + z @ root.T, process.horizon))

    if m.size == 1:
        found = quad(
            lambda z: float(posterior(np.array([[z]]))[0]) * np.exp(-0.5 * z * z),
            -10, 10, epsabs=1e-13, epsrel=1e-13, limit=400,
        )[0]  # fmt: skip
        return found / np.sqrt(2 * np.pi), 1e-13
    values = []
    for n in (300, 420):
        z, h = np.linspace(-9, 9, n, retstep=True)
        grid = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
        weight = np.exp(-0.5 * np.sum(grid**2, axis=1)) * h * h / (2 * np.pi)
        values.append(float(weight @ posterior(grid)))
    return values[1], abs(values[1] - values[0]) + 1e-13
