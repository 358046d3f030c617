"""A cheap, positive pilot solution that tells how far the mass really reaches.

A priori bounds on the tails (``tails``) are safe but can be wide where guidance contracts the
law. Inside the box that they give, implicit Euler with Scharfetter-Gummel fluxes keeps every cell
positive and relatively accurate (docs/theory.md, N5), so that its tails can be read down to 1e-30.
They err on the wide side: a step of implicit Euler spreads mass over exponential tails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.methods.finite_volume import bernoulli, factor, step
from fokker_planck.tails import graded_times

Array = NDArray[np.float64]
#: cells of this length in the frame's coordinate, within bounds on their number
CELL, N_CELLS = 0.25, (96, 500)
#: longer steps of implicit Euler fatten the tails too much
LONGEST_STEP, LEAST_STEPS = 0.1, 48
SAFETY = 10.0


@dataclass(frozen=True)
class Pilot:
    """Masses of a pilot solution: how much lies left and right of every face at every time.

    Parameters
    ----------
    taus : ndarray, shape (m,)
    faces : ndarray, shape (n + 1,)
        In the frame's coordinate y.
    left, right : ndarray, shape (m, n + 1)
    """

    taus: Array
    faces: Array
    left: Array
    right: Array

    def box(self, level: float) -> tuple[float, float]:
        """Return the narrowest box that loses at most ``level`` on either side at any time."""
        ok_left = np.flatnonzero(self.left.max(axis=0) <= level)
        ok_right = np.flatnonzero(self.right.max(axis=0) <= level)
        low = self.faces[ok_left[-1]] if ok_left.size else self.faces[0]
        high = self.faces[ok_right[0]] if ok_right.size else self.faces[-1]
        return float(low), float(high)

    def beyond(self, y: Array, tau: float, side: int) -> Array:
        """Return the probability left (side 0) or right (1) of points, with a safety factor."""
        row = int(np.argmin(np.abs(self.taus - tau)))
        if side == 0:
            i = np.searchsorted(self.faces, y, side="left")
            return SAFETY * self.left[row, np.minimum(i, self.faces.size - 1)]
        i = np.searchsorted(self.faces, y, side="right") - 1
        return SAFETY * self.right[row, np.maximum(i, 0)]

    def outside(self, low: float, high: float, taus: ArrayLike) -> Array:
        """Return what may have left [low, high] at or before each time, with a safety factor."""
        i = np.clip(np.searchsorted(self.faces, low, side="right") - 1, 0, None)
        j = np.clip(np.searchsorted(self.faces, high), None, self.faces.size - 1)
        lost = np.maximum.accumulate(self.left[:, i] + self.right[:, j])
        index = np.searchsorted(self.taus, np.asarray(taus) * (1 - 1e-12))
        return SAFETY * lost[np.minimum(index, self.taus.size - 1)]


@dataclass(frozen=True)
class Outer:
    """What a pilot needs of an equation: coefficients, start, and the outer box.

    Parameters
    ----------
    velocity : callable
        ``velocity(taus, y)`` of shape (m, n).
    diffusivity : callable
        ``diffusivity(taus)`` of shape (m,), positive.
    initial : callable
        Density at tau = 0 as a function of y.
    box : tuple of float
    """

    velocity: Callable[[Array, Array], Array]
    diffusivity: Callable[[Array], Array]
    initial: Callable[[Array], Array]
    box: tuple[float, float]


def pilot_times(horizon: float, breaks: tuple[float, ...] = (), longest: float = 1.0) -> Array:
    """Return the ends of a pilot's steps: half of them equal, half dense at the end."""
    steps = int(np.clip(np.ceil(horizon / min(longest, LONGEST_STEP)), LEAST_STEPS, 4096))
    equal, graded = np.linspace(0, horizon, steps + 1), graded_times(horizon, LEAST_STEPS + 1)
    return np.unique(np.concatenate([equal, graded, breaks]))


def run_pilots(equations: list[Outer], taus: Array) -> list[Pilot]:
    """Solve several equations in their boxes, with no-flux ends, on one mesh of times.

    One after the other they form one tridiagonal system, whose blocks do not see each other.
    """
    widest = max(item.box[1] - item.box[0] for item in equations)
    n = int(np.clip(np.ceil(widest / CELL), *N_CELLS))
    k, rows = taus.size - 1, len(equations)
    rates = np.zeros((2, k, rows, n))
    faces = np.array([np.linspace(*item.box, n + 1) for item in equations])
    # in the middle of a step there is no break
    middle = 0.5 * (taus[1:] + taus[:-1])
    masses = np.empty((k + 1, rows * n))
    for row, item in enumerate(equations):
        y = faces[row]
        h = y[1] - y[0]
        delta = item.diffusivity(middle)[:, None]
        beta = item.velocity(middle, y[1:-1])
        rates[:, :, row, :-1] = np.array(bernoulli(beta * h / delta)) * (delta / h**2)
        masses[0, row * n : (row + 1) * n] = h * item.initial(0.5 * (y[1:] + y[:-1]))
    factors = _block_factors(rates, np.diff(taus))
    for j in range(k):
        masses[j + 1] = step(masses[j], *(part[j] for part in factors))
    found = []
    for row in range(rows):
        own = masses[:, row * n : (row + 1) * n]
        zero = np.zeros((taus.size, 1))
        left = np.concatenate([zero, np.cumsum(own, axis=1)], axis=1)
        right = np.concatenate([np.cumsum(own[:, ::-1], axis=1)[:, ::-1], zero], axis=1)
        found.append(Pilot(taus, faces[row], left, right))
    return found


def _block_factors(rates: Array, dt: Array) -> tuple[Array, Array, Array]:
    """Return the factors of all blocks at once, put one after the other."""
    _, k, rows, n = rates.shape
    ahead, back = rates[..., :-1].reshape(2, k * rows, n - 1)
    lower, pivots, upper = factor(ahead, back, np.repeat(dt, rows))
    zero = np.zeros((k * rows, 1))
    joined = [
        np.concatenate([part, zero], axis=1).reshape(k, rows * n)[:, :-1] for part in (lower, upper)
    ]
    return joined[0], pivots.reshape(k, rows * n), joined[1]
