r"""A moving frame x = m(tau) + s(tau) y that follows the mass (docs/theory.md, N3).

m and s solve the Gaussian moment closure :math:`\dot m = E b`, :math:`(s^2)^\cdot =
2E[(x-m)b] + 2D` with E over N(m, s^2). They only have to be smooth, with exactly known
derivatives: how well they follow the law decides the cost, not the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct
from scipy.special import roots_hermitenorm

from fokker_planck.methods.base import SolverError
from fokker_planck.model import Dynamics

Array = NDArray[np.float64]
#: how strongly times crowd towards the end, where reverse processes are fast
GRADING = 7.0
DEGREE = 40
MOST_CALLS = 20_000


def _time(u: Array, horizon: float) -> Array:
    """Map u in [-1, 1] to reverse time, dense near the end."""
    w = 0.5 * (1 - u)
    return np.asarray(horizon * (1 - np.expm1(GRADING * w) / np.expm1(GRADING)))


def _parameter(tau: ArrayLike, horizon: float) -> Array:
    left = np.maximum(1 - np.asarray(tau, dtype=float) / horizon, 0.0)
    return np.asarray(1 - 2 * np.log1p(left * np.expm1(GRADING)) / GRADING)


def _rate(tau: ArrayLike, horizon: float) -> Array:
    """Return du/dtau."""
    left = np.maximum(1 - np.asarray(tau, dtype=float) / horizon, 0.0)
    slope = np.expm1(GRADING) / (1 + left * np.expm1(GRADING))
    return np.asarray(2 * slope / (GRADING * horizon))


def _series(u: Array, coefficients: Array) -> Array:
    """Evaluate Chebyshev series (the columns of the coefficients) at many points at once."""
    angle = np.arccos(np.clip(u, -1.0, 1.0))
    degrees = np.arange(coefficients.shape[0])
    return np.asarray(np.cos(angle[..., None] * degrees) @ coefficients)


@dataclass(frozen=True)
class Frame:
    """A smooth moving frame, as Chebyshev series of m and log s in a graded time.

    Parameters
    ----------
    horizon : float
    centre_series, log_scale_series : ndarray
        Chebyshev coefficients.
    """

    horizon: float
    centre_series: Array
    log_scale_series: Array

    @cached_property
    def _coefficients(self) -> Array:
        """Series of m, log s and of their slopes in u, as columns."""
        columns = np.zeros((self.centre_series.size, 4))
        columns[:, 0], columns[:, 1] = self.centre_series, self.log_scale_series
        columns[:-1, 2] = chebyshev.chebder(self.centre_series)
        columns[:-1, 3] = chebyshev.chebder(self.log_scale_series)
        return columns

    def at(self, tau: ArrayLike) -> tuple[Array, Array, Array, Array]:
        """Return m, s, dm/dtau and d(log s)/dtau, each of the shape of ``tau``."""
        values = _series(_parameter(tau, self.horizon), self._coefficients)
        rate = _rate(tau, self.horizon)
        m, log_s, dm, ds = np.moveaxis(values, -1, 0)
        return m, np.exp(log_s), dm * rate, ds * rate


def moment_frame(process: Dynamics) -> Frame:
    """Return the frame of the Gaussian moment closure of a 1-D process."""
    from scipy.integrate import solve_ivp

    z, weight = roots_hermitenorm(24)
    weight = weight / weight.sum()
    horizon = process.horizon
    law = process.initial
    mean, variance = float(law.mean[0]), float(law.covariance[0, 0])

    calls = 0

    def closure(tau: float, state: Array) -> list[float]:
        nonlocal calls
        calls += 1
        if calls > MOST_CALLS:
            raise SolverError("spectral: the moments of the law change too fast to follow")
        s = np.exp(np.clip(state[1], -20, 20))
        b = process.drift(state[0] + s * z, tau)
        diffusivity = 0.5 * float(process.noise(tau)) ** 2
        stretch = float(weight @ (z * b)) / s + diffusivity / s**2
        return [float(weight @ b), stretch]

    nodes = np.polynomial.chebyshev.chebpts1(DEGREE + 1)
    taus = np.sort(_time(nodes, horizon))
    found = solve_ivp(
        closure,
        (0.0, horizon),
        [mean, 0.5 * np.log(variance)],
        t_eval=taus,
        method="DOP853",
        # noise in the frame would be oscillation that no step resolves
        rtol=1e-10,
        atol=1e-11,
    )
    states: Any = found.y
    if not found.success or not np.all(np.isfinite(states)) or states.shape[1] != taus.size:
        states = np.array([np.full(taus.size, mean), np.full(taus.size, 0.5 * np.log(variance))])
    u = _parameter(taus, horizon)
    # a filter keeps the frame smooth where the closure has corners: it need not follow them
    smoothing = np.exp(-10 * (np.arange(DEGREE + 1) / DEGREE) ** 4)
    fit = [smoothing * chebyshev.chebfit(u, row, DEGREE) for row in states]
    return Frame(horizon, *fit)


def graded_integral(f: Any, horizon: float, tol: float = 1e-14) -> tuple[Array, bool]:
    """Return the Chebyshev series of the running integral of f(tau), and whether it converged.

    Parameters
    ----------
    f : callable
        Vectorised function of tau.
    tol : float
        Allowed size of the last eighth of the coefficients, relative to the largest.
    """
    series: Array = np.zeros(1)
    for degree in (32, 64, 128, 256, 512):
        u = chebyshev.chebpts1(degree)
        values = f(_time(u, horizon)) / _rate(_time(u, horizon), horizon)
        # interpolation at the Chebyshev points is a cosine transform
        fitted = dct(values[::-1], type=2) / degree
        fitted[0] *= 0.5
        series = np.asarray(chebyshev.chebint(fitted, lbnd=-1), dtype=float)
        size = np.abs(series)
        if size[-(degree // 8) :].max() <= tol * size.max():
            return series, True
    return series, False


def integral_at(series: Array, tau: ArrayLike, horizon: float) -> Array:
    """Evaluate a running integral of :func:`graded_integral`."""
    return _series(_parameter(tau, horizon), series)
