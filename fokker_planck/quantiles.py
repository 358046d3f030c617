r"""Distribution functions and quantiles of solutions on the line, for Wasserstein distances.

Both distances are metrics, so a law's own error enters through the triangle inequality: it is
the distance of its curve to those of its companion runs (docs/theory.md, N9).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PPoly, make_interp_spline
from scipy.special import ndtr, ndtri

from fokker_planck.characteristic_reading import CharacteristicReading, remaining_share
from fokker_planck.estimate import Estimate
from fokker_planck.extrapolation import spline_share
from fokker_planck.readings import GridReading, TableReading
from fokker_planck.runs import EPS, Reading

Array = NDArray[np.float64]
BISECTIONS, FEW_BISECTIONS = 48, 14
#: levels below this are never resolved
LEAST_LEVEL = 1e-15


class Curve:
    """A distribution function F: zero before its nodes, the total mass behind them.

    Parameters
    ----------
    nodes : ndarray, shape (n,)
        Increasing.
    at_nodes, from_right : ndarray, shape (n,)
        F at the nodes, and the mass beyond each, summed from its own side.
    function : callable
        F between the nodes.
    """

    def __init__(self, nodes: Array, at_nodes: Array, from_right: Array, function: Any) -> None:
        self.nodes, self.at_nodes, self.from_right = nodes, at_nodes, from_right
        self.function = function
        self.total = float(at_nodes[-1])

    def __call__(self, x: Array) -> Array:
        """Return F(x)."""
        return np.asarray(self.function(np.clip(x, self.nodes[0], self.nodes[-1])))

    def scaled(self, factor: float) -> Curve:
        """Return the curve times a factor."""
        function = self.function
        return Curve(
            self.nodes, factor * self.at_nodes, factor * self.from_right,
            lambda x: factor * function(x),
        )  # fmt: skip

    @cached_property
    def scores(self) -> Array:
        """Normal quantiles of the levels at the nodes, increasing."""
        left = np.maximum.accumulate(np.maximum(self.at_nodes, 0.0))
        right = np.maximum.accumulate(np.maximum(self.from_right, 0.0)[::-1])[::-1]
        scores = np.where(left < 0.5, ndtri(np.minimum(left, 0.5)), -ndtri(np.minimum(right, 0.5)))
        return np.maximum.accumulate(scores)

    def quantiles(self, z: Array) -> Array:
        """Return the points whose level has normal quantile z."""
        last = self.nodes.size - 1
        k = np.clip(np.searchsorted(self.scores, z, side="right") - 1, 0, last - 1)
        low, high = self.nodes[k], self.nodes[k + 1]
        # in the right half the mass beyond a point counts, exact to the last small number
        right = z > 0
        base = np.where(right, self.from_right[k + 1], self.at_nodes[k])
        anchor = self(np.where(right, high, low))
        level = ndtr(np.where(right, -z, z))

        def excess(x: Array) -> Array:
            """Return the level at x less the wanted one, increasing."""
            value = self(x)
            return np.where(right, level - base - (anchor - value), base + (value - anchor) - level)

        for _ in range(FEW_BISECTIONS):
            middle = 0.5 * (low + high)
            below = excess(middle) < 0
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        # on so short a piece the curve is straight
        under, over = excess(low), excess(high)
        share = np.where(over > under, -under / np.where(over > under, over - under, 1.0), 0.5)
        return np.asarray(low + np.clip(share, 0.0, 1.0) * (high - low))


@dataclass(frozen=True)
class Curves:
    """A law's curve, others that it may differ from as much, each with its weight, and its tail.

    Parameters
    ----------
    best : Curve
    others : list of (float, Curve)
    tail : float
        Probability that may lie beyond the nodes.
    halvings, thinned : tuple of Curve, optional
        The curves of half and a quarter as many steps in time, or nodes: of what the last halving
        changed only the share that is left counts (N4d).
    """

    best: Curve
    others: list[tuple[float, Curve]]
    tail: float
    halvings: tuple[Curve, Curve] | None = None
    thinned: tuple[Curve, Curve] | None = None


def _from_density(points: Array, logs: Array) -> Curve:
    """Return the curve of a density known by its logarithm at nodes, accurate in both tails."""
    spline = make_interp_spline(points, logs, k=min(5, points.size - 1))
    t, w = np.polynomial.legendre.leggauss(6)
    width = 0.5 * np.diff(points)
    at = 0.5 * (points[1:] + points[:-1])[:, None] + width[:, None] * t
    cells = np.sum(np.exp(spline(at)) * w, axis=1) * width
    left = np.concatenate([[0.0], np.cumsum(cells)])
    right = np.concatenate([[0.0], np.cumsum(cells[::-1])])[::-1]
    return _from_nodes(points, left, right, logs)


def _from_nodes(points: Array, levels: Array, beyond: Array, logs: Array) -> Curve:
    """Return the curve through known levels at carried nodes, with density and its slope."""
    degree = min(5, points.size - 1)
    slope = make_interp_spline(points, logs, k=degree)(points, 1)
    p = np.exp(logs)
    return Curve(points, levels, beyond, _hermite(points, levels, p, p * slope))


def _hermite(x: Array, f: Array, slope: Array, bend: Array) -> PPoly:
    """Return the quintic pieces through values, first and second derivatives at nodes."""
    h = np.diff(x)
    c0, c1, c2 = f[:-1], slope[:-1], 0.5 * bend[:-1]
    # what the parabola about the left node misses at the right one, in units of the piece
    d0 = f[1:] - (c0 + h * (c1 + h * c2))
    d1 = h * (slope[1:] - (c1 + 2 * h * c2))
    d2 = 0.5 * h**2 * (bend[1:] - 2 * c2)
    c3, c4, c5 = 10 * d0 - 4 * d1 + d2, -15 * d0 + 7 * d1 - 2 * d2, 6 * d0 - 3 * d1 + d2
    return PPoly(np.stack([c5 / h**5, c4 / h**4, c3 / h**3, c2, c1, c0]), x)


def _from_cells(points: Array, mass: Array) -> Curve:
    step = points[1] - points[0]
    edges = np.append(points - 0.5 * step, points[-1] + 0.5 * step)
    left = np.concatenate([[0.0], np.cumsum(mass)])
    right = np.concatenate([[0.0], np.cumsum(mass[::-1])])[::-1]
    return Curve(edges, left, right, make_interp_spline(edges, left, k=5))


def _around_top(masses: Array, least: Array) -> slice:
    """Return the nodes around the largest mass up to where the masses are below ``least``."""
    top = int(np.argmax(masses))
    bad = np.flatnonzero(masses <= least)
    left, right = bad[bad < top], bad[bad > top]
    start = int(left[-1]) + 1 if left.size else 0
    return slice(start, int(right[0]) if right.size else masses.size)


def curves_of(reading: Reading, i: int) -> Curves:
    """Return the curves of a reading on the line at output time ``i``."""
    if isinstance(reading, GridReading):
        # where the runs do not agree to a quarter nothing is known but how much there is at most
        points, masses = reading.best.points[i], reading.best.mass[i]
        gap = sum(
            (np.abs(c[i] - masses) for c in reading.companions.values()), 1e-13 * masses.max()
        )
        where = _around_top(masses, 4 * gap)
        x, mass = points[where], masses[where]
        step = float(x[-1] - x[0]) / (x.size - 1)
        outside = np.abs(masses) + gap
        outside[where] = 0.0
        logs = [np.log(c[i][where] / step) for c in reading.companions.values()]
        best = np.log(mass / step)
        return Curves(
            _from_density(x, best),
            [(1.0, _from_density(x, other)) for other in logs],
            float(reading.tail[i] + outside.sum()),
            thinned=(_from_density(x[::2], best[::2]), _from_density(x[::4], best[::4])),
        )
    if isinstance(reading, CharacteristicReading):
        levels = reading.start_distribution
        runs = [
            _from_nodes(run.points[i], levels, 1 - levels, run.log_density[i])
            for run in (reading.best, reading.coarse_time, reading.coarsest_time)
        ]
        x, logs = reading.best.points[i], reading.best.log_density[i]
        thinned = [_from_nodes(x[::k], levels[::k], 1 - levels[::k], logs[::k]) for k in (2, 4)]
        return Curves(
            runs[0], [], float(reading.lost), (runs[1], runs[2]), (thinned[0], thinned[1])
        )
    assert isinstance(reading, TableReading)
    rows = reading.runs
    finest = _from_cells(rows[-1][-1].points[i], rows[-1][-1].mass[i])
    if len(rows[-1]) < 2 or len(rows) < 2:
        return Curves(finest, [], float("inf"))
    coarser = [
        (weight, _from_cells(run.points[i], run.mass[i]))
        for weight, run in ((2.0, rows[-1][-2]), (1.0, rows[-2][-1]))
    ]
    return Curves(finest, coarser, float(reading.tail[i]))


# -- order 1 -----------------------------------------------------------------------------------
def _area(a: Curve, b: Curve) -> float:
    """Return the area between two curves, over the range of both."""
    x = np.unique(np.concatenate([a.nodes, b.nodes]))
    gap = a(x) - b(x)
    crossing = np.flatnonzero(gap[:-1] * gap[1:] < 0)
    low, high = x[crossing], x[crossing + 1]
    rising = gap[crossing + 1] > 0
    for _ in range(BISECTIONS if crossing.size else 0):
        middle = 0.5 * (low + high)
        above = (a(middle) - b(middle) > 0) == rising
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    x = np.sort(np.concatenate([x, 0.5 * (low + high)]))
    t, w = np.polynomial.legendre.leggauss(4)
    width = 0.5 * np.diff(x)
    at = 0.5 * (x[1:] + x[:-1])[:, None] + width[:, None] * t
    return float(np.sum(np.abs(np.sum((a(at) - b(at)) * w, axis=1)) * width))


def _own(curves: Curves, distance: Any) -> float:
    """Return what a law's own curves differ by."""
    best = curves.best
    out = sum(weight * distance(best, other) for weight, other in curves.others)
    for coarser, share in (
        (curves.halvings, remaining_share),
        (curves.thinned, spline_share),
    ):
        if coarser is not None:
            last, previous = distance(best, coarser[0]), distance(*coarser)
            out += last * share(last, previous)
    return float(out)


