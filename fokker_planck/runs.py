"""Numerical runs, the protocol of reading functionals off them, and the parts of error they share.

``readings`` has the three ways of reading, one per kind of method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from fokker_planck.density import Density, PlaneDensity
from fokker_planck.functionals import Functional, Snapshot, weighted

Array = NDArray[np.float64]
Budget = dict[str, Array]
#: (skip, first) of the nodes that a strided sum takes
Strides = tuple[tuple[int, int], ...]
EPS = float(np.finfo(float).eps)
#: an integrand that grows more than this over a box length is not polynomial
MOST_GROWTH = 1e3
#: how far beyond the ends that is checked, in box lengths
REACHES = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Run:
    """One numerical solution at the output times.

    Parameters
    ----------
    taus : ndarray, shape (m,)
    points : ndarray, shape (m, n) or (m, n, d)
        Nodes at each time (a moving grid, or characteristics).
    mass : ndarray, shape (m, n)
        Probability of each node; on a grid the density times the cell length.
    log_density : ndarray, shape (m, n)
        log p at the nodes; on a grid log|p|.
    shape : tuple of int, optional
        In dimension d > 1 the shape of the tensor grid whose nodes these are, in C order.
    """

    taus: Array
    points: Array
    mass: Array
    log_density: Array
    shape: tuple[int, ...] | None = None

    def snapshot(self, i: int) -> Snapshot:
        """Return the run at output time ``i``."""
        return Snapshot(
            self.points[i], self.mass[i], self.log_density[i], float(self.taus[i]), self.shape
        )

    def values(self, functional: Functional) -> Array:
        """Return the functional at every output time."""
        return np.array([functional.value(self.snapshot(i)) for i in range(self.taus.size)])


def grid_run(
    taus: Array, points: Array, density: Array, cells: Array, shape: tuple[int, ...] | None = None
) -> Run:
    """Return the run of a grid method: ``density`` and cell sizes of shape (m, n)."""
    # an underflow to zero is not a log-density of -inf: companions may differ there
    log_density = np.log(np.maximum(np.abs(density), np.finfo(float).tiny))
    return Run(taus, points, density * cells, log_density, shape)


class Reading(Protocol):
    """How a method's runs become a value and an error budget."""

    kind: ClassVar[str]

    @property
    def best(self) -> Run:
        """The run that densities are shown from."""

    def read(self, functional: Functional) -> tuple[Array, Budget]:
        """Return values and error budget, each of shape (m,)."""

    def density(self, i: int) -> Density | PlaneDensity:
        """Return the density at output time ``i``."""

    def l1_differences(self) -> Budget:
        """Return the L1 error estimate of the density itself, by part."""

    def distribution_error(self, i: int) -> float:
        """Return the error of the distribution function at the nodes, uniform over them."""

    def pointwise_error(self, x: Array, i: int) -> Array:
        """Return the error of the log-density at points, at output time ``i``."""


def every(snap: Snapshot, skip: int, first: int) -> Snapshot:
    """Return every ``skip``-th node from ``first`` on, along each axis of the grid.

    Each stands for the ``skip**d`` nodes around it and has as many times its mass.
    """
    if snap.shape is None:
        part = slice(first, None, skip)
        return Snapshot(snap.points[part], skip * snap.mass[part], snap.log_density[part], snap.tau)
    parts = (slice(first, None, skip),) * len(snap.shape)
    mass = snap.mass.reshape(snap.shape)[parts]
    return Snapshot(
        snap.points.reshape(*snap.shape, -1)[parts].reshape(mass.size, -1),
        skip ** len(snap.shape) * mass.ravel(),
        snap.log_density.reshape(snap.shape)[parts].ravel(),
        snap.tau,
        mass.shape,
    )


