r"""A moving frame x = m(tau) + s(tau) y that follows the mass (docs/theory.md, N3).

m and s solve the Gaussian moment closure :math:`\dot m = E b`, :math:`(s^2)^\cdot =
2E[(x-m)b] + 2D` with E over N(m, s^2). They only have to be smooth, with exactly known
derivatives: how well they follow the law decides the cost, not the answer.
"""

from __future__ import annotations

import math
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
STRETCH = math.expm1(GRADING)
NOTHING = np.zeros(1)
DEGREE = 24
#: nodes of the Gauss-Hermite rule for the moments
N_QUADRATURE = 24
#: a step of the moments may change its own forecast so much, in standard deviations
ROUGH = 1.0
MOST_CALLS = 20_000
#: a frame whose scale changes by more is not used
SPREAD = 1e8


def _time(u: Array, horizon: float) -> Array:
    """Map u in [-1, 1] to reverse time, dense near the end."""
    w = 0.5 * (1 - u)
    return np.asarray(horizon * (1 - np.expm1(GRADING * w) / STRETCH))


def _parameter(tau: ArrayLike, horizon: float) -> Array:
    left = np.maximum(1 - np.asarray(tau, dtype=float) / horizon, 0.0)
    return np.asarray(1 - 2 * np.log1p(left * STRETCH) / GRADING)


def _rate(tau: ArrayLike, horizon: float) -> Array:
    """Return du/dtau."""
    left = np.maximum(1 - np.asarray(tau, dtype=float) / horizon, 0.0)
    slope = STRETCH / (1 + left * STRETCH)
    return np.asarray(2 * slope / (GRADING * horizon))


