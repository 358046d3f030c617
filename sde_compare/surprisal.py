"""-log p of a density, truncated to a bounded function so that its average has an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck import Estimate

if TYPE_CHECKING:
    from fokker_planck import Solution

Array = NDArray[np.float64]
TAIL = 1e-5  # probability left beyond the truncation


class LogDensity(Protocol):
    """What is needed of a density: log p at its own nodes, their masses, and log p anywhere."""

    log_values: Array
    mass: Array

    def log_pdf(self, x: ArrayLike) -> Array:
        """Return log p at any points."""


class Surprisal:
    r"""The function :math:`g(x) = \min(\max(-\log p(x), m), M)`.

    m is the least value of -log p on the density's points, M the level that -log p exceeds with
    probability at most 1e-5. Both come from the density alone, hence before any sampling. Density
    and samples average the same g, so the truncation biases nothing; E g falls short of the
    entropy by about 1e-5.

    Parameters
    ----------
    density : Density or PlaneDensity
        Such as ``solution.density(-1)``.

    Attributes
    ----------
    lower, upper : float
        m and M.
    """

    def __init__(self, density: LogDensity) -> None:
        self.density = density
        # the run of nodes whose logarithm means something, where a density knows it
        where = getattr(density, "reliable", slice(None))
        level, mass = -density.log_values[where], density.mass[where]
        order = np.argsort(level)[::-1]
        beyond = np.cumsum(mass[order])  # probability of the points at least as surprising
        self.lower = float(level.min())
        self.upper = float(level[order[min(int(np.searchsorted(beyond, TAIL)), level.size - 1)]])

    def __call__(self, x: ArrayLike) -> Array:
        """Return g at points (n,), or (n, 2) in the plane."""
        return np.clip(-self.density.log_pdf(x), self.lower, self.upper)

    def expectation(self, solution: Solution) -> Estimate:
        """Return E g under the last output time of a solution, with the solver's error."""
        return solution.expectation(lambda x, tau: self(x), name="surprisal")[-1]


@dataclass
class _Carried:
    """The density of an ODE in the plane: off its nodes it is carried back to the start."""

    solution: Solution
    log_values: Array
    mass: Array

    def log_pdf(self, x: ArrayLike) -> Array:
        """Return log p at points (n, 2)."""
        return self.solution.log_density(x, -1)[0]


def last_surprisal(solution: Solution) -> Surprisal:
    """Return the surprisal of the density at the last output time, in one dimension or two."""
    density = solution.density(-1)
    if not getattr(density, "affine", True):
        return Surprisal(_Carried(solution, density.log_values, density.mass))
    return Surprisal(density)
