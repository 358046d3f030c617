"""How values and error budgets are read off characteristics (docs/theory.md, N4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from fokker_planck.density import Density, PlaneDensity
from fokker_planck.functionals import Functional, Snapshot
from fokker_planck.runs import EPS, Budget, Run, lost_tail, sampled, unresolved

Array = NDArray[np.float64]
#: the contraction of an eighth-order error when every step is halved
LEAST_RATIO = 2.0**-8
#: a ratio above this is no convergence
LARGEST_RATIO = 0.9
#: a feature this many times finer than what nodes must resolve still shows at their highest
#: frequency: a logistic curve by a hundredth, a Gaussian by a quarter
SLACK = 2.0
#: how often nodes are interpolated, and up to how many
LEVELS, MOST_BETWEEN = 8, 1 << 15


def remaining_share(last: float, previous: float) -> float:
    """Return the error left after a halving, as a share of what that halving changed (N4d).

    With the ratio q of the last change to the one before, changes that keep shrinking by q add
    up to q/(1 - q) of the last. No ratio below that of the order is believed, and the share
    counts four times where q is small, twice where it is not.
    """
    if last == 0:
        return 0.0
    if not (np.isfinite(last) and np.isfinite(previous)):
        return 1.0
    q = float(np.clip(last / previous if previous > 0 else np.inf, LEAST_RATIO, LARGEST_RATIO))
    return 4 * q if q <= 0.5 else 2 * q / (1 - q)


def aliased(products: Array) -> Array:
    """Return what a trapezoid rule of twice the spacing along each axis would add, shape (d,).

    ``products`` are the summands on a tensor grid. The part of their spectrum at the highest
    frequency that the nodes carry is what every other node would turn into a mean; one frequency
    lower its size does not depend on where the nodes lie (N4c).
    """
    out = np.zeros(products.ndim)
    for axis in range(products.ndim):
        others = tuple(k for k in range(products.ndim) if k != axis)
        line = products.sum(axis=others)
        j = np.arange(line.size)
        signs = 1.0 - 2.0 * (j % 2)
        wave = np.exp(1j * np.pi * (1 - 1 / line.size) * j)
        out[axis] = max(abs(float(signs @ line)), abs(complex(wave @ line)))
        if others:
            # ridges across the axes: both frequencies highest at once
            mixed = products
            for k in range(products.ndim):
                shape = [1] * products.ndim
                shape[k] = -1
                mixed = mixed * (1.0 - 2.0 * (np.arange(products.shape[k]) % 2)).reshape(shape)
            out[axis] = max(out[axis], abs(float(mixed.sum())))
    return out


def between(snap: Snapshot) -> Snapshot:
    """Return a snapshot with twice as many nodes along each axis, by interpolation in the start.

    Points, logarithm of the mass and log-density are smooth functions of the starting node,
    also where they are dense in one place and sparse in another.
    """
    columns = [snap.points.reshape(snap.mass.size, -1), snap.log_density[:, None]]
    with np.errstate(divide="ignore"):
        columns.append(np.log(np.maximum(snap.mass, np.finfo(float).tiny))[:, None])
    values = np.concatenate(columns, axis=1).reshape(*snap.grid, -1)
    for axis, n in enumerate(snap.grid):
        curve = make_interp_spline(np.arange(n), values, k=min(7, n - 1 - n % 2), axis=axis)
        values = curve(0.5 * np.arange(2 * n - 1))
    shape = values.shape[:-1]
    values = values.reshape(-1, values.shape[-1])
    points = values[:, 0] if snap.shape is None else values[:, :-2]
    mass = np.exp(values[:, -1]) * 0.5 ** len(shape)
    return Snapshot(points, mass, values[:, -2], snap.tau, None if snap.shape is None else shape)


def unseen(functional: Functional, snap: Snapshot, value: float) -> float:
    """Return what features between the nodes may change, where the nodes may not see them.

    Carried nodes may be interpolated to lie closer; then the functional is taken again.
    """
    if functional.gaps is None or functional.integrand is None:
        return unresolved(functional, snap)
    best = hidden(functional, snap)
    for _ in range(LEVELS):
        if best <= EPS or snap.mass.size * 2 ** len(snap.grid) > MOST_BETWEEN:
            break
        snap = between(snap)
        changed = abs(functional.value(snap) - value)
        best = min(best, hidden(functional, snap) + changed)
    return best


def hidden(functional: Functional, snap: Snapshot) -> float:
    """Return what an integrand does between nodes too far apart that its values there do not show.

    That is how far it leaves the range of the two values, in the middle or at the point nearest
    to a component, beyond what the second differences at the nodes suggest; times probability.
    A step from one value to the other is seen by the nodes, and counts in the quadrature error.
    """
    assert functional.gaps is not None and functional.integrand is not None
    gaps = list(functional.gaps(snap, SLACK))
    if not gaps:
        return 0.0
    with np.errstate(all="ignore"):
        f = functional.integrand(snap.points, snap.log_density, snap.tau)
    grid, total = f.reshape(snap.grid), 0.0
    points = snap.points.reshape(snap.mass.size, -1)
    for axis, one, two, nearest in gaps:
        bend = np.zeros_like(grid)
        inner = tuple(slice(1, -1) if k == axis else slice(None) for k in range(grid.ndim))
        bend[inner] = np.abs(np.diff(grid, n=2, axis=axis))
        bend = bend.ravel()
        places = np.stack([0.5 * (points[one] + points[two]), nearest])
        places = places if snap.shape is not None else places[..., 0]
        with np.errstate(all="ignore"):
            there = functional.integrand(places, np.full(places.shape[:2], -700.0), snap.tau)
            low, high = np.minimum(f[one], f[two]), np.maximum(f[one], f[two])
            outside = np.maximum(low - there.min(axis=0), there.max(axis=0) - high)
            outside = np.maximum(outside - np.maximum(bend[one], bend[two]), 0.0)
            total += float(np.sum(np.maximum(snap.mass[one], snap.mass[two]) * outside))
    return total if np.isfinite(total) else float("inf")


def log_slope(snap: Snapshot) -> Array:
    """Return |grad log p| at the nodes, by differences along the grid."""
    if snap.shape is None:
        if snap.points.size <= 2:
            return np.zeros_like(snap.points)
        slope = np.abs(np.gradient(snap.log_density, snap.points))
        return np.where(np.isfinite(slope), slope, 0.0)
    points = snap.points.reshape(*snap.shape, -1)
    axes = tuple(range(len(snap.shape)))
    log_p = snap.log_density.reshape(snap.shape)
    jacobian = np.stack([np.gradient(points, axis=axis) for axis in axes], axis=-2)
    rise = np.stack([np.gradient(log_p, axis=axis) for axis in axes], axis=-1)
    size = np.linalg.norm(np.linalg.solve(jacobian, rise[..., None])[..., 0], axis=-1)
    return np.asarray(np.where(np.isfinite(size), size, 0.0).ravel())


@dataclass(frozen=True)
class CharacteristicReading:
    """Characteristics: nodes of a trapezoid rule over the start, carried along paths.

    The same nodes are carried on three meshes, each with every step of the one before halved.
    What the last halving changed is summed node by node, so that it cannot cancel; how much of
    it is left follows from how it compares with the halving before. The quadrature error is that
    of the rule with twice the spacing.

    Parameters
    ----------
    best, coarse_time, coarsest_time : Run
        The same starting nodes on a mesh, and on those of half and a quarter as many steps.
    start_distribution : ndarray, shape (n,)
        Distribution function of the start at the nodes: carried unchanged (one dimension).
    lost : float
        Probability of the start beyond the outermost nodes.
    drift_error : ndarray, shape (m, n)
        Error of the carried log-density from a differenced divergence; zero where it is exact.
    steps : int
        Steps of the integrator: each may add a rounding.
    """

    best: Run
    coarse_time: Run
    coarsest_time: Run
    start_distribution: Array
    lost: float
    drift_error: Array
    steps: int
    kind: ClassVar[str] = "characteristics"
    #: what was read before
    known: dict[Functional, tuple[Array, Budget]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def read(self, functional: Functional) -> tuple[Array, Budget]:
        """Return values and error budget."""
        if functional not in self.known:
            self.known[functional] = self._read(functional)
        values, budget = self.known[functional]
        return values.copy(), {name: part.copy() for name, part in budget.items()}

    def _read(self, functional: Functional) -> tuple[Array, Budget]:
        m = self.best.taus.size
        values = np.zeros(m)
        budget: Budget = {
            name: np.zeros(m) for name in ("time", "quadrature", "tail", "divergence", "rounding")
        }
        for i in range(m):
            fine = self.best.snapshot(i)
            values[i], w, _ = sampled(functional, fine, ())
            last, previous = self.changes(functional, i, values[i] + w)
            budget["time"][i] = last * remaining_share(last, previous)
            budget["quadrature"][i] = self.quadrature(functional, fine, values[i], w).sum()
            budget["quadrature"][i] += unseen(functional, fine, values[i])
            budget["tail"][i] = lost_tail(functional, fine, self.lost, w)
            if functional.name == "entropy" or "log" in functional.name:
                budget["divergence"][i] = np.sum(fine.mass * self.drift_error[i])
            budget["rounding"][i] = self.rounding(fine, values[i], w)
        return values, budget

    def changes(self, functional: Functional, i: int, averaged: Array) -> tuple[float, float]:
        """Return the mean absolute changes, node by node, by the last halving and the one before.

        ``averaged`` is what the functional averages, at the nodes of the best run.
        """
        found = [averaged]
        for run in (self.coarse_time, self.coarsest_time):
            value, w, _ = sampled(functional, run.snapshot(i), ())
            found.append(value + w)
        with np.errstate(invalid="ignore"):
            last, previous = np.abs(found[0] - found[1]), np.abs(found[1] - found[2])
        # two infinite numbers do not agree
        mass = self.best.mass[i]
        last, previous = (np.where(np.isnan(gap), np.inf, gap) for gap in (last, previous))
        return float(np.sum(mass * last)), float(np.sum(mass * previous))

    def rounding(self, snap: Snapshot, value: float, w: Array) -> float:
        """Return what the roundings of the steps and of a sum over the nodes may add up to."""
        scale = float(np.sum(snap.mass * np.abs(w))) + abs(value)
        return (64 + 4 * self.steps) * EPS * scale

    def quadrature(self, functional: Functional, snap: Snapshot, value: float, w: Array) -> Array:
        """Return the quadrature error along each axis, shape (d,)."""
        used = np.where(snap.mass == 0, 0.0, w)
        out = aliased((snap.mass * used).reshape(snap.grid))
        # the rule's own error of the total mass counts with the constant that w lacks
        return out + abs(float(snap.mass.sum()) - 1 + self.lost) * abs(value)

    def density(self, i: int) -> Density | PlaneDensity:
        """Return the density at the nodes of the start, carried to output time ``i``."""
        x, log_p, mass = (a[i] for a in (self.best.points, self.best.log_density, self.best.mass))
        if self.best.shape is not None:
            return PlaneDensity(x, np.exp(log_p), mass, self.best.shape, log_p, affine=False)
        return Density(x, np.exp(log_p), mass, log_p, self.start_distribution)

    def _gaps(self, i: int) -> tuple[Array, Array]:
        """Return how far the last halving moved the points, and by how much log p changed."""
        move = self.best.points[i] - self.coarse_time.points[i]
        move = np.abs(move) if move.ndim == 1 else np.linalg.norm(move, axis=1)
        return move, np.abs(self.best.log_density[i] - self.coarse_time.log_density[i])

    def l1_differences(self) -> Budget:
        """Return the L1 distance to the run of half as many steps, node by node, and the tail.

        A node that moved by delta with relative density change rho moves at most
        |rho| + |delta| |grad p|/p of its mass.
        """
        out = np.zeros(self.best.taus.size)
        for i in range(out.size):
            snap = self.best.snapshot(i)
            move, change = self._gaps(i)
            out[i] = np.sum(snap.mass * (move * log_slope(snap) + change + self.drift_error[i]))
        return {"time": out, "tail": np.full(out.size, 2 * self.lost)}

    def distribution_error(self, i: int) -> float:
        """Return what the nodes moved by, times the density; their own value is the start's.

        Raises
        ------
        ValueError
            In the plane.
        """
        if self.best.shape is not None:
            raise ValueError("a distribution function needs dimension 1; use a marginal")
        drift = self._gaps(i)[0] * np.exp(self.best.log_density[i])
        return float(drift.max() + 2 * self.lost + 64 * EPS)

    def pointwise_error(self, x: Array, i: int) -> Array:
        """Return unknown: densities at points come from backward characteristics."""
        return np.full(np.shape(x)[: 1 if self.best.shape is None else -1], np.inf)
