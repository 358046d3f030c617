r"""Where the mass can be: bounds on the law's tails, from which boxes are chosen.

Three bounds for dx = b dtau + sqrt(2 D) dB in one dimension (docs/theory.md, N2), each valid on
its own; the least one counts at every point:

- sandwich: where :math:`a_- + \kappa x \le b \le a_+ + \kappa x`, x lies between two
  Ornstein-Uhlenbeck processes driven by the same noise (a comparison theorem);
- concentration: where :math:`\partial_x b \le \gamma`, x_tau is a Lipschitz function of the
  Gaussian start and noise, so it concentrates around its mean;
- Lyapunov: :math:`E e^{q(x-c)^2/2}` grows at most at the rate sup of LV/V.

The suprema over x are taken on a fine grid and at two remote points; they are not enclosed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from fokker_planck.model import Dynamics
from fokker_planck.model.dynamics import breaks_of

Array = NDArray[np.float64]
Field = Callable[[Array, Array], tuple[Array, Array]]
N_TIMES = 97
N_POINTS = 241
#: remote points, in units of the grid's half width, where far-field slopes are read off
REMOTE = (30.0, 60.0)
LEVEL = 1e-18
#: rates q of the Lyapunov functions, and when they are not needed: variances this many times
#: those of the sandwich
RATES: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 0.7)
CLOSE = 4.0
#: how close to a jump of the drift its two sides are looked at, as a share of the horizon
NEAR = 1e-9


def graded_times(horizon: float, n: int = N_TIMES, grading: float = 7.0) -> Array:
    """Return n times in [0, horizon], dense near the end, where reverse processes are fast."""
    u = np.linspace(1.0, 0.0, n)
    return horizon * (1 - np.expm1(grading * u) / np.expm1(grading))


def _cumulative(y: Array, x: Array) -> Array:
    """Return the running trapezoid integral of y over x, starting at 0."""
    return np.concatenate([[0.0], np.cumsum(0.5 * np.diff(x) * (y[1:] + y[:-1]))])


def _linear_response(slope: Array, source: Array, start: Array, taus: Array) -> Array:
    """Return the solutions of m' = slope m + source, m(0) = start, at the times; rows (r, m)."""
    h = np.diff(taus)
    k = np.minimum(0.5 * (slope[:, 1:] + slope[:, :-1]) * h, 700.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        gain = np.where(np.abs(k) > 1e-12, np.expm1(k) / k, 1.0)
        drive = gain * (0.5 * (source[:, 1:] + source[:, :-1]) * h)
        growth = np.exp(k)
    rows = []
    for first, *parts in zip(start.tolist(), growth.tolist(), drive.tolist(), strict=True):
        # plain numbers: faster than arrays of two or three
        value, row = first, [first]
        for one, more in zip(*parts, strict=True):
            value = one * value + more
            row.append(value)
        rows.append(row)
    return np.array(rows)


def _response_end(
    slope: Array, source: Array, start: Array, taus: Array, direction: Array
) -> Array:
    """Return the responses, moved in directions by what halving the times changes in them."""
    full = _linear_response(slope, source, start, taus)
    half = _linear_response(slope[:, ::2], source[:, ::2], start, taus[::2])
    with np.errstate(invalid="ignore"):
        gaps = np.abs(half - full[:, ::2])
    gap = np.array([np.interp(taus, taus[::2], row) for row in gaps])
    return full + direction[:, None] * np.nan_to_num(gap, nan=np.inf)


@dataclass(frozen=True)
class TailBound:
    """Bounds on Pr(x_tau < a) and Pr(x_tau > b) at a set of times.

    Parameters
    ----------
    taus : ndarray, shape (m,)
    low_mean, high_mean : ndarray, shape (c, m)
        Means of the sandwiching Gaussians, per component of the start.
    sandwich_deviation : ndarray, shape (c, m)
        Their standard deviations.
    weights : ndarray, shape (c,)
        Weights of the start's components.
    lipschitz : ndarray, shape (m,)
        Lipschitz constant of x_tau as a function of standard Gaussians; inf where unknown.
    lyapunov : tuple of (rate q, centre c, log of the bound on E V, shape (m,))
    """

    taus: Array
    low_mean: Array
    high_mean: Array
    sandwich_deviation: Array
    weights: Array
    lipschitz: Array
    lyapunov: list[tuple[float, float, Array]]

    def log_outside(self, lower: Array, upper: Array, mean: Array | None = None) -> Array:
        """Return the log of a bound on Pr(x_tau outside [lower, upper]) at every time.

        ``mean`` (shape (m,), the mean of x_tau) switches the concentration bound on.
        """
        left, right = self.log_sides(lower, upper, mean)
        return np.minimum(np.logaddexp(left, right), 0.0)

    def log_sides(
        self, lower: Array, upper: Array, mean: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the logs of bounds on Pr(x_tau < lower) and Pr(x_tau > upper) at every time."""
        log_w = np.log(self.weights)[:, None]
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            right = log_ndtr((self.high_mean - upper) / self.sandwich_deviation)
            left = log_ndtr((lower - self.low_mean) / self.sandwich_deviation)
            sides = [[np.logaddexp.reduce(log_w + side, axis=0) for side in (left, right)]]
            reaches: list[tuple[Any, Any, Any]] = [
                (q, log_moment, centre) for q, centre, log_moment in self.lyapunov
            ]
            if mean is not None:
                reaches.append((self.lipschitz**-2.0, 0.0, mean))
            for q, log_moment, centre in reaches:
                sides.append(
                    [
                        np.where(reach > 0, log_moment - 0.5 * q * reach**2, 0.0)
                        for reach in (centre - lower, upper - centre)
                    ]
                )
        # each side takes the bound that is best for it
        left, right = np.min(np.nan_to_num(np.array(sides), nan=np.inf), axis=0)
        return np.minimum(left, 0.0), np.minimum(right, 0.0)

    def log_beyond(self, x: Array, index: Any, mean: Array) -> tuple[Array, Array]:
        """Return the logs of bounds on Pr(x_tau < x) and Pr(x_tau > x) at points, shape (J,).

        The largest over the times ``index`` of this object, at which x_tau has the ``mean``.
        """
        parts = np.array([self._at(j).log_sides(x, x, m) for j, m in zip(index, mean, strict=True)])
        left, right = parts.max(axis=0)
        return left, right

    def _at(self, j: int) -> TailBound:
        """Return the bounds at one time, which broadcast over points."""
        one = slice(j, j + 1)
        return TailBound(
            self.taus[one],
            self.low_mean[:, one],
            self.high_mean[:, one],
            self.sandwich_deviation[:, one],
            self.weights,
            self.lipschitz[one],
            [(q, centre, moment[one]) for q, centre, moment in self.lyapunov],
        )

    def interval(
        self, level: float = LEVEL, mean: Array | None = None, slack: float = 0.0
    ) -> tuple[Array, Array]:
        """Return lower and upper ends, shape (m,), with at most about ``level`` outside.

        With ``mean``, known up to ``slack`` deviations, the concentration bound is used too.
        """
        z = np.sqrt(-2 * np.log(level / 2))
        lower = np.min(self.low_mean - z * self.sandwich_deviation, axis=0)
        upper = np.max(self.high_mean + z * self.sandwich_deviation, axis=0)
        for q, centre, log_moment in self.lyapunov:
            reach = np.sqrt(2 * (log_moment - np.log(level / 2)) / q)
            lower, upper = np.fmax(lower, centre - reach), np.fmin(upper, centre + reach)
        if mean is not None:
            reach = (z + slack) * self.lipschitz
            lower, upper = np.fmax(lower, mean - reach), np.fmin(upper, mean + reach)
        return lower, upper

    def static_box(
        self, level: float = LEVEL, mean: Array | None = None, slack: float = 0.0
    ) -> tuple[float, float]:
        """Return one interval for all times."""
        lower, upper = self.interval(level, mean, slack)
        return float(lower.min()), float(upper.max())

    def beyond(self, lower: float, upper: float, taus: Array) -> tuple[Array, Array]:
        """Return points beyond a box, out to two box lengths, and the log of what lies further.

        Shapes (m, 2, J): output time, left and right, shell.
        """
        reach = (upper - lower) * np.linspace(0.0, 2.0, 65)
        points = np.stack([lower - reach, upper + reach])
        every = np.ones(self.taus.size)
        index = np.minimum(np.searchsorted(self.taus, taus), self.taus.size - 1)
        sides = [
            np.array([self.log_sides(x * every, x * every)[side][index] for x in points[side]])
            for side in (0, 1)
        ]
        shape = (np.size(taus), *points.shape)
        return np.broadcast_to(points, shape), np.moveaxis(np.array(sides), -1, 0)

    def outside_at(
        self, lower: Array, upper: Array, taus: Array, mean: Array | None = None
    ) -> Array:
        """Return the probability that may have left [lower, upper] at or before each time.

        The union bound over this object's times: their number times the largest bound so far.
        """
        running = np.maximum.accumulate(np.exp(self.log_outside(lower, upper, mean)))
        steps = np.arange(1, self.taus.size + 1)
        index = np.searchsorted(self.taus, np.asarray(taus) - 1e-12 * self.taus[-1])
        index = np.minimum(index, self.taus.size - 1)
        return np.minimum(running * steps, 1.0)[index]


def tail_bound(process: Dynamics, field: Field | None = None, spare: bool = False) -> TailBound:
    """Return the tail bounds of a 1-D process.

    Parameters
    ----------
    process : Dynamics
        One-dimensional.
    field : callable, optional
        ``field(x, taus)``, drift and divergence, in place of the process's own.
    spare : bool
        Leave the Lyapunov bounds out where the law is known to concentrate.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        field = process.drift_and_divergence if field is None else field
        return _tail_bound(process, field, spare)


def _largest_average(process: Dynamics, taus: Array) -> Array:
    """Return D at every time: the larger of its averages over the two neighbouring intervals."""
    if not np.isfinite(getattr(process, "noise_time", np.inf)):
        return np.asarray(0.5 * np.asarray(process.noise(taus)) ** 2)
    within = np.linspace(0.0, 1.0, 65)
    inner = taus[:-1, None] + np.diff(taus)[:, None] * within
    average: Array = np.asarray(np.trapezoid(0.5 * process.noise(inner) ** 2, within, axis=1))
    return np.maximum(np.append(average, average[-1]), np.append(average[0], average))


def _tail_bound(process: Dynamics, field: Field, spare: bool) -> TailBound:
    taus = graded_times(process.horizon)
    if breaks_of(process):
        # the drift on both sides of a jump
        beside = np.add.outer(
            np.array(breaks_of(process)), NEAR * process.horizon * np.arange(-1, 2)
        )
        taus = np.union1d(taus, beside)
    start = process.initial
    m0, v0 = start.means[:, 0], start.covariances[:, 0, 0]
    laws = process.components() if hasattr(process, "components") else [start]
    m1 = np.concatenate([law.means[:, 0] for law in laws])
    v1 = np.concatenate([law.covariances[:, 0, 0] for law in laws])
    width = float(np.sqrt(max(v0.max(), v1.max())))
    far = max(np.abs(m0).max(), np.abs(m1).max()) + 12 * width
    # dense where the components are narrow: equal steps, and a cluster around every mean
    local = np.linspace(-6, 6, 25)
    clusters = [mu + np.sqrt(v) * local for mu, v in zip(m1, v1, strict=True)]
    inner = np.unique(np.concatenate([np.linspace(-far, far, N_POINTS), *clusters]))
    remote = far * np.array([-REMOTE[1], -REMOTE[0], REMOTE[0], REMOTE[1]])
    x = np.concatenate([inner, remote])
    b, div = field(x[None, :], taus[:, None])
    diffusivity = _largest_average(process, taus)

    # sandwich: the slope of the far field, and what the drift exceeds it by
    kappa = (b[:, -1] - b[:, -4]) / (x[-1] - x[-4])
    excess = b - kappa[:, None] * x
    high, low = excess.max(axis=1), excess.min(axis=1)
    ones = np.ones((m0.size, 1))
    slopes = np.concatenate([kappa * ones, kappa * ones, 2 * kappa * ones])
    sources = np.concatenate([low * ones, high * ones, 2 * diffusivity * ones])
    directions = np.repeat([-1.0, 1.0, 1.0], m0.size)
    starts = np.concatenate([m0, m0, v0])
    low_mean, high_mean, variance = np.split(
        _response_end(slopes, sources, starts, taus, directions), 3
    )

    # concentration: only a Gaussian start is a Lipschitz image of Gaussians
    lipschitz = np.full(taus.size, np.inf)
    if start.n_components == 1:
        gamma = div.max(axis=1)
        growth = _cumulative(2 * gamma, taus)
        if growth.max() < 600:
            spread = _response_end(2 * gamma[None], 2 * diffusivity[None], v0, taus, np.ones(1))
            lipschitz = np.sqrt(spread[0])

    lyapunov: list[tuple[float, float, Array]] = []
    centre = float(start.mean[0])
    offset, rates = x - centre, RATES
    if spare and np.all(lipschitz**2 <= CLOSE * variance.max(axis=0)):
        rates = ()
    else:
        # LV/V = q (offset b + D) + q^2 D offset^2
        work, square = offset * b + diffusivity[:, None], diffusivity[:, None] * offset**2
    for q in rates:
        if np.any(q * v0 >= 0.95) or np.any(work[:, -4:] + q * square[:, -4:] > 0):
            continue
        rate = q * np.maximum((work + q * square).max(axis=1), 0.0)
        shift = m0 - centre
        log_start = -0.5 * np.log1p(-q * v0) + 0.5 * q * shift**2 / (1 - q * v0)
        total = np.logaddexp.reduce(np.log(start.weights) + log_start)
        lyapunov.append((q, centre, total + _cumulative(rate, taus)))
    return TailBound(
        taus,
        low_mean,
        high_mean,
        np.sqrt(variance),
        start.weights,
        lipschitz,
        lyapunov,
    )
