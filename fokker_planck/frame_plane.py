r"""A moving frame x = m(tau) + S(tau) y in the plane (docs/theory.md, N3).

m and S S^T solve the Gaussian moment closure :math:`\dot m = E b`,
:math:`\dot C = A C + C A^T + 2 D I`, :math:`A = E[b (x-m)^T]\,C^{-1}`, with E over N(m, C). S is
the exponential of a series for log(C)/2: positive definite whatever the series' error, turned
along with the law, and with exactly known derivatives. Where it does not follow the law the
computation costs more; the answer is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct
from scipy.special import roots_hermitenorm

from fokker_planck.methods.runge_kutta import tableau
from fokker_planck.model import Dynamics

Array = NDArray[np.float64]
#: how strongly times crowd towards the end, where reverse processes are fast
GRADING = 8.0
DEGREES = (32, 64, 96)
#: nodes per axis of the Gauss-Hermite rule for the moments
N_QUADRATURE = 12
#: a frame whose scale changes by more is not used
SPREAD = 1e8
#: gap of log S and of m/S between the closure and its series that asks for a higher degree
CLOSE = 0.1


def graded_time(u: Array, horizon: float) -> Array:
    """Map u in [-1, 1] to reverse time, dense near the end."""
    left = np.expm1(GRADING * 0.5 * (1 - u)) / np.expm1(GRADING)
    return np.asarray(horizon * (1 - left))


def _graded_parameter(tau: Array, horizon: float) -> tuple[Array, Array]:
    """Return u of a reverse time, and du/dtau."""
    left = np.maximum(1 - tau / horizon, 0.0) * np.expm1(GRADING)
    u = 1 - 2 * np.log1p(left) / GRADING
    return u, 2 * np.expm1(GRADING) / ((1 + left) * GRADING * horizon)


def _hyperbolic(r2: Array) -> tuple[Array, Array, Array]:
    """Return cosh r, sinh(r)/r and the derivative of the latter by r, over r, from r^2."""
    r = np.sqrt(r2)
    small = r < 1e-2
    safe = np.where(small, 1.0, r)
    cosh = np.cosh(r)
    sinhc = np.where(small, 1 + r2 / 6 + r2 * r2 / 120, np.sinh(safe) / safe)
    bend = np.where(small, 1 / 3 + r2 / 30 + r2 * r2 / 840, (np.cosh(safe) - sinhc) / safe**2)
    return cosh, sinhc, bend


def _symmetric(a: Array, p: Array, q: Array) -> Array:
    """Return the matrices [[a + p, q], [q, a - p]], shape (..., 2, 2)."""
    return np.stack([np.stack([a + p, q], axis=-1), np.stack([q, a - p], axis=-1)], axis=-2)


def exponential(log: Array) -> Array:
    """Return exp of the symmetric matrices [[a + p, q], [q, a - p]], (a, p, q) last."""
    a, p, q = np.moveaxis(log, -1, 0)
    cosh, sinhc, _ = _hyperbolic(p * p + q * q)
    size = np.exp(a)
    return _symmetric(size * cosh, size * sinhc * p, size * sinhc * q)


@dataclass(frozen=True)
class PlaneMotion:
    """The frame at given times, each field of the shape of the times and its own.

    Parameters
    ----------
    centre, centre_rate : ndarray, shape (..., 2)
        m and dm/dtau.
    root, root_rate, inverse : ndarray, shape (..., 2, 2)
        S, dS/dtau and the inverse of S.
    """

    centre: Array
    centre_rate: Array
    root: Array
    root_rate: Array
    inverse: Array


@dataclass(frozen=True)
class RootFrame:
    """A smooth moving frame, as Chebyshev series of m and log S in a graded time.

    Parameters
    ----------
    horizon : float
    series : ndarray, shape (degree + 1, 5)
        Coefficients of m (two columns) and of a, p, q, log S = [[a + p, q], [q, a - p]].
    """

    horizon: float
    series: Array

    @cached_property
    def _columns(self) -> Array:
        """The series and those of their slopes in u."""
        slopes = np.zeros_like(self.series)
        slopes[:-1] = chebyshev.chebder(self.series)
        return np.concatenate([self.series, slopes], axis=1)

    def _values(self, tau: ArrayLike) -> tuple[Array, Array]:
        """Return (m, a, p, q) and their slopes in tau, each of shape (..., 5)."""
        u, rate = _graded_parameter(np.asarray(tau, dtype=float), self.horizon)
        angle = np.arccos(np.clip(u, -1.0, 1.0))
        found = np.cos(angle[..., None] * np.arange(len(self.series))) @ self._columns
        return found[..., :5], found[..., 5:] * rate[..., None]

    def at(self, tau: ArrayLike) -> PlaneMotion:
        """Return the frame and its velocity."""
        found, slopes = self._values(tau)
        a, p, q = np.moveaxis(found[..., 2:], -1, 0)
        da, dp, dq = np.moveaxis(slopes[..., 2:], -1, 0)
        cosh, sinhc, bend = _hyperbolic(p * p + q * q)
        size, turn = np.exp(a), p * dp + q * dq
        root = _symmetric(size * cosh, size * sinhc * p, size * sinhc * q)
        rate = da[..., None, None] * root + _symmetric(
            size * sinhc * turn,
            size * (bend * turn * p + sinhc * dp),
            size * (bend * turn * q + sinhc * dq),
        )
        return PlaneMotion(
            found[..., :2], slopes[..., :2], root, rate, exponential(-found[..., 2:])
        )

    def spread(self, tau: ArrayLike) -> Array:
        """Return the inverse of S S^T, shape (..., 2, 2): the diffusivity in y over D."""
        return exponential(-2 * self._values(tau)[0][..., 2:])

    def log_volume(self, tau: ArrayLike) -> Array:
        """Return log det S."""
        return 2 * self._values(tau)[0][..., 2]

    def lost(self, tau: Array, h: Array) -> tuple[Array, Array]:
        """Return how far Runge-Kutta steps of length h from tau lose track of the frame.

        A point that rests in x moves in y along a linear flow. The stages see its velocity only;
        the difference between where a step and the frame itself carry it is g + G y. Returns |g|
        and |G|, of shapes (steps, 2) and (steps, 2, 2).
        """
        a, b, c, _, _ = tableau()
        step = h[:, None, None]
        motion = self.at(tau[:, None] + h[:, None] * c)
        # the flow of y' = source - turn y, on the columns of [offset, identity]
        source = -np.einsum("stij,stj->sti", motion.inverse, motion.centre_rate)
        turn = motion.inverse @ motion.root_rate
        start = np.zeros((h.size, 2, 3))
        start[:, 0, 1] = start[:, 1, 2] = 1.0
        slopes = np.zeros((c.size, h.size, 2, 3))
        for s in range(c.size):
            y = start + step * np.tensordot(a[s, :s], slopes[:s], 1)
            slopes[s] = -turn[:, s] @ y
            slopes[s, :, :, 0] += source[:, s]
        ended = start + step * np.tensordot(b, slopes, 1)
        first, last = self.at(tau), self.at(tau + h)
        moved = last.inverse @ (first.centre - last.centre)[:, :, None]
        exact = np.concatenate([moved, last.inverse @ first.root], axis=2)
        gap = np.abs(ended - exact)
        return gap[:, :, 0], gap[:, :, 1:]

    def lost_size(self, tau: Array, h: Array) -> Array:
        """Return the largest displacement of a point within four deviations, one per step."""
        offset, stretch = self.lost(tau, h)
        return np.asarray(offset.max(axis=1) + 4 * stretch.sum(axis=2).max(axis=1))


def _linear_flow(slope: Array, h: float) -> tuple[Array, Array, Array]:
    """Return exp(A h), its integral over h, and the integral of exp(A u) exp(A u)^T.

    Taylor's series over a short step, then doubling: positive whatever the slope.
    """
    size = min(float(np.abs(slope).sum()) * h, 60.0)
    doublings = max(0, math.ceil(math.log2(max(size, 1e-300) / 0.05)))
    step = h / 2**doublings
    a = slope * step
    unit = np.eye(2)
    flow = unit + a + a @ a / 2 + a @ a @ a / 6
    drift = step * (unit + a / 2 + a @ a / 6)
    sum_ = a + a.T
    noise = step * (unit + sum_ / 2 + (a @ sum_ + sum_ @ a.T) / 6)
    for _ in range(doublings):
        drift = drift + flow @ drift
        noise = noise + flow @ noise @ flow.T
        flow = flow @ flow
    return flow, drift, noise


def closure(process: Dynamics, taus: Array) -> tuple[Array, Array]:
    """Return means (m, 2) and covariances (m, 2, 2) of the moment closure, to a few digits.

    Between two times the law of a linear drift, whose coefficients are those of the start
    (predictor), then the average with those at the predicted end: stable however stiff.
    """
    z, w = roots_hermitenorm(N_QUADRATURE)
    nodes = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    weights = np.outer(w, w).ravel() / w.sum() ** 2
    diffusivity = 0.5 * np.asarray(process.noise(taus)) ** 2

    def rates(mean: Array, covariance: Array, tau: float) -> tuple[Array, Array]:
        """Return E b and A."""
        root = np.linalg.cholesky(covariance)
        b = np.asarray(process.drift(mean + nodes @ root.T, tau))
        response = (weights[:, None] * b).T @ nodes
        return weights @ b, np.linalg.solve(root.T, response.T).T

    law = process.initial
    mean, covariance = law.mean, law.covariance
    means, covariances = [mean], [covariance]
    velocity, slope = rates(mean, covariance, float(taus[0]))
    for j in range(taus.size - 1):
        h, d = float(taus[j + 1] - taus[j]), float(diffusivity[j] + diffusivity[j + 1])
        flow, drift, noise = _linear_flow(slope, h)
        guess = mean + drift @ velocity
        spread = flow @ covariance @ flow.T + d * noise
        ahead, bend = rates(guess, spread, float(taus[j + 1]))
        # the end's velocity at the place that the start's linear law refers to
        back = ahead - bend @ (guess - mean)
        flow, drift, noise = _linear_flow(0.5 * (slope + bend), h)
        moved = mean + drift @ (0.5 * (velocity + back))
        covariance = flow @ covariance @ flow.T + d * noise
        covariance = 0.5 * (covariance + covariance.T)
        velocity, slope, mean = ahead + bend @ (moved - guess), bend, moved
        means.append(mean)
        covariances.append(covariance)
    return np.array(means), np.array(covariances)


def _half_logarithm(covariances: Array) -> Array:
    """Return (a, p, q) of log(C)/2, shape (m, 3)."""
    size, axes = np.linalg.eigh(covariances)
    log = (axes * (0.5 * np.log(size))[:, None, :]) @ np.swapaxes(axes, 1, 2)
    a = 0.5 * (log[:, 0, 0] + log[:, 1, 1])
    return np.stack([a, log[:, 0, 0] - a, log[:, 0, 1]], axis=1)


def root_frame(process: Dynamics) -> RootFrame:
    """Return the frame of the moment closure of a process in the plane.

    A frame that stands still, if the closure runs away.
    """
    horizon = process.horizon
    law = process.initial
    start = np.concatenate([law.mean[None], _half_logarithm(law.covariance[None])], axis=1)
    frame = RootFrame(horizon, start)
    for degree in DEGREES:
        u = np.concatenate([[-1.0], chebyshev.chebpts1(degree + 1)])
        try:
            means, covariances = closure(process, graded_time(u, horizon))
            values = np.concatenate([means, _half_logarithm(covariances)], axis=1)
        except np.linalg.LinAlgError:
            return frame
        if not np.all(np.isfinite(values)) or np.abs(np.diff(values[:, 2])).max() > np.log(SPREAD):
            return frame
        # a filter keeps the frame smooth where the closure has corners
        smoothing = np.exp(-10 * (np.arange(degree + 1) / degree) ** 4)[:, None]
        series = np.asarray(dct(values[:0:-1], type=2, axis=0)) / (degree + 1)
        series[0] *= 0.5
        frame = RootFrame(horizon, smoothing * series)
        gap = np.cos(np.arccos(np.clip(u, -1, 1))[:, None] * np.arange(degree + 1)) @ frame.series
        gap = np.abs(gap - values)
        gap[:, :2] /= np.exp(values[:, 2] - np.hypot(values[:, 3], values[:, 4]))[:, None]
        if gap.max() <= CLOSE:
            break
    return frame