def sampled(functional: Functional, snap: Snapshot, strides: Strides) -> tuple[float, Array, Array]:
    """Return a functional's value and influence, and its values on strided nodes.

    What is averaged is computed once, whatever the number of strides.
    """
    if functional.average is None:
        parts = [functional.value(every(snap, skip, first)) for skip, first in strides]
        return functional.value(snap), functional.influence(snap), np.array(parts)
    f = functional.average(snap)
    value = weighted(snap.mass, f)
    products = (snap.mass * f).reshape(snap.grid)
    if not np.isfinite(value):
        products = np.where(snap.mass == 0, 0.0, snap.mass * f).reshape(snap.grid)
    d = products.ndim
    parts = [
        skip**d * float(np.sum(products[(slice(first, None, skip),) * d]))
        for skip, first in strides
    ]
    return value, f - value, np.array(parts)


def outermost(snap: Snapshot) -> NDArray[np.intp]:
    """Return the indices of the nodes at the edge: of the grid, or of the mass in dimension one."""
    if snap.shape is None:
        used = np.flatnonzero(snap.mass)
        return used[[0, -1]] if used.size else np.array([0, snap.mass.size - 1])
    inner = np.zeros(snap.shape, dtype=bool)
    inner[(slice(1, -1),) * len(snap.shape)] = True
    return np.flatnonzero(~inner.ravel())


def unresolved(functional: Functional, snap: Snapshot) -> float:
    """Return 0, or inf where the nodes cannot tell the functional.

    That is where its own scale is finer than theirs, and where no node sees it at all: an
    integrand that is zero at every node is unknown, not zero.
    """
    if functional.gaps is not None:
        return float("inf") if any(True for _ in functional.gaps(snap)) else 0.0
    if functional.integrand is not None:
        f = functional.integrand(snap.points, snap.log_density, snap.tau)
        if not np.any(f):
            return float("inf")
    return 0.0


def lost_tail(functional: Functional, snap: Snapshot, tail: float, influence: Array) -> float:
    """Return what a probability ``tail`` somewhere beyond the nodes may add to a functional.

    Twice the tail times the largest influence within a box length beyond the ends; inf if the
    integrand grows so fast there that the tail's shape, not its size, would decide. ``influence``
    is that of the functional at the nodes.
    """
    if tail <= 0:
        return 0.0
    if functional.bound is not None:
        return 2 * tail * functional.bound
    ends = edge(influence, outermost(snap))
    if functional.integrand is None:
        return 2 * tail * ends
    last = snap.points[outermost(snap)]
    centre = 0.5 * (last.min(axis=0) + last.max(axis=0))
    far = np.concatenate([centre + (1 + 2 * reach) * (last - centre) for reach in REACHES])
    with np.errstate(all="ignore"):
        grown = np.abs(functional.integrand(far, np.full(len(far), -700.0), snap.tau))
        inside = np.abs(functional.integrand(snap.points, snap.log_density, snap.tau))
    largest = float(np.max(inside[snap.mass != 0]))
    if not np.all(np.isfinite(grown)) or grown.max() > MOST_GROWTH * (largest + 1e-300):
        return float("inf")
    return 2 * tail * max(ends, float(grown.max()))


def edge(influence: Array, ends: NDArray[np.intp]) -> float:
    """Return the largest absolute value of an influence function at the outermost nodes.

    Over all nodes if it is not finite there, inf if it is finite nowhere.
    """
    size = np.abs(influence)
    for where in (size[ends], size[np.isfinite(size)]):
        if where.size and np.all(np.isfinite(where)):
            return float(where.max())
    return float("inf")


@dataclass(frozen=True)
class FarTail:
    """Points beyond both ends of a box, and the log of the probability beyond each, (m, 2, J)."""

    points: Array
    log_beyond: Array

    def charge(self, functional: Functional, i: int, tau: float) -> float:
        """Return a bound on what lies outside: shell by shell, the larger value at its two ends."""
        assert functional.integrand is not None
        total = 0.0
        for side in (0, 1):
            x, log_p = self.points[i, side], self.log_beyond[i, side]
            with np.errstate(all="ignore"):
                f = np.abs(functional.integrand(x, np.full(x.size, -700.0), tau))
                terms = log_p[:-1] + np.log(np.maximum(f[1:], f[:-1]))
            terms = np.where(np.isneginf(log_p[:-1]), -np.inf, terms)
            with np.errstate(over="ignore"):
                total += float(np.sum(np.exp(np.where(np.isnan(terms), np.inf, terms))))
        return total
