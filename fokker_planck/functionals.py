"""Functionals of a density, and their influence functions (docs/theory.md, N1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: f(points, log_density, tau) -> values at the points
Integrand = Callable[[Array, Array, float], Array]


#: nodes with less probability than this need not resolve anything
NEGLIGIBLE = 1e-18


@dataclass(frozen=True)
class Snapshot:
    """One time of one run: points, the probability at each, and the log-density there."""

    points: Array
    mass: Array
    log_density: Array
    tau: float


@dataclass(frozen=True)
class Functional:
    """A functional of a density, linear in it up to the listed exceptions.

    ``value`` maps a snapshot to a number; ``influence`` gives the function w for which, to first
    order, f(p) - f(q) = integral (p - q) (w - c) for every constant c when the masses agree.
    """

    name: str
    value: Callable[[Snapshot], float]
    influence: Callable[[Snapshot], Array]
    #: for a linear functional, what is averaged
    integrand: Integrand | None = None
    #: whether the nodes of a snapshot are close enough for what is averaged
    resolved: Callable[[Snapshot], bool] | None = None
    #: a bound on the absolute value of what is averaged, where one is known
    bound: float | None = None


def expectation(
    name: str,
    integrand: Integrand,
    resolved: Callable[[Snapshot], bool] | None = None,
    bound: float | None = None,
) -> Functional:
    """Return the functional E f, f a function of points, log-density and tau."""

    def value(s: Snapshot) -> float:
        f = integrand(s.points, s.log_density, s.tau)
        # an empty node must not turn an infinite integrand into nan
        return float(np.sum(np.where(s.mass == 0, 0.0, s.mass * np.where(s.mass == 0, 0.0, f))))

    def influence(s: Snapshot) -> Array:
        f = integrand(s.points, s.log_density, s.tau)
        return f - value(s)

    return Functional(name, value, influence, integrand, resolved, bound)


MASS = Functional("mass", lambda s: float(s.mass.sum()), lambda s: np.ones_like(s.points))
MEAN = expectation("mean", lambda x, log_p, tau: x)


def _centred_square(s: Snapshot) -> Array:
    return (s.points - MEAN.value(s)) ** 2


def _variance(s: Snapshot) -> float:
    return float(np.sum(s.mass * _centred_square(s)))


VARIANCE = Functional("covariance", _variance, lambda s: _centred_square(s) - _variance(s))


def _surprise(s: Snapshot) -> Array:
    return -s.log_density


def _entropy(s: Snapshot) -> float:
    return float(
        np.sum(np.where(s.mass == 0, 0.0, s.mass * np.where(s.mass == 0, 0.0, _surprise(s))))
    )


ENTROPY = Functional("entropy", _entropy, lambda s: _surprise(s) - _entropy(s))


def classifier_resolved(process: Any) -> Callable[[Snapshot], bool]:
    """Return a test of whether nodes are close enough for the posterior of a 1-D mixture.

    Near a component of standard deviation c the posterior varies over c / max(1, |gap| / c), the
    gap being the distance of its mean from the target's; nodes have to be that close wherever
    there is probability.
    """

    def resolved(s: Snapshot) -> bool:
        mixture, schedule = process.mixture, process.schedule
        t = float(process.forward_time(s.tau))
        r, v = float(schedule.signal(t)), float(schedule.variance(t))
        used = mixture.weights > 0
        centre = r * mixture.means[used, 0]
        width = np.sqrt(r * r * mixture.covariances[used, 0, 0] + v)
        target = r * float(mixture.means[process.target, 0])
        scale = width / np.maximum(1.0, np.abs(centre - target) / width)
        gaps = np.diff(s.points)
        counts = np.maximum(np.abs(s.mass[1:]), np.abs(s.mass[:-1])) > NEGLIGIBLE
        if float(gaps.max(initial=0.0)) <= scale.min():
            return True
        for c, w, least in zip(centre, width, scale, strict=True):
            near = (s.points[1:] > c - 8 * w) & (s.points[:-1] < c + 8 * w)
            if np.any(gaps[near & counts] > least):
                return False
        return True

    return resolved


def posterior_mass(process: Any) -> Functional:
    """Return E P_t(y|x), the confidence."""
    return expectation(
        "posterior_mass",
        lambda x, log_p, tau: np.exp(process.log_posterior(x, tau)),
        classifier_resolved(process),
        bound=1.0,
    )


def complement_mass(process: Any) -> Functional:
    """Return E[1 - P_t(y|x)], accurate where the confidence rounds to 1."""
    return expectation(
        "complement_mass",
        lambda x, log_p, tau: np.exp(process.log_complement(x, tau)),
        classifier_resolved(process),
        bound=1.0,
    )