def step_distance(first: Curves, second: Curves) -> Estimate:
    """Return the Wasserstein distance of order 1, the area between the distribution functions."""
    a, b = first.best, second.best
    low, high = min(a.nodes[0], b.nodes[0]), max(a.nodes[-1], b.nodes[-1])
    error = sum(_own(curves, _area) for curves in (first, second))
    for curves in (first, second):
        # what may lie beyond the nodes lies within a box length
        lost = 2 * curves.tail + abs(curves.best.total - 1)
        error += lost * float(high - low)
    value = _area(a, b)
    return Estimate(value, error + 64 * EPS * float(high - low))


# -- order 2 -----------------------------------------------------------------------------------
def quantile_distance(first: Curves, second: Curves) -> Estimate:
    """Return the Wasserstein distance of order 2, from quantiles."""
    a, b = first.best, second.best
    level = max(LEAST_LEVEL, *(_unresolved_level(curves) for curves in (first, second)))
    if not level < 0.1:
        return Estimate(np.sqrt(max(_squares(a, b, 0.1)[0], 0.0)), np.inf)
    inner, quadrature = _squares(a, b, level, orders=(4, 3))
    low, high = min(a.nodes[0], b.nodes[0]), max(a.nodes[-1], b.nodes[-1])
    # beyond the resolved levels the two quantiles are at most two box lengths apart
    beyond = 2 * level * (2 * float(high - low)) ** 2 + quadrature

    def distance(one: Curve, other: Curve) -> float:
        return float(np.sqrt(_squares(one, other, level)[0]))

    error = sum(_own(curves, distance) for curves in (first, second))
    for curve in (a, b):
        error += distance(curve, curve.scaled(1 / curve.total))
    value = float(np.sqrt(inner))
    error += max(
        float(np.sqrt(inner + beyond)) - value, value - float(np.sqrt(max(inner - quadrature, 0)))
    )
    return Estimate(value, error + 64 * EPS * float(high - low))


