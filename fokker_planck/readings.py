"""How values and error budgets are read off numerical runs: one way per kind of method.

Every budget's parts (time, space, quadrature, tail, rounding, ...) are computed from the runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, maximum_filter

from fokker_planck.characteristic_reading import CharacteristicReading
from fokker_planck.density import Density, PlaneDensity
from fokker_planck.extrapolation import LEAST_GAIN, extrapolate
from fokker_planck.functionals import Functional, Snapshot
from fokker_planck.runs import (
    EPS,
    Budget,
    FarTail,
    Run,
    edge,
    lost_tail,
    outermost,
    sampled,
    unresolved,
)

Array = NDArray[np.float64]
#: the ratio of the last extrapolated column cannot be checked: its change counts so many times
LAST_COLUMN = 2.5
#: what the ratio before it misses its power by counts so many times, of what that column changed
DOUBT = 4.0
#: ... and in the plane, on its smaller grids, the column before it is claimed in full
PLANE_SHARE = 1.0
#: sums over part of the nodes, as (skip, first); thirds too: on a mirrored problem both halves
#: may agree by symmetry alone
GRID_STRIDES = ((2, 0), (2, 1), (3, 0), (3, 1))


def _only_on_the_line(run: Run) -> None:
    """Refuse what has no meaning in the plane.

    Raises
    ------
    ValueError
        If the run is not one-dimensional.
    """
    if run.shape is not None:
        raise ValueError("a distribution function needs dimension 1; use a marginal")


@dataclass(frozen=True)
class GridReading:
    """A grid method: the best run, and companions on the same points that differ in one respect.

    The error of a functional with influence w is, for every companion q, the integral of
    |p - q| |w| (docs/theory.md, N1): it cannot vanish by accident as a difference of two numbers
    can. The sum over the nodes is compared with the sums over every other node. The lost tail
    counts with twice the influence at the ends, the negative part of the
    density with its own influence.

    Parameters
    ----------
    best : Run
    companions : dict of str to ndarray, shape (m, n)
        Node masses of the companion runs, on the points of ``best``.
    tail : ndarray, shape (m,)
        Probability that may lie outside the box at or before each time.
    far : FarTail, optional
        How that probability falls off beyond the ends, where it is known.
    """

    best: Run
    companions: dict[str, Array]
    tail: Array
    far: FarTail | None = None
    kind: ClassVar[str] = "grid"

    def read(self, functional: Functional) -> tuple[Array, Budget]:
        """Return values and error budget."""
        values = np.zeros(self.best.taus.size)
        names = [*self.companions, "quadrature", "defect", "tail", "negative", "rounding"]
        budget: Budget = {name: np.zeros(values.size) for name in names}
        for i in range(values.size):
            snap = self.best.snapshot(i)
            values[i], influence, strided = sampled(functional, snap, GRID_STRIDES)
            w = np.abs(influence)
            for name, companion in self.companions.items():
                gap = np.abs(companion[i] - snap.mass)
                budget[name][i] = np.sum(np.where(gap == 0, 0.0, gap * np.where(gap == 0, 0.0, w)))
            # the constant c of N1 counts with whatever the masses differ by
            total = snap.mass.sum()
            gaps = [abs(companion[i].sum() - total) for companion in self.companions.values()]
            defect = max([*gaps, abs(total - 1)])
            typical = float(
                np.sqrt(np.sum(np.abs(snap.mass) * np.where(snap.mass == 0, 0.0, w) ** 2))
            )
            budget["defect"][i] = defect * (abs(values[i]) + typical)
            gaps = np.abs(strided - values[i])
            budget["quadrature"][i] = np.max(gaps) + unresolved(functional, snap)
            used = snap.mass != 0
            w, mass = w[used], np.abs(snap.mass[used])
            budget["tail"][i] = self._tail(functional, snap, i, influence)
            budget["negative"][i] = np.sum((mass * w)[snap.mass[used] < 0])
            budget["rounding"][i] = 4 * EPS * (np.sum(mass * w) + abs(values[i]))
        return values, budget

    def _tail(self, functional: Functional, snap: Snapshot, i: int, influence: Array) -> float:
        if self.far is None or functional.integrand is None or functional.bound is not None:
            return lost_tail(functional, snap, float(self.tail[i]), influence)
        # what left the box may have come back: it counts with the influence inside
        inside = 2 * self.tail[i] * edge(influence, outermost(snap))
        return float(inside) + self.far.charge(functional, i, snap.tau)

    def density(self, i: int) -> Density | PlaneDensity:
        """Return the density at output time ``i``."""
        x, mass = self.best.points[i], self.best.mass[i]
        sign = np.sign(mass)
        log_p = self.best.log_density[i]
        values = sign * np.exp(log_p)
        # where the runs differ by a thousandth of the density, its logarithm is good to 1e-3
        gap = max(float(np.abs(c[i] - mass).max()) for c in self.companions.values())
        top = int(np.argmax(values))
        floor = 1e3 * gap * float(values[top] / mass[top])
        if self.best.shape is not None:
            return PlaneDensity(x, values, mass, self.best.shape, log_p, floor=floor)
        return Density(x, values, mass, log_p, floor=floor)

    def l1_differences(self) -> Budget:
        """Return the L1 differences to the companions, and the tail."""
        out = {
            name: np.sum(np.abs(companion - self.best.mass), axis=1)
            for name, companion in self.companions.items()
        }
        return {**out, "tail": 2 * self.tail}

    def distribution_error(self, i: int) -> float:
        """Return the largest difference of the runs' running sums, defect and tail."""
        _only_on_the_line(self.best)
        mass = self.best.mass[i]
        gaps = [np.abs(np.cumsum(c[i] - mass)).max() for c in self.companions.values()]
        # the antiderivative of a spline against that of every other node
        density = self._on_the_line(i)
        half = Density(density.points[::2], density.values[::2], 2 * mass[::2])
        curve = np.abs(half.cdf(half.points) - density.cdf(half.points)).max()
        defect = abs(float(mass.sum()) - 1)
        return float(sum(gaps) + curve + defect + 2 * self.tail[i] + mass.size * EPS)

    def pointwise_error(self, x: Array, i: int) -> Array:
        """Return the relative gaps between the runs, and the curve through every other node."""
        points, mass = self.best.points[i], np.abs(self.best.mass[i])
        gap = sum((np.abs(c[i] - self.best.mass[i]) for c in self.companions.values()), EPS * mass)
        if self.best.shape is not None:
            return self._plane_error(x, i, mass, np.asarray(gap))
        skipped = Density(points[::2], self._on_the_line(i).values[::2], self.best.mass[i][::2])
        full, coarse = self._on_the_line(i).log_pdf(x), skipped.log_pdf(x)
        # the largest gap within a few nodes, over the smallest mass
        near = np.maximum.reduce([np.roll(gap, shift) for shift in (-2, -1, 0, 1, 2)])
        least = np.minimum.reduce([np.roll(mass, shift) for shift in (-2, -1, 0, 1, 2)])
        relative = near / np.maximum(least, np.finfo(float).tiny)
        error = np.interp(x, points, relative, left=np.inf, right=np.inf) + np.abs(full - coarse)
        return np.where(error < 0.5, error, np.inf)

    def _on_the_line(self, i: int) -> Density:
        density = self.density(i)
        assert isinstance(density, Density)
        return density

    def _plane_error(self, x: Array, i: int, mass: Array, gap: Array) -> Array:
        """Return the largest relative gap within two nodes, and what closer nodes change."""
        density = self.density(i)
        assert isinstance(density, PlaneDensity) and self.best.shape is not None
        shape = self.best.shape
        # the sums of the interpolant round by a little of the largest mass
        gap = gap + 4 * EPS * float(mass.max())
        relative = gap / np.maximum(mass, np.finfo(float).tiny)
        near = maximum_filter(relative.reshape(shape), 5)
        # the logarithm is cut there
        near = np.where(maximum_filter(density.rounded, 5), np.inf, near)
        index = density.index_of(x)
        error = map_coordinates(near, index, order=1, cval=np.inf)
        # linear interpolation of an infinite value next to a zero weight is nan
        error = np.where(np.isnan(error), np.inf, error)
        levels = [density.log_pdf(x), *(d.log_pdf(x, False) for d in (density, density.halved()))]
        last, previous = (np.abs(levels[k] - levels[k + 1]) for k in (0, 1))
        # a change may vanish at a point by accident, two in a row hardly
        error = error + 2 * np.maximum(last, previous / LEAST_GAIN)
        return np.where(error < 0.5, error, np.inf)


