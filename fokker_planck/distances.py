r"""Distances between two solutions, with errors that cover both (docs/theory.md, N9).

.. math:: TV = \tfrac12\int |p - q|, \qquad KL = \int p \log\frac pq, \qquad
          W_r = \Big(\int_0^1 |F_p^{-1} - F_q^{-1}|^r\,du\Big)^{1/r}.

Total variation and divergence are summed over the nodes of one of the two laws, at which the
density of the other is evaluated: no common grid, so thin laws and moving boxes do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.carried import Carrier
from fokker_planck.characteristic_reading import CharacteristicReading, log_slope
from fokker_planck.density import Density, PlaneDensity
from fokker_planck.estimate import Estimate
from fokker_planck.extrapolation import LEAST_GAIN, spline_share
from fokker_planck.functionals import NEGLIGIBLE, Functional, Snapshot
from fokker_planck.model.checks import shown
from fokker_planck.positive_part import positive_part
from fokker_planck.quantiles import curves_of, quantile_distance, step_distance
from fokker_planck.readings import GridReading, TableReading
from fokker_planck.runs import EPS, Run
from fokker_planck.solution import Solution

Array = NDArray[np.float64]
#: a grid in the plane is refined to about so many nodes along each axis
NODES = 400
#: nodes of characteristics in the plane that a distance is summed over
CARRIED = 40_000
#: points of a ray on which the last resolved one is looked for
RAY = 65


def total_variation(a: Solution, b: Solution, i: int = -1, j: int = -1) -> Estimate:
    r"""Return the total variation distance :math:`\frac12\int|p_a - p_b|`.

    Parameters
    ----------
    a, b : Solution
        Of one dimension.
    i, j : int
        Indices of the output times of a and of b.

    Raises
    ------
    ValueError
        If the dimensions differ, or neither law can be evaluated at the nodes of the other.
    """
    first, second = _pair(a, b, i, j)
    if _identical(first, second):
        return Estimate(0.0, 0.0)
    # the nodes of characteristics lie where the mass is; else those of the first law
    if second.carried and not first.carried:
        first, second = second, first
    nodes = first.nodes()
    q, q_error = second.pdf(nodes.points)
    gap = (nodes.cells * (nodes.values - q)).reshape(nodes.shape)
    value, quadrature = positive_part(gap)
    # where q is the larger beyond its error, that error does no harm
    harm = np.where(nodes.values > q, q_error, np.clip(nodes.values - q + q_error, 0.0, q_error))
    error = float(np.sum(nodes.cells * (harm + nodes.error)))
    masses = [law.snap.mass.sum() for law in (first, second)]
    error += 0.5 * (first.l1_error + second.l1_error) + 64 * EPS
    error += 0.5 * sum(abs(float(mass) - 1) for mass in masses) + quadrature
    return Estimate(value - 0.5 * float(masses[0] - masses[1]), error)


def kl_divergence(a: Solution, b: Solution, i: int = -1, j: int = -1) -> Estimate:
    r"""Return the Kullback-Leibler divergence :math:`\int p_a\log(p_a/p_b)`, in nats.

    Where a has mass and the density of b is below what its runs resolve, log p_b is continued as a
    parabola along the ray from the mean of b, and all that it falls by beyond the last resolved
    point counts as its error. Farther out than twice that point nothing is claimed: the error is
    inf.

    Parameters
    ----------
    a, b : Solution
        Of one dimension.
    i, j : int
        Indices of the output times of a and of b.

    Raises
    ------
    ValueError
        If the dimensions differ, or b cannot be evaluated at the nodes of a.
    """
    first, second = _pair(a, b, i, j)
    if _identical(first, second):
        return Estimate(0.0, 0.0)
    errors: list[tuple[Array, Array]] = []
    far: list[NDArray[np.bool_]] = []

    def ratio(run: Run) -> Run:
        """Return a run at one time with log p_a - log p_b in place of the log-density."""
        snap = run.snapshot(first.index)
        used = np.abs(snap.mass) > NEGLIGIBLE
        log_q, error = np.zeros(snap.mass.size), np.zeros(snap.mass.size)
        beyond = np.zeros(snap.mass.size, dtype=bool)
        log_q[used], error[used], beyond[used] = second.log_pdf(snap.points[used])
        far.append(beyond)
        logs = np.where(used, snap.log_density - log_q, 0.0)
        errors.append((np.abs(snap.mass), error))
        return Run(np.array([snap.tau]), snap.points[None], snap.mass[None], logs[None], snap.shape)

    values, budget = _with_runs(first, ratio).read(DIVERGENCE)
    mass, error = errors[0]
    unknown = float(np.sum(np.where(error == 0, 0.0, mass * error)))
    # so far out that not even the size of the fall is known: no harm if a itself has no mass there
    if np.sum(mass[far[0]]) > first.l1_error:
        unknown = np.inf
    # masses below NEGLIGIBLE were left out
    parts = sum(float(part[0]) for part in budget.values()) + mass.size * NEGLIGIBLE * 1e3
    return Estimate(values[0], parts + unknown)


def wasserstein(a: Solution, b: Solution, order: int = 1, i: int = -1, j: int = -1) -> Estimate:
    r"""Return the Wasserstein distance of order 1 or 2, on the line.

    Parameters
    ----------
    a, b : Solution
        One-dimensional.
    order : {1, 2}
    i, j : int
        Indices of the output times of a and of b.

    Raises
    ------
    ValueError
        If a solution is not one-dimensional, or for another order.
    """
    first, second = _pair(a, b, i, j)
    if a.dimension != 1:
        raise ValueError(f"wasserstein needs dimension 1, got dimension {a.dimension}")
    if order not in (1, 2) or isinstance(order, bool):
        raise ValueError(f"order must be 1 or 2, got {shown(order)}")
    if _identical(first, second):
        return Estimate(0.0, 0.0)
    laws = [curves_of(law.solution.reading, law.index) for law in (first, second)]
    distance = step_distance if order == 1 else quantile_distance
    return distance(*laws)


DIVERGENCE = Functional(
    "log ratio",
    lambda s: float(np.sum(s.mass * s.log_density)),
    lambda s: s.log_density - float(np.sum(s.mass * s.log_density)),
)


def _with_runs(law: _Law, change: Any) -> Any:
    """Return the reading of a law at its one time, its runs changed."""
    reading, i = law.solution.reading, law.index
    if isinstance(reading, GridReading):
        return GridReading(
            change(reading.best),
            {name: masses[i : i + 1] for name, masses in reading.companions.items()},
            reading.tail[i : i + 1],
        )
    if isinstance(reading, CharacteristicReading):
        return replace(
            reading,
            best=change(reading.best),
            coarse_time=change(reading.coarse_time),
            coarsest_time=change(reading.coarsest_time),
            drift_error=reading.drift_error[i : i + 1],
        )
    assert isinstance(reading, TableReading)
    # the finest run comes first: its errors are what counts
    rows = [[change(run) for run in reversed(row)] for row in reversed(reading.runs)]
    runs = [list(reversed(row)) for row in reversed(rows)]
    return TableReading(runs, reading.tail[i : i + 1], reading.ratios)


# -- one law of the two ------------------------------------------------------------------------
@dataclass(frozen=True)
class _Nodes:
    """Nodes of a law: points, density there and its interpolation error, and sizes of cells."""

    points: Array
    values: Array
    error: Array
    cells: Array
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Law:
    """A solution at one output time."""

    solution: Solution
    index: int

    @property
    def snap(self) -> Snapshot:
        """The best run at that time."""
        return self.solution.reading.best.snapshot(self.index)

    @property
    def carried(self) -> bool:
        """Whether the nodes are those of characteristics."""
        return isinstance(self.solution.reading, CharacteristicReading)

    @property
    def l1_error(self) -> float:
        """Estimated L1 error of the density."""
        parts = self.solution.reading.l1_differences().values()
        return float(sum(part[self.index] for part in parts))

    @property
    def density(self) -> Density | PlaneDensity:
        """The density at that time."""
        return self.solution.reading.density(self.index)

    def nodes(self) -> _Nodes:
        """Return nodes to sum over: its own, closer ones on a grid in the plane."""
        snap, density = self.snap, self.density
        if self.carried and self.solution.process is not None and snap.shape is not None:
            return self._closer_nodes()
        if self.carried or isinstance(density, Density):
            cells = np.abs(snap.mass) / np.exp(snap.log_density)
            values = density.values
            return _Nodes(snap.points, values, np.zeros_like(values), cells, snap.grid)
        factor = max(1, round(NODES / max(density.shape)))
        index = [np.arange((n - 1) * factor + 1) / factor for n in density.shape]
        grid = np.stack(np.meshgrid(*index, indexing="ij"))
        corner, steps = _affine(density)
        points = corner + np.moveaxis(grid, 0, -1) @ steps.T
        points = points.reshape(-1, 2)
        cell = abs(float(np.linalg.det(steps))) / factor**2
        values, error = self.pdf(points)
        return _Nodes(points, values, error, np.full(values.size, cell), grid.shape[1:])

    def _closer_nodes(self) -> _Nodes:
        """Return nodes of characteristics closer together than functionals need."""
        reading, process = self.solution.reading, self.solution.process
        assert isinstance(reading, CharacteristicReading) and process is not None
        carrier = Carrier(process, reading, self.index)
        factor = min(1.0, float(np.sqrt(carrier.size(1.0) / CARRIED)))
        fine, coarse = (carrier.run(factor, mesh).snapshot(0) for mesh in (0, 1))
        values = np.exp(fine.log_density)
        # what halving the steps changes: the density carried, and how far its nodes move
        move = np.linalg.norm(fine.points - coarse.points, axis=1) * log_slope(fine)
        change = np.abs(fine.log_density - coarse.log_density) + move
        cells = fine.mass / values
        return _Nodes(fine.points, values, values * change, cells, fine.grid)

    def pdf(self, x: Array) -> tuple[Array, Array]:
        """Return the density at points, and the error of evaluating it there.

        That is the error of the interpolation: what every other node would give.
        """
        if self.carried and (self.solution.process is not None or x.ndim > 1):
            log_p, error = self.solution.log_density(x, self.index)
            p = np.exp(log_p)
            return p, p * np.expm1(np.minimum(error, 700.0))
        levels = self._levels(x)
        last, previous = (np.abs(levels[k] - levels[k + 1]) for k in (0, 1))
        # of what the last halving changed the share that is left, judged over all points (N4d)
        share = spline_share(float(last.sum()), float(previous.sum()))
        return levels[0], share * np.maximum(last, previous / LEAST_GAIN)

    def _levels(self, x: Array) -> list[Array]:
        """Return the density at points from nodes of three spacings, the closest first."""
        density = self.density
        if isinstance(density, PlaneDensity):
            halved = density.halved()
            return [density.pdf(x), density.pdf(x, closer=False), halved.pdf(x, closer=False)]
        return [_thinned(density, skip).pdf(x) for skip in (1, 2, 4)]

    def log_pdf(self, x: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return the log-density and its error, continued outwards where it is not resolved.

        And whether a point is more than twice as far out as what is resolved.
        """
        log_p, error = self._resolved(x)
        lost, far = ~np.isfinite(error), np.zeros(len(x), dtype=bool)
        if np.any(lost):
            log_p[lost], error[lost], far[lost] = self._continued(x[lost])
        return log_p, error, far

    def _resolved(self, x: Array) -> tuple[Array, Array]:
        """Return the log-density and its error, inf where it is not resolved."""
        carried = self.carried and self.solution.process is None
        if not carried and not isinstance(self.solution.reading, TableReading):
            return self.solution.log_density(x, self.index)
        # such a density is known in L1 only, and through its interpolation
        p, error = self.pdf(x)
        error = error + self.l1_error * float(np.max(self.density.values))
        p = np.maximum(p, np.finfo(float).tiny)
        return np.log(p), np.where(error < 0.25 * p, 2 * error / p, np.inf)

    def _continued(self, x: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return the log-density continued from the last resolved point of a ray, and its fall."""
        centre = self.snap.mass @ self.snap.points / self.snap.mass.sum()
        share = np.linspace(0, 1, RAY)
        rays = centre + np.multiply.outer(share, x - centre)
        logs, error = self._resolved(rays.reshape(-1, *x.shape[1:]))
        logs, error = logs.reshape(RAY, -1), error.reshape(RAY, -1)
        resolved = np.isfinite(error)
        last = np.where(resolved.all(axis=0), RAY - 1, np.argmin(resolved, axis=0) - 1)
        far = last < RAY // 2
        last = np.maximum(last, 2)
        columns = np.arange(len(x))
        here, before, earlier = (logs[last - k, columns] for k in range(3))
        slope = np.minimum(0.5 * (3 * here - 4 * before + earlier), 0.0)
        bend = np.minimum(here - 2 * before + earlier, 0.0)
        left = RAY - 1 - last
        fall = slope * left + 0.5 * bend * left**2
        own = np.where(np.isfinite(error[last, columns]), error[last, columns], 0.0)
        return here + fall, np.abs(fall) + own, far


def _affine(density: PlaneDensity) -> tuple[Array, Array]:
    """Return the first node of a grid and, as columns, its steps."""
    points, _ = density.grid()
    steps = np.stack([points[1, 0] - points[0, 0], points[0, 1] - points[0, 0]], axis=1)
    return points[0, 0], steps


def _thinned(density: Density, skip: int) -> Density:
    """Return a density on every ``skip``-th of its nodes, known down to rounding."""
    points, values, mass, logs = (
        part[::skip] for part in (density.points, density.values, density.mass, density.log_values)
    )
    return Density(points, values, skip * mass, logs)


def _pair(a: Solution, b: Solution, i: int, j: int) -> tuple[_Law, _Law]:
    for name, solution in (("a", a), ("b", b)):
        if not isinstance(solution, Solution):
            raise ValueError(f"{name} must be a Solution, got {shown(solution)}")
    if a.dimension != b.dimension:
        raise ValueError(f"b must have dimension {a.dimension}, got dimension {b.dimension}")
    for name, index, solution in (("i", i, a), ("j", j, b)):
        if not -len(solution) <= index < len(solution):
            raise ValueError(f"{name} must be an index of {len(solution)} times, got {index}")
    return _Law(a, range(len(a))[i]), _Law(b, range(len(b))[j])


def _identical(first: _Law, second: _Law) -> bool:
    return first.solution is second.solution and first.index == second.index