def _unresolved_level(curves: Curves) -> float:
    """Return the level below which, or as far below 1, a law's curves do not agree to a quarter."""
    best = curves.best
    level = 2 * (abs(best.total - 1) + curves.tail)
    # carried levels are exact: it is their points that are not
    others = [(weight, other.total, other(best.nodes)) for weight, other in curves.others]
    for own, sides in (
        (best.at_nodes, [(weight, values) for weight, _, values in others]),
        (best.from_right, [(weight, total - values) for weight, total, values in others]),
    ):
        gap = sum((weight * np.abs(own - side) for weight, side in sides), np.zeros(own.size))
        astray = own[(own < 0.5) & (gap > 0.25 * own)]
        level = max(level, 2 * float(astray.max(initial=0.0)))
    return level


def _squares(
    a: Curve, b: Curve, level: float, orders: tuple[int, ...] = (4,)
) -> tuple[float, float]:
    """Return the integral of the squared difference of quantiles between two levels, and error.

    In the normal quantile of the level, between the images of the nodes of both.
    """
    end = -float(ndtri(level))
    z = np.concatenate([a.scores, b.scores])
    z = np.unique(np.concatenate([z[np.abs(z) < end], [-end, end]]))
    totals = []
    for n in orders:
        t, w = np.polynomial.legendre.leggauss(n)
        width = 0.5 * np.diff(z)
        at = 0.5 * (z[1:] + z[:-1])[:, None] + width[:, None] * t
        square = (a.quantiles(at) - b.quantiles(at)) ** 2
        weight = np.exp(-0.5 * at**2) / np.sqrt(2 * np.pi)
        totals.append(float(np.sum(np.sum(square * weight * w, axis=1) * width)))
    return totals[0], abs(totals[0] - totals[-1])
