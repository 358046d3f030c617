r"""Boxes in the plane that move with the mass, and drifts as series in time.

Coordinates y on fixed orthogonal axes R, :math:`x = R\,(m(\tau) + s(\tau)\,y)` with s diagonal:

.. math:: \beta_i = \frac{(R^T b)_i - \dot m_i}{s_i} - \frac{\dot s_i}{s_i}\,y_i, \qquad
          \delta_i = D/s_i^2,

is the equation of the density of y (docs/theory.md, N3a). m and s follow a Gaussian moment closure.
Any smooth frame gives the same law; this one serves the robust methods and shares nothing with
the frame of the spectral method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import roots_hermitenorm

from fokker_planck.methods.base import SolverError
from fokker_planck.model import Dynamics

Array = NDArray[np.float64]
DEGREE = 24  # of the frame's series
LATE = 1e-3  # the end of reverse time is resolved to this share of the horizon
MOST_CALLS = 20_000
FAR, DIRECTIONS = (8.0, 10.0), 16  # where the far field is seen, in deviations
ANGLES = np.deg2rad(np.arange(0, 90, 1))
CLOSE = 0.05  # axes are turned only if that narrows the law's rectangle by more
NODES = (9, 14)  # of a series in time, at loose and at tight tolerance
TIGHT = 1e-8


@dataclass(frozen=True, eq=False)
class PlaneFrame:
    """A smooth moving frame on fixed axes.

    Parameters
    ----------
    horizon : float
    axes : ndarray, shape (2, 2)
        Orthonormal columns.
    series : ndarray, shape (k, 8)
        Chebyshev coefficients of m, log s and their slopes in the series' own time.
    """

    horizon: float
    axes: Array
    series: Array

    def at(self, tau: float) -> tuple[Array, Array, Array, Array]:
        """Return m, s, dm/dtau and d(log s)/dtau, each of shape (2,)."""
        u, rate = _stretched(np.array(tau), self.horizon)
        angle = float(np.arccos(np.clip(u, -1.0, 1.0)))
        found = np.cos(angle * np.arange(len(self.series))) @ self.series
        m, log_s, dm, ds = found.reshape(4, 2)
        return m, np.exp(log_s), dm * rate, ds * rate

    def points(self, y: Array, tau: float) -> Array:
        """Return x of y, shape (..., 2)."""
        m, s, _, _ = self.at(tau)
        return np.asarray((m + s * y) @ self.axes.T)

    def velocity(self, process: Dynamics, y: Array, tau: float) -> Array:
        """Return beta at points y of shape (..., 2)."""
        m, s, dm, ds = self.at(tau)
        x = ((m + s * y) @ self.axes.T).reshape(-1, 2)
        drift = np.asarray(process.drift(x, tau)).reshape(y.shape) @ self.axes
        return np.asarray((drift - dm) / s - ds * y)

    def diffusivities(self, process: Dynamics, tau: float) -> Array:
        """Return delta, shape (2,)."""
        return np.asarray(0.5 * float(process.noise(tau)) ** 2 / self.at(tau)[1] ** 2)


def _stretched(tau: Array, horizon: float) -> tuple[Array, Array]:
    """Return u in [-1, 1], which crowds towards the end of reverse time, and du/dtau."""
    left = np.maximum(horizon - tau, 0.0) / (LATE * horizon)
    whole = np.log1p(1 / LATE)
    u = 1 - 2 * np.log1p(left) / whole
    return np.asarray(u), np.asarray(2 / (whole * (1 + left) * LATE * horizon))


def closure_moments(process: Dynamics, taus: Array) -> tuple[Array, Array]:
    """Return means (m, 2) and covariances (m, 2, 2) of a Gaussian moment closure.

    The covariance is the mean of two: one of the closure over N(m, C), one of the tails, which
    a guidance that saturates does not narrow: there C is stretched as the drift stretches the far
    field, in every direction as on the side that contracts less. Both are exact for linear drifts.

    Raises
    ------
    SolverError
        If the moments change too fast to follow.
    """
    z, w = roots_hermitenorm(10)
    nodes = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    weights = np.outer(w, w).ravel() / w.sum() ** 2
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # quadratic forms of the directions, to fit a symmetric matrix to slopes along them
    forms = np.stack([unit[:, 0] ** 2, 2 * unit.prod(axis=1), unit[:, 1] ** 2], axis=1)
    fit = np.linalg.pinv(forms)
    upper = np.triu_indices(2)
    law = process.initial
    start = np.concatenate([law.mean, law.covariance[upper], law.covariance[upper]])
    calls = 0

    def rates(tau: float, state: Array) -> Array:
        nonlocal calls
        calls += 1
        if calls > MOST_CALLS:
            raise SolverError("the moments of the law change too fast to follow")
        covariances = state[[2, 3, 3, 4, 5, 6, 6, 7]].reshape(2, 2, 2)
        size, vectors = np.linalg.eigh(covariances)
        size = np.sqrt(np.maximum(size, 1e-12 * np.maximum(size[:, -1:], 1e-12)))
        root, far = (vectors * size[:, None, :]) @ np.swapaxes(vectors, 1, 2)
        offsets = [nodes @ root, *(reach * unit @ far for reach in FAR)]
        drift = np.asarray(process.drift(state[:2] + np.concatenate(offsets), tau))
        b, near, remote = np.split(drift, [len(nodes), len(nodes) + DIRECTIONS])
        noise = float(process.noise(tau)) ** 2 * np.eye(2)
        # E (x - m) b^T, and its transpose
        slope = root @ (nodes.T @ (weights[:, None] * b))
        radial = np.sum(unit * np.linalg.solve(far, (remote - near).T).T, axis=1)
        radial = np.maximum(radial, np.roll(radial, DIRECTIONS // 2)) / (FAR[1] - FAR[0])
        stretch = (fit @ radial)[[0, 1, 1, 2]].reshape(2, 2)
        spread = 2 * far @ stretch @ far + noise
        return np.concatenate([weights @ b, (slope + slope.T + noise)[upper], spread[upper]])

    found = solve_ivp(
        rates, (0.0, process.horizon), start, t_eval=taus, method="RK45", rtol=1e-6, atol=1e-9
    )
    states = np.asarray(found.y).T
    if not found.success or len(states) != taus.size or not np.all(np.isfinite(states)):
        states = np.broadcast_to(start, (taus.size, 8))
    middle = 0.5 * (states[:, 2:5] + states[:, 5:8])
    return states[:, :2], middle[:, [0, 1, 1, 2]].reshape(-1, 2, 2)


def best_axes(covariances: Array) -> Array:
    """Return the axes on which the largest correlation over time is least.

    The coordinate axes, unless turning them narrows the law's rectangle by more than 5 %.
    """
    waste = []
    for angle in ANGLES:
        c, s = np.cos(angle), np.sin(angle)
        turned = np.array([[c, -s], [s, c]])
        diagonal = np.einsum("ji,mjk,ki->mi", turned, covariances, turned)
        det = np.maximum(np.linalg.det(covariances), 1e-300)
        waste.append(float(np.max(0.5 * np.log(diagonal.prod(axis=1) / det))))
    best = 0 if waste[0] <= min(waste) + CLOSE else int(np.argmin(waste))
    c, s = np.cos(ANGLES[best]), np.sin(ANGLES[best])
    return np.array([[c, -s], [s, c]])


def moving_frame(process: Dynamics) -> PlaneFrame:
    """Return axes and frame of the moment closure of a process in the plane."""
    horizon = process.horizon
    u = chebyshev.chebpts1(DEGREE + 1)
    left = np.expm1(0.5 * (1 - u) * np.log1p(1 / LATE)) * LATE * horizon
    means, covariances = closure_moments(process, np.sort(np.clip(horizon - left, 0, horizon)))
    axes = best_axes(covariances)
    deviations = np.sqrt(np.einsum("ji,mjk,ki->mi", axes, covariances, axes))
    # a filter: the frame need not follow corners of the closure, only stay smooth
    smooth = np.exp(-10 * (np.arange(DEGREE + 1) / DEGREE) ** 4)[:, None]
    values = np.concatenate([means @ axes, np.log(deviations)], axis=1)
    fit = smooth * chebyshev.chebfit(u, values, DEGREE)
    slopes = np.concatenate([chebyshev.chebder(fit), np.zeros((1, 4))])
    return PlaneFrame(horizon, axes, np.concatenate([fit, slopes], axis=1))


class TimeSeries:
    """A smooth field of time, interpolated at the Chebyshev points of blocks of time.

    Evaluating a drift costs much more than a sum of few arrays. Blocks are halved until the last
    coefficients are below a tolerance; where that takes too short blocks the field is evaluated
    directly.

    Parameters
    ----------
    field : callable
        ``field(tau)``, an array of fixed shape.
    start, stop : float
        The field is smooth on [start, stop]; values are asked in order of time.
    tol : float
        Allowed size of the last two coefficients, relative to the largest value or 1.
    longest, shortest : float
        Blocks are not longer than the one; the field is evaluated directly below the other.
    """

    def __init__(
        self, field: Callable[[float], Array], start: float, stop: float, tol: float,
        longest: float, shortest: float,
    ) -> None:  # fmt: skip
        self.field, self.start, self.stop, self.tol = field, start, stop, tol
        self.length, self.shortest = min(longest, stop - start), shortest
        self.longest = longest
        self.block = (start, start)
        self.evaluations = 0
        self.nodes = NODES[tol < TIGHT]
        k = np.arange(self.nodes)
        self.angles = np.pi * k / (self.nodes - 1)
        # values at the points -> coefficients (a cosine transform)
        edge = np.where((k == 0) | (k == self.nodes - 1), 0.5, 1.0)
        table = np.cos(np.outer(k, self.angles)) * edge
        self.transform = 2 / (self.nodes - 1) * table * edge[:, None]
        self.coefficients: Array | None = None
        self.shape: tuple[int, ...] = ()
        self.last: Array | None = None

    def _value(self, tau: float) -> Array:
        self.evaluations += 1
        return self.field(tau)

    def _extend(self, tau: float) -> None:
        """Make the block that begins where the last one ended, or at tau."""
        start = self.block[1] if self.block[1] <= tau else tau
        first = self.last if self.last is not None and start == self.block[1] else None
        while True:
            stop = start + self.length
            if stop > self.stop - 0.1 * self.length:
                stop = self.stop
            length = stop - start
            if self.length < self.shortest:
                self.length *= 32
                stop = min(start + self.length, self.stop)
                self.block, self.coefficients, self.last = (start, stop), None, None
                return
            times = start + 0.5 * length * (1 - np.cos(self.angles))
            times[-1] = stop
            first = self._value(start) if first is None else first
            values = np.stack([first, *(self._value(t) for t in times[1:])])
            self.shape = first.shape
            # the points run from start to stop, the cosines from 1 to -1
            c = self.transform @ values[::-1].reshape(self.nodes, -1)
            size = np.abs(c).max(axis=1)
            tip = size[-2:].max() / max(1.0, size.max())
            if tip <= self.tol:
                self.block, self.coefficients, self.last = (start, stop), c, values[-1]
                self.length = min(length * (1.5 if tip < 0.01 * self.tol else 1.0), self.longest)
                return
            share = 0.9 * (self.tol / tip) ** (1 / (self.nodes - 2)) if np.isfinite(tip) else 0.5
            self.length = length * min(max(share, 0.25), 0.8)

    def __call__(self, tau: float) -> Array:
        """Return the field at a time."""
        tau = min(tau, self.stop)
        if self.stop <= self.start:
            return self._value(tau)
        while tau > self.block[1] or self.block[1] == self.block[0]:
            self._extend(tau)
        start, stop = self.block
        if self.coefficients is None or tau < start:
            return self._value(tau)
        u = 2 * (tau - start) / (stop - start) - 1
        weights = np.cos(np.arange(self.nodes) * np.arccos(np.clip(u, -1.0, 1.0)))
        return (weights @ self.coefficients).reshape(self.shape)
