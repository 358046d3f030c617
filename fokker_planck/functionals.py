"""Functionals of a density, and their influence functions (docs/theory.md, N1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.resolution import NEGLIGIBLE as NEGLIGIBLE
from fokker_planck.resolution import Gap, classifier_gaps

Array = NDArray[np.float64]
#: f(points, log_density, tau) -> values at the points
Integrand = Callable[[Array, Array, float], Array]


@dataclass(frozen=True)
class Snapshot:
    """One time of one run: points, the probability at each, and the log-density there.

    Points have shape (n,) in dimension one, else (n, d): a tensor grid of the given ``shape``,
    flattened in C order.
    """

    points: Array
    mass: Array
    log_density: Array
    tau: float
    shape: tuple[int, ...] | None = None

    @property
    def grid(self) -> tuple[int, ...]:
        """The tensor shape of the nodes; (n,) in dimension one."""
        return self.shape if self.shape is not None else (self.mass.size,)

    def along(self, axis: int) -> Array:
        """Return one coordinate of all points, shape (n,)."""
        return self.points if self.points.ndim == 1 else self.points[:, axis]


@dataclass(frozen=True)
class Functional:
    """A functional of a density, linear in it up to the listed exceptions.

    ``value`` maps a snapshot to a number; ``influence`` gives the function w for which, to first
    order, f(p) - f(q) = integral (p - q) (w - c) for every constant c when the masses agree.
    """

    name: str
    value: Callable[[Snapshot], float]
    influence: Callable[[Snapshot], Array]
    #: what is averaged: value = sum of mass times it (the entropy too, whose average moves along)
    average: Callable[[Snapshot], Array] | None = None
    #: for a linear functional, the same as a function of points, log-density and tau
    integrand: Integrand | None = None
    #: neighbouring nodes of a snapshot that are too far apart for what is averaged
    gaps: Callable[..., Iterator[Gap]] | None = None
    #: a bound on the absolute value of what is averaged, where one is known
    bound: float | None = None


def expectation(
    name: str,
    integrand: Integrand,
    gaps: Callable[..., Iterator[Gap]] | None = None,
    bound: float | None = None,
) -> Functional:
    """Return the functional E f, f a function of points, log-density and tau."""

    def average(s: Snapshot) -> Array:
        return integrand(s.points, s.log_density, s.tau)

    return _average(name, average, integrand, gaps, bound)


def weighted(mass: Array, f: Array) -> float:
    """Return the sum of mass times f: an empty node does not turn an infinite f into nan."""
    total = float(np.sum(mass * f))
    if np.isfinite(total):
        return total
    return float(np.sum(np.where(mass == 0, 0.0, mass * np.where(mass == 0, 0.0, f))))


def _average(name: str, average: Callable[[Snapshot], Array], *rest: Any) -> Functional:
    """Return the functional E f for f given at the nodes."""

    def value(s: Snapshot) -> float:
        return weighted(s.mass, average(s))

    def influence(s: Snapshot) -> Array:
        f = average(s)
        return f - weighted(s.mass, f)

    return Functional(name, value, influence, average, *rest)


MASS = Functional("mass", lambda s: float(s.mass.sum()), lambda s: np.ones_like(s.mass))


def mean_along(axis: int) -> Functional:
    """Return the functional E x_axis, in any dimension."""
    return expectation("mean", lambda x, log_p, tau: x if x.ndim == 1 else x[..., axis])


def covariance_along(first: int, second: int) -> Functional:
    """Return the functional Cov(x_first, x_second), in any dimension."""

    def product(s: Snapshot) -> Array:
        a, b = s.along(first), s.along(second)
        return (a - float(np.sum(s.mass * a))) * (b - float(np.sum(s.mass * b)))

    def value(s: Snapshot) -> float:
        return float(np.sum(s.mass * product(s)))

    return Functional("covariance", value, lambda s: product(s) - value(s))


MEAN, VARIANCE = mean_along(0), covariance_along(0, 0)
ENTROPY = _average("entropy", lambda s: -s.log_density)


def posterior_mass(process: Any) -> Functional:
    """Return E P_t(y|x), the confidence."""
    return expectation(
        "posterior_mass",
        lambda x, log_p, tau: np.exp(process.log_posterior(x, tau)),
        classifier_gaps(process),
        bound=1.0,
    )


def complement_mass(process: Any) -> Functional:
    """Return E[1 - P_t(y|x)], accurate where the confidence rounds to 1."""
    return expectation(
        "complement_mass",
        lambda x, log_p, tau: np.exp(process.log_complement(x, tau)),
        classifier_gaps(process),
        bound=1.0,
    )


def watched(process: Any) -> list[Functional]:
    """Return the functionals whose error a method refines for: entropy, mean, confidence."""
    out = [ENTROPY, *(mean_along(i) for i in range(process.dimension))]
    if hasattr(process, "log_posterior"):
        out.append(posterior_mass(process))
    return out
