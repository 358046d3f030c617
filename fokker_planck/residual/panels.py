"""Polynomials in time through a run's output times, for residuals that are summed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokker_planck.residual.chebyshev import gauss, lagrange, lobatto
from fokker_planck.residual.frames import split_times

Array = NDArray[np.float64]
#: times at which the residual is looked at, per panel, beyond the number of its nodes
EXTRA = 3


@dataclass(frozen=True)
class Moment:
    """One quadrature time: its weight, and how nodal values become value and time derivative."""

    panel: int
    tau: float
    weight: float
    indices: slice
    value: Array
    rate: Array

    def at(self, nodes: Array) -> Array:
        """Return the polynomial through values at the run's times, shape (m, ...)."""
        return np.tensordot(self.value, nodes[self.indices], axes=1)

    def slope(self, nodes: Array) -> Array:
        """Return its derivative in time."""
        return np.tensordot(self.rate, nodes[self.indices], axes=1)


def moments(taus: Array) -> Iterator[Moment]:
    """Yield Gauss times of every panel of a run."""
    for k, (a, b) in enumerate(split_times(taus)):
        length = float(taus[b] - taus[a])
        nodes = -1 + 2 * (taus[a : b + 1] - taus[a]) / length
        if b - a > 3:
            nodes = lobatto(b - a)
        theta, weights = gauss(b - a + EXTRA)
        value, rate, _ = lagrange(nodes, theta)
        for j in range(theta.size):
            yield Moment(
                k,
                float(taus[a] + 0.5 * length * (1 + theta[j])),
                float(0.5 * length * weights[j]),
                slice(a, b + 1),
                value[j],
                2 * rate[j] / length,
            )


def running(taus: Array, per_panel: Array) -> Array:
    """Return running sums of what the panels add, at every output time: those of panels' ends."""
    out = np.zeros(taus.size)
    total = 0.0
    for (a, b), added in zip(split_times(taus), per_panel, strict=True):
        total += float(added)
        out[a + 1 : b + 1] = total
    return out
