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
N_CELLS = 500
#: longer steps of implicit Euler fatten the tails too much
LONGEST_STEP = 0.03
#: an inner box may lose this much at any time, before the safety factor
LEVEL = 1e-18
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

    def box(self, level: float = LEVEL) -> tuple[float, float]:
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


def run_pilot(
    velocity: Callable[[Array, Array], Array],
    diffusivity: Callable[[Array], Array],
    initial: Callable[[Array], Array],
    box: tuple[float, float],
    horizon: float,
    longest: float = LONGEST_STEP,
) -> Pilot:
    """Solve in a box with no-flux ends.

    Parameters
    ----------
    velocity : callable
        ``velocity(taus, y)`` of shape (m, n).
    diffusivity : callable
        ``diffusivity(taus)`` of shape (m,), positive.
    initial : callable
        Density at tau = 0 as a function of y.
    box : tuple of float
    horizon : float
    longest : float
        No step is longer.
    """
    steps = int(np.clip(np.ceil(horizon / min(longest, LONGEST_STEP)), 128, 4096))
    taus = np.unique(np.concatenate([np.linspace(0, horizon, steps + 1), graded_times(horizon)]))
    faces = np.linspace(*box, N_CELLS + 1)
    h = faces[1] - faces[0]
    beta = velocity(taus[1:], faces[1:-1])
    delta = diffusivity(taus[1:])[:, None]
    rate = delta / h**2
    ahead, back = bernoulli(beta * h / delta)
    factors = factor(rate * ahead, rate * back, np.diff(taus))
    masses = np.empty((taus.size, N_CELLS))
    centres = 0.5 * (faces[1:] + faces[:-1])
    masses[0] = h * initial(centres)
    for j in range(taus.size - 1):
        masses[j + 1] = step(masses[j], *(part[j] for part in factors))
    zero = np.zeros((taus.size, 1))
    left = np.concatenate([zero, np.cumsum(masses, axis=1)], axis=1)
    right = np.concatenate([np.cumsum(masses[:, ::-1], axis=1)[:, ::-1], zero], axis=1)
    return Pilot(taus, faces, left, right)
