r"""The drift of a diffused mixture, from the textbook formulas, in ball arithmetic.

With the class law and the total law diffused to sum_k w_k N(r mu_k, C_k), C_k = r^2 var_k + v,

.. math:: b = -f x + c\,[(1 + \eta)\, s_{class} - \eta\, s_{total}], \qquad
          s = \sum_k P_k\, (r \mu_k - x) / C_k , \qquad c = (1 + \lambda^2) D .

Nothing is shared with the model's own evaluation: that of the program goes through differences
of scores and the posterior's gradient (docs/theory.md, N7b).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import ConstantStrength, GaussianMixture, ReverseProcess
from fokker_planck.model.pair import PairProcess
from fokker_planck.model.schedule import Schedule
from fokker_planck.residual import schedules
from fokker_planck.residual.balls import Ball, total

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """Components of a 1-D Gaussian mixture that have weight."""

    weights: Array
    means: Array
    variances: Array

    @staticmethod
    def of(mixture: GaussianMixture, which: Any = slice(None)) -> Law:
        """Return the law of the chosen components, weights not yet normalised."""
        weights = np.asarray(mixture.weights)[which]
        used = weights > 0
        return Law(
            weights[used],
            np.asarray(mixture.means)[which][used, 0],
            np.asarray(mixture.covariances)[which][used, 0, 0],
        )


@dataclass(frozen=True)
class Terms:
    """What the drift needs of time: r, v, f, c = (1 + lambda^2) D and lambda^2 D, as balls."""

    signal: Ball
    variance: Ball
    rate: Ball
    weight: Ball
    diffusivity: Ball


class MixtureField:
    """The drift of a 1-D mixture or pair of laws under constant strength, enclosed.

    Raises
    ------
    ValueError
        If the process is of another kind; see :func:`enclosable`.
    """

    enclosed = True

    def __init__(self, process: ReverseProcess | PairProcess) -> None:
        if not enclosable(process):
            raise ValueError(f"process must be a 1-D mixture of constant strength, got {process!r}")
        self.process = process
        self.eta = float(process.guidance.strength(0.0))
        if isinstance(process, PairProcess):
            self.total, self.chosen = Law.of(process.total_law), Law.of(process.class_law)
            self.own = np.zeros(self.total.means.size, dtype=bool)
        else:
            labels = process.mixture.labels
            if labels is None:
                labels = np.arange(process.mixture.n_components)
            is_target = np.asarray(labels) == process.target
            self.total = Law.of(process.mixture)
            self.chosen = Law.of(process.mixture, is_target)
            self.own = is_target[np.asarray(process.mixture.weights) > 0]
        self.start = Law.of(process.initial)
        self.horizon = float(process.forward_time(0.0))

    def terms(self, tau: Ball) -> Terms:
        """Return the functions of time at reverse times."""
        signal, variance, rate, diffusivity = schedules.at(
            self.process.schedule, self.horizon - tau
        )
        level = Ball(self.process.noise_level) * self.process.noise_level
        return Terms(signal, variance, rate, (1 + level) * diffusivity, level * diffusivity)

    def drift_and_slope(self, x: Ball, terms: Terms) -> tuple[Ball, Ball]:
        """Return b and its derivative in x; terms broadcast against x."""
        own, own_slope = _score(self.chosen, x, terms)
        score, slope = (1 + self.eta) * own, (1 + self.eta) * own_slope
        if self.eta:
            mixed, mixed_slope = _score(self.total, x, terms)
            score, slope = score - self.eta * mixed, slope - self.eta * mixed_slope
        return terms.weight * score - terms.rate * x, terms.weight * slope - terms.rate

    def posterior(self, x: Ball, terms: Terms) -> Ball:
        """Return P_t(y|x), for a mixture with a target."""
        shares = _relative(self.total, x, terms)[0]
        return total([p for p, own in zip(shares, self.own, strict=True) if own])

    def initial_density(self, x: Ball) -> Ball:
        """Return the density of the initial law."""
        return density(self.start, x)


def density(law: Law, x: Ball) -> Ball:
    """Return the density of a mixture."""
    parts = []
    for w, mu, var in zip(law.weights, law.means, law.variances, strict=True):
        z = x - float(mu)
        bell = (-(z * z) / (2 * Ball(float(var)))).exp()
        parts.append(float(w) * bell / (2 * Ball(np.pi, 2e-16) * float(var)).sqrt())
    return total(parts)


def _relative(law: Law, x: Ball, terms: Terms) -> tuple[list[Ball], list[Any], list[Any]]:
    """Return the posteriors P_k, and slope 2Ax + B and bend 2A of log(N_k / N_0)."""
    r, v = terms.signal, terms.variance
    square = r * r
    mu, var = law.means, law.variances
    spread0 = square * float(var[0]) + v
    quads: list[Any] = [Ball(0.0)]
    slopes: list[Any] = [None]
    bends: list[Any] = [None]
    factors: list[Any] = [Ball(float(law.weights[0]))]
    for k in range(1, mu.size):
        a, b = Ball(float(mu[k])), Ball(float(mu[0]))
        if var[k] == var[0]:
            gap = r * (a - b) / spread0
            quads.append(gap * (x - 0.5 * r * (a + b)))
            slopes.append(gap)
            bends.append(None)
            factors.append(Ball(float(law.weights[k])))
            continue
        p, q = Ball(float(var[k])), Ball(float(var[0]))
        spread = square * float(var[k]) + v
        scale = (spread * spread0).inverse()
        bend = square * (p - q) * scale
        slope = r * (square * (a * q - b * p) + v * (a - b)) * scale
        constant = -0.5 * square * (square * (a * a * q - b * b * p) + v * (a * a - b * b)) * scale
        quads.append((0.5 * bend * x + slope) * x + constant)
        slopes.append(bend * x + slope)
        bends.append(bend)
        factors.append(float(law.weights[k]) * (spread0 / spread).sqrt())
    return _shares(factors, quads), slopes, bends


def _shares(factors: list[Ball], quads: list[Ball]) -> list[Ball]:
    """Return f_k e^{L_k} / sum_j f_j e^{L_j}.

    Division by the largest term, in balls; or, where that knows less,
    |sum_j z_j| >= cos(phi) sum_j |z_j| for numbers whose arguments differ by at most 2 phi < pi.
    """
    shape = np.broadcast_shapes(*(np.shape(z.mid + z.rad) for z in (*quads, *factors)))
    quad, factor = _stacked(quads, shape), _stacked(factors, shape)
    lead = np.argmax(np.real(quad.mid), axis=0)[None]

    def first(array: Any) -> Any:
        return np.take_along_axis(array, lead, axis=0)

    is_lead = np.arange(len(quads)).reshape((-1,) + (1,) * len(shape)) == lead
    ratio = factor / Ball(first(factor.mid), first(factor.rad))
    power = quad - Ball(first(quad.mid), first(quad.rad))
    z = ratio * power.exp()
    z = Ball(np.where(is_lead, 1.0, z.mid), np.where(is_lead, 0.0, z.rad))
    parts = [z[k] for k in range(len(quads))]
    whole = total(parts).inverse()
    shares = [part * whole for part in parts]
    if np.iscomplexobj(quad.mid):
        turned = np.where(is_lead, 0.0, np.imag(power.mid) + np.angle(ratio.mid))
        loose = np.where(is_lead, 0.0, power.rad + _turn(ratio))
        phi = 0.5 * (np.max(turned + loose, axis=0) - np.min(turned - loose, axis=0))
        with np.errstate(all="ignore"):
            wide = np.where(phi < 1.5, 1.001 / np.cos(np.minimum(phi, 1.5)), np.inf)
            most = np.real(power.mid) + power.rad + np.log(ratio.size)
            bounds = wide * np.where(is_lead, 1.0, np.exp(np.minimum(most, 0.0)) * 1.001)
        shares = [_smaller(share, bound) for share, bound in zip(shares, bounds, strict=True)]
    return shares


def _stacked(balls: list[Ball], shape: tuple[int, ...]) -> Ball:
    """Return balls of a common shape, stacked along a new first axis."""
    return Ball(
        np.stack([np.broadcast_to(ball.mid, shape) for ball in balls]),
        np.stack([np.broadcast_to(ball.rad, shape) for ball in balls]),
    )


def _turn(z: Ball) -> Any:
    """Return a bound of how far the argument of members strays from that of the midpoint."""
    with np.errstate(all="ignore"):
        share = z.rad / np.abs(z.mid)
        return np.where(share < 1, np.arcsin(np.minimum(share, 1.0)) * 1.001, np.inf)


def _smaller(ball: Ball, bound: Any) -> Ball:
    """Return the ball, or the one of radius ``bound`` around 0 where that is smaller."""
    better = ~(ball.size <= bound)
    return Ball(np.where(better, 0.0, ball.mid), np.where(better, bound, ball.rad))


def _score(law: Law, x: Ball, terms: Terms) -> tuple[Ball, Ball]:
    """Return the score of a diffused law and its derivative."""
    inverse = (terms.signal * terms.signal * float(law.variances[0]) + terms.variance).inverse()
    score, slope = (terms.signal * float(law.means[0]) - x) * inverse, -inverse
    if law.means.size == 1:
        return score, slope
    shares, slopes, bends = _relative(law, x, terms)
    first: Any = None
    for p, gap, bend in zip(shares[1:], slopes[1:], bends[1:], strict=True):
        step = p * gap
        slope = slope + step * gap
        if bend is not None:
            slope = slope + p * bend
        first = step if first is None else first + step
    return score + first, slope - first * first


def enclosable(process: Any) -> bool:
    """Whether every ingredient of the drift has an enclosure here; types are compared exactly."""
    schedule: Schedule | None = getattr(process, "schedule", None)
    return (
        type(process) in (ReverseProcess, PairProcess)
        and process.dimension == 1
        and type(process.guidance) is ConstantStrength
        and getattr(process, "perturbation", None) is None
        and schedules.known(schedule)
    )
