r"""Time panels of the interpolant, each with a straight moving frame x = c(tau) + s(tau) y.

On a panel [a, b] with theta in [-1, 1] centre c and half width s are affine in theta, continuous
from panel to panel, so that the density of y on [-1, 1] is a continuous function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokker_planck.residual.balls import Ball
from fokker_planck.residual.chebyshev import lobatto
from fokker_planck.residual.table import Table

Array = NDArray[np.float64]
#: densities below this share of the maximum are left outside the frame
LEVEL = 1e-17
#: a panel's times are those of Chebyshev and Lobatto if they agree to this share of its length
SAME = 1e-9


@dataclass(frozen=True)
class TimePanel:
    """One panel in time: its ends, the run's output times on it, and the frame at both ends."""

    ends: tuple[float, float]
    indices: tuple[int, ...]
    nodes: tuple[float, ...]
    centres: tuple[float, float]
    halves: tuple[float, float]

    @property
    def half(self) -> float:
        """Half the length in time."""
        return 0.5 * (self.ends[1] - self.ends[0])

    def time(self, theta: Ball) -> Ball:
        """Return tau at theta."""
        return _between(self.ends, theta)

    def position(self, theta: float) -> tuple[float, float]:
        """Return c and s at theta as numbers: at the ends exactly those of the next panel."""
        left, right = 0.5 * (1 - theta), 0.5 * (1 + theta)
        return (
            left * self.centres[0] + right * self.centres[1],
            left * self.halves[0] + right * self.halves[1],
        )

    def frame(self, theta: Ball) -> tuple[Ball, Ball]:
        """Return c and s at theta."""
        return _between(self.centres, theta), _between(self.halves, theta)

    def rates(self) -> tuple[Ball, Ball]:
        """Return dc/dtau and ds/dtau."""
        length = Ball(self.ends[1]) - self.ends[0]
        return (
            (Ball(self.centres[1]) - self.centres[0]) / length,
            (Ball(self.halves[1]) - self.halves[0]) / length,
        )


def _between(ends: tuple[float, float], theta: Ball) -> Ball:
    """Return the affine function with the given values at -1 and 1."""
    a, b = Ball(ends[0]), Ball(ends[1])
    return 0.5 * (a + b) + 0.5 * (b - a) * theta


def split_times(taus: Array, largest: int = 32) -> list[tuple[int, int]]:
    """Return index ranges of panels: Chebyshev-Lobatto times where they are, else short groups."""
    out, i = [], 0
    while i < taus.size - 1:
        best = 0
        for degree in range(min(largest, taus.size - 1 - i), 3, -1):
            a, b = taus[i], taus[i + degree]
            expected = a + 0.5 * (b - a) * (1 + lobatto(degree))
            if np.abs(taus[i : i + degree + 1] - expected).max() <= SAME * (b - a):
                best = degree
                break
        best = best or min(3, taus.size - 1 - i)
        out.append((i, i + best))
        i += best
    return out


def time_panels(table: Table, breaks: tuple[float, ...] = ()) -> list[TimePanel]:
    """Return the panels of a run, with frames that hold all of its density above LEVEL."""
    taus = table.run.taus
    ranges = split_times(taus)
    ends = sorted({i for pair in ranges for i in pair})
    low, high = np.array([table.level_ends(i, LEVEL) for i in range(taus.size)]).T
    # the straight frame must hold what lies between its ends: move both ends out as needed
    left, right = low[ends], high[ends]
    for k, (a, b) in enumerate(ranges):
        inner = slice(a, b + 1)
        share = (taus[inner] - taus[a]) / (taus[b] - taus[a])
        excess = np.max((1 - share) * left[k] + share * left[k + 1] - low[inner])
        left[k : k + 2] -= max(float(excess), 0.0)
        excess = np.max(high[inner] - (1 - share) * right[k] - share * right[k + 1])
        right[k : k + 2] += max(float(excess), 0.0)
    centres, halves = 0.5 * (left + right), 0.5 * (right - left)
    panels = []
    for k, (a, b) in enumerate(ranges):
        nodes = -1 + 2 * (taus[a : b + 1] - taus[a]) / (taus[b] - taus[a])
        degree = b - a
        if degree > 3 and np.abs(nodes - lobatto(degree)).max() <= 2 * SAME:
            nodes = lobatto(degree)
        panels.append(
            TimePanel(
                (float(taus[a]), float(taus[b])),
                tuple(range(a, b + 1)),
                tuple(map(float, nodes)),
                (float(centres[k]), float(centres[k + 1])),
                (float(halves[k]), float(halves[k + 1])),
            )
        )
    return panels