def _merged(mass: Array, shape: tuple[int, ...] | None) -> Array:
    """Return cell masses of shape (m, n) with two neighbours along each axis put together."""
    grid = mass.reshape(len(mass), *(shape or mass.shape[1:]))
    for axis in range(1, grid.ndim):
        pairs = (slice(None),) * axis
        grid = grid[(*pairs, slice(0, None, 2))] + grid[(*pairs, slice(1, None, 2))]
    return np.asarray(grid.reshape(len(mass), -1))


def _simpson_nodes(run: Run) -> list[tuple[float, Array]]:
    """Return weights and displacements of Simpson's product rule in the cells of a grid."""
    one_axis = ((1 / 6, -0.5), (4 / 6, 0.0), (1 / 6, 0.5))
    if run.shape is None:
        step = (run.points[:, 1] - run.points[:, 0])[:, None]
        return [(weight, share * step) for weight, share in one_axis]
    points = run.points.reshape(run.taus.size, *run.shape, -1)
    steps = [points[:, 1, 0] - points[:, 0, 0], points[:, 0, 1] - points[:, 0, 0]]
    return [
        (w1 * w2, (s1 * steps[0] + s2 * steps[1])[:, None, :])
        for w1, s1 in one_axis
        for w2, s2 in one_axis
    ]