def _series(u: Array, coefficients: Array) -> Array:
    """Evaluate Chebyshev series (the columns of the coefficients) at many points at once."""
    angle = np.arccos(np.minimum(np.maximum(u, -1.0), 1.0))
    # cos(k angle) as powers of exp(i angle): several times faster than as many cosines
    powers = np.empty((*angle.shape, coefficients.shape[0]), dtype=complex)
    powers[...] = np.exp(1j * angle)[..., None]
    powers[..., 0] = 1.0
    np.multiply.accumulate(powers, axis=-1, out=powers)
    return np.asarray(powers.real @ coefficients)


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
        return self.with_series(tau, NOTHING)[:4]

    def _with(self, series: Array) -> Array:
        """Return the coefficients with one more column, made once."""
        kept: dict[int, tuple[Array, Array]] = self.__dict__.setdefault("_kept", {})
        if id(series) not in kept:
            columns = self._coefficients
            both = np.zeros((max(len(columns), series.size), 5))
            both[: len(columns), :4], both[: series.size, 4] = columns, series
            # the series is kept too, so that its id stays its own
            kept[id(series)] = series, both
        return kept[id(series)][1]

    def with_series(
        self, tau: ArrayLike, series: Array
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Return what :meth:`at` does, and a running integral of :func:`graded_integral`."""
        both = self._with(series)
        tau = np.asarray(tau, dtype=float)
        left = np.maximum(1 - tau / self.horizon, 0.0) * STRETCH
        values = _series(1 - 2 * np.log1p(left) / GRADING, both)
        rate = 2 * STRETCH / (GRADING * self.horizon) / (1 + left)
        m, log_s, dm, ds, total = (values[..., j] for j in range(5))
        return m, np.exp(log_s), dm * rate, ds * rate, total


def _moments(process: Dynamics, taus: Array) -> tuple[Array, Array]:
    """Return m and s^2 of the moment closure at increasing times, to a few digits.

    Both obey linear equations between two times, whose coefficients are taken at the start
    (predictor), then averaged with those at the predicted end: stable however stiff.
    """
    z, weight = roots_hermitenorm(N_QUADRATURE)
    weight = weight / weight.sum()
    law = process.initial
    mean, variance = float(law.mean[0]), float(law.covariance[0, 0])

    def rates(mean: float, variance: float, tau: float) -> tuple[float, float]:
        """Return E b and the slope E[(x - m) b] / s^2."""
        s = np.sqrt(variance)
        b = process.drift(mean + s * z, tau)
        return float(weight @ b), float(weight @ (z * b)) / s

    def moved(velocity: float, slope: float, d: float, h: float) -> tuple[float, float]:
        """Solve u' = velocity + slope (u - mean) and v' = 2 slope v + 2 d over h."""
        k = min(slope * h, 30.0)
        gain = math.expm1(k) / k if abs(k) > 1e-8 else 1.0
        twice = math.expm1(2 * k) / (2 * k) if abs(k) > 1e-8 else 1.0
        return mean + h * velocity * gain, variance * math.exp(2 * k) + 2 * d * h * twice

    means, variances = [mean], [variance]
    tau, step, calls = float(taus[0]), float(taus[-1]), 0
    velocity, slope = rates(mean, variance, tau)
    d = 0.5 * float(process.noise(tau)) ** 2
    for end in map(float, taus[1:]):
        while tau < end:
            h = min(step, end - tau)
            ahead_d = 0.5 * float(process.noise(tau + h)) ** 2
            guess = moved(velocity, slope, 0.5 * (d + ahead_d), h)
            if not _sound(guess):
                return np.full(taus.size, means[0]), np.full(taus.size, variances[0])
            ahead, bend = rates(*guess, tau + h)
            # the end's velocity at the place that the start's linear law refers to
            back = ahead - bend * (guess[0] - mean)
            found = moved(0.5 * (velocity + back), 0.5 * (slope + bend), 0.5 * (d + ahead_d), h)
            gap = math.inf
            if _sound(found):
                gap = abs(found[0] - guess[0]) / math.sqrt(found[1])
                gap += abs(math.log(found[1] / guess[1]))
            calls += 1
            if calls > MOST_CALLS:
                raise SolverError("spectral: the moments of the law change too fast to follow")
            if gap > ROUGH:
                step = 0.5 * h
                continue
            velocity, slope, d = ahead + bend * (found[0] - guess[0]), bend, ahead_d
            (mean, variance), tau = found, tau + h if h < end - tau else end
            step = max(step, 2 * h if gap < 0.2 * ROUGH else h)
        means.append(mean)
        variances.append(variance)
    return np.array(means), np.array(variances)


def _sound(moments: tuple[float, float]) -> bool:
    """Return whether a mean is finite and a variance positive and finite."""
    return math.isfinite(moments[0]) and 0 < moments[1] < math.inf


def moment_frame(process: Dynamics) -> Frame:
    """Return the frame of the Gaussian moment closure of a 1-D process."""
    horizon = process.horizon
    nodes = np.polynomial.chebyshev.chebpts1(DEGREE + 1)
    u = np.concatenate([[-1.0], nodes])
    means, variances = _moments(process, _time(u, horizon))
    deviations = np.sqrt(variances)
    narrowest, widest = deviations[0] * SPREAD**-1.0, deviations[0] * SPREAD
    if not np.all(np.isfinite(means)) or not np.all(
        (deviations >= narrowest) & (deviations <= widest)
    ):
        means, deviations = np.full(u.size, means[0]), np.full(u.size, deviations[0])
    # a filter keeps the frame smooth where the closure has corners: it need not follow them
    smoothing = np.exp(-10 * (np.arange(DEGREE + 1) / DEGREE) ** 4)
    fit = [smoothing * _interpolated(row[1:]) for row in (means, np.log(deviations))]
    return Frame(horizon, *fit)


def _interpolated(values: Array) -> Array:
    """Return the Chebyshev series of values at the Chebyshev points, in increasing order."""
    series = np.asarray(dct(values[::-1], type=2) / values.size)
    series[0] *= 0.5
    return series


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
        series = np.asarray(chebyshev.chebint(_interpolated(values), lbnd=-1), dtype=float)
        size = np.abs(series)
        if size[-(degree // 8) :].max() <= tol * size.max():
            # what is below rounding only costs time
            return series[: int(np.flatnonzero(size > 1e-17 * size.max())[-1]) + 1], True
    return series, False


def integral_at(series: Array, tau: ArrayLike, horizon: float) -> Array:
    """Evaluate a running integral of :func:`graded_integral`."""
    return _series(_parameter(tau, horizon), series)