@dataclass(frozen=True)
class TableReading:
    """A low-order method: functionals on a table of resolutions, extrapolated (Richardson).

    ``runs[s][q]`` has space level s (cells halved from one to the next) and time level q (steps
    halved). Each functional is extrapolated in time along q at every space level (error powers
    1, 2, 3, ... of the step), then in space along s (powers 2, 4, ... of the cell). The error is
    LAST_COLUMN times what the last extrapolation changed, in time and in space, or the last raw
    differences where they do not shrink as the orders say (docs/theory.md, N5).

    Parameters
    ----------
    runs : list of list of Run
    tail : ndarray, shape (m,)
        Probability that may lie outside the box at or before each time.
    ratios : dict of str to float
        Observed ratios of the last differences of the entropy, in time (2) and space (4).
    """

    runs: list[list[Run]]
    tail: Array
    ratios: dict[str, float] = field(default_factory=dict)
    kind: ClassVar[str] = "table"

    @property
    def best(self) -> Run:
        """The finest run."""
        return self.runs[-1][-1]

    @property
    def mass_drift(self) -> Array:
        """Largest change of the total mass over all runs, shape (m,): rounding alone."""
        drifts = []
        for run in (run for row in self.runs for run in row):
            mass = run.mass.sum(axis=1)
            drifts.append(np.abs(mass - mass[0]))
        return np.max(drifts, axis=0)

    def read(self, functional: Functional) -> tuple[Array, Budget]:
        """Return values and error budget."""
        table = np.array([[run.values(functional) for run in row] for row in self.runs])
        space_levels, time_levels, m = table.shape
        values = np.zeros(m)
        names = ("time", "space", "quadrature", "tail", "rounding")
        budget: Budget = {name: np.zeros(m) for name in names}
        other = np.array([[self._simpson(run, functional) for run in row] for row in self.runs])
        drift = self.mass_drift
        for i in range(m):
            snap = self.best.snapshot(i)
            influence = functional.influence(snap)
            w = np.abs(influence)
            size = float(np.sum(snap.mass * w)) + abs(table[-1, -1, i])
            rounding = (4 * EPS + drift[i]) * size
            rows = [
                extrapolate(row[:, i], range(1, time_levels + 1), 4 * rounding) for row in table
            ]
            limits = [value for value, _ in rows]
            powers = range(2, 2 * space_levels + 1, 2)
            share = 1 / 16 if self.best.shape is None else PLANE_SHARE
            values[i], changed = extrapolate(limits, powers, 16 * rounding, share, DOUBT)
            budget["space"][i] = LAST_COLUMN * changed
            # the weights of an extrapolation in even powers add up to less than 2, in all to 8
            budget["time"][i] = LAST_COLUMN * 2 * max(error for _, error in rows)
            budget["rounding"][i] = 16 * rounding
            limits = [
                extrapolate(row[:, i], range(1, time_levels + 1), 4 * rounding)[0] for row in other
            ]
            again = extrapolate(limits, powers, 16 * rounding)[0]
            gap, raw = abs(again - values[i]), abs(other[-1, -1, i] - table[-1, -1, i])
            # two rules that extrapolation does not bring together: the integrand is not smooth
            rough = 4 * raw if gap > 0.01 * raw else 0.0
            budget["quadrature"][i] = gap + rough + unresolved(functional, snap)
            budget["tail"][i] = lost_tail(functional, snap, float(self.tail[i]), influence)
            budget["tail"][i] += self.tail[i] * abs(values[i])
        return values, budget

    @staticmethod
    def _simpson(run: Run, functional: Functional) -> Array:
        """Return the functional with Simpson's rule in every cell in place of its middle."""
        total = np.zeros(run.taus.size)
        for weight, shift in _simpson_nodes(run):
            total = total + weight * replace(run, points=run.points + shift).values(functional)
        return total

    def density(self, i: int) -> Density | PlaneDensity:
        """Return the density of the finest run at output time ``i``."""
        x, mass, log_p = (a[i] for a in (self.best.points, self.best.mass, self.best.log_density))
        if self.best.shape is not None:
            return PlaneDensity(x, np.exp(log_p), mass, self.best.shape, log_p)
        return Density(x, np.exp(log_p), mass, log_p)

    def l1_differences(self) -> Budget:
        """Return what the finest run, which is not extrapolated, differs by from the coarser ones.

        The last halving in time changes a first-order error by itself, in space a second-order
        one by three times itself; averages stand for point values up to their second difference.
        """
        fine = self.best.mass
        parts = {"time": np.full(len(fine), np.inf), "space": np.full(len(fine), np.inf)}
        if len(self.runs[-1]) > 1:
            parts["time"] = 2 * np.sum(np.abs(fine - self.runs[-1][-2].mass), axis=1)
        if len(self.runs) > 1:
            merged = _merged(fine, self.best.shape)
            parts["space"] = np.sum(np.abs(merged - self.runs[-2][-1].mass), axis=1)
        grid = fine.reshape(len(fine), *(self.best.shape or fine.shape[1:]))
        parts["cell"] = np.zeros(len(fine))
        for axis in range(1, grid.ndim):
            bend = np.abs(np.diff(grid, n=2, axis=axis)).reshape(len(fine), -1)
            parts["cell"] += np.sum(bend, axis=1) / 24
        return {**parts, "tail": 2 * self.tail}

    def distribution_error(self, i: int) -> float:
        """Return half the L1 error of the finest run."""
        _only_on_the_line(self.best)
        return 0.5 * sum(float(part[i]) for part in self.l1_differences().values())

    def pointwise_error(self, x: Array, i: int) -> Array:
        """Return unknown: a table of functionals has no extrapolated density."""
        return np.full(np.shape(x), np.inf)


READINGS: dict[str, Any] = {
    reading.kind: reading for reading in (GridReading, CharacteristicReading, TableReading)
}
