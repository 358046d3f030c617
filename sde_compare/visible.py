r"""When a split of the centre becomes visible in the law of a chain.

Over steps of length h at a fixed :math:`\theta = h\eta` the multipliers of the Euler steps of the
ODE at a kept point add up, in the limit of small steps, to the growth

.. math:: \frac1h \int_0^{\tau_2} \log|1 - \theta\,g(\tau)|\,d\tau, \qquad
          g = -\tfrac1\eta\,\partial_x b,

up to the end of the unstable window, :math:`\theta\,g(\tau_2) = 2`. Its root is where the window
undoes what was contracted before it. Visible means that half of the mass lies beyond half the
amplitude of the period-2 orbit of D3. Source: docs/theory.md, D2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq
from scipy.special import ndtri

import fokker_planck as fp
from fokker_planck import Estimate
from fokker_planck.model import ReverseProcess
from fokker_planck.model.checks import real_array, real_number, shown
from sde_compare.thresholds import Slopes, checked_step

Array = NDArray[np.float64]
#: times at which the multiplier is looked at, and times theta is doubled in search of a root
TIMES, DOUBLINGS = 801, 40
#: starting points of an ODE, of equal mass; wanted error of the laws of an SDE
STARTS, TOL = 256, 1e-4
#: shares at which the band of an SDE ends
BAND = (0.1, 0.9)


@dataclass(frozen=True, eq=False)
class VisibleThreshold:
    """Where the split of the centre becomes visible, at one step size.

    Attributes
    ----------
    thetas : ndarray, shape (n,)
        Values of h eta that were tried; nothing is known between them.
    share : Estimate, shape (n,)
        Mass of the output beyond half the amplitude of the period-2 orbit.
    low, high : float
        ODE: ends of the ragged band, from the first share above 1/2 to the last below, in order.
        SDE: where the share passes 10 % and 90 % for the last time. nan where it does not.
    middle : float
        ODE: the middle of the band. SDE: where the share passes 1/2 for the last time.
    """

    thetas: Array
    share: Estimate
    low: float
    high: float
    middle: float


def closing_steps(horizon: float, h: float) -> Array:
    """Return reverse times in steps of length h up to the horizon; the first is what remains."""
    n = int(np.floor(horizon / h + 1e-9))
    later = horizon - h * np.arange(n, -1, -1)
    if later[0] > 1e-9 * h:
        return np.concatenate([[0.0], later])
    later[0] = 0.0
    return np.asarray(later)


def _orbit(process: ReverseProcess) -> float:
    """Return the largest mean of a mixture symmetric about the target.

    Raises
    ------
    ValueError
        If it is none, in dimension one with variances 1.
    """
    mixture = process.mixture
    if process.dimension == 1 and process.guidance.name == "constant":
        x, w = mixture.means[:, 0], mixture.weights
        order = np.argsort(x)
        mirrored = np.allclose(x[order], -x[order[::-1]]) and np.allclose(w[order], w[order[::-1]])
        if mirrored and x[process.target] == 0 and np.all(mixture.variances == 1):
            return float(x.max())
    raise ValueError(
        "process must have constant strength and unit components symmetric about the target's "
        f"mean 0, got {shown(mixture.means)}"
    )


def visible_threshold(process: ReverseProcess, h: float, thetas: ArrayLike) -> VisibleThreshold:
    r"""Return where Euler steps of length h split the centre visibly, from the chain's own law.

    The orbit is that of D3, :math:`\pm(1+\lambda^2)\,\theta m / (2 - \lambda^2 h)`.

    Parameters
    ----------
    process : ReverseProcess
        Of unit components on the line, symmetric about the target's mean 0; its own strength does
        not matter.
    h : float
        Step size.
    thetas : array_like, shape (n,)
        Values of h eta to try, increasing.

    Raises
    ------
    ValueError
        If a field is out of range, naming it.

    Notes
    -----
    Source: docs/theory.md, D2. The ODE's share is counted over starting points of equal mass, the
    SDE's read from the distribution function of the output.
    """
    m, h = _orbit(process), checked_step(process, h)
    tried = real_array("thetas", thetas)
    if tried.ndim != 1 or tried.size < 2 or np.any(np.diff(tried) <= 0) or tried[0] <= 0:
        raise ValueError(f"thetas must be positive and increasing, got {shown(thetas)}")
    square = process.noise_level**2
    beyond = (1 + square) * tried * m / (2 * (2 - square * h))
    if square == 0:
        share = _pushed_share(process, h, tried, beyond)
        value, error = np.asarray(share.value), np.asarray(share.error)
        above, below = tried[value - error > 0.5], tried[value + error < 0.5]
        first = float(above[0]) if above.size else np.nan
        last = float(below[-1]) if below.size else np.nan
        return VisibleThreshold(
            tried, share, min(first, last), max(first, last), 0.5 * (first + last)
        )
    share = _noisy_share(process, h, tried, beyond)
    value = np.asarray(share.value)
    low, middle, high = (_last_rise(tried, value, level) for level in (BAND[0], 0.5, BAND[1]))
    return VisibleThreshold(tried, share, low, high, middle)


def _pushed_share(process: ReverseProcess, h: float, tried: Array, beyond: Array) -> Estimate:
    chain = fp.chain(process, closing_steps(process.horizon, h))
    start = chain.initial
    if start.n_components != 1:
        raise ValueError(f"process must start from one Gaussian, got {shown(start)}")
    nodes = ndtri((np.arange(STARTS) + 0.5) / STARTS)
    place = float(start.means[0, 0]) + float(start.covariances[0, 0, 0]) ** 0.5 * nodes
    x, eta = np.tile(place, tried.size), np.repeat(tried / h, STARTS)
    for k in range(chain.n_steps):
        x = chain.step(k, x, eta)[0]
    outside = np.abs(x).reshape(-1, STARTS) > beyond[:, None]
    value = outside.mean(axis=1)
    halves = [np.abs(outside[:, i::2].mean(axis=1) - value) for i in (0, 1)]
    # each end of a stretch of starting points that go beyond lies between two of them
    ends = np.count_nonzero(outside[:, 1:] != outside[:, :-1], axis=1)
    return Estimate(value, np.maximum(ends / STARTS, np.max(halves, axis=0)), "refinement")


def _noisy_share(process: ReverseProcess, h: float, tried: Array, beyond: Array) -> Estimate:
    grid = closing_steps(process.horizon, h)
    value, error = np.empty_like(tried), np.empty_like(tried)
    for i, (theta, far) in enumerate(zip(tried, beyond, strict=True)):
        chain = fp.chain(process.with_strength(float(theta / h)), grid)
        x, below, doubt = fp.solve(chain, tol=TOL).distribution(-1)
        found = []
        for skip in (1, 2):
            inner = PchipInterpolator(x[::skip], below[::skip])
            sides = np.clip([-far, far], x[0], x[::skip][-1])
            found.append(1 - float(np.diff(inner(sides))[0]))
        value[i] = found[0]
        error[i] = 2 * doubt + abs(found[1] - found[0]) + float(below[0]) + 1 - float(below[-1])
    return Estimate(value, error, "refinement")


def _last_rise(tried: Array, share: Array, level: float) -> float:
    """Return where the share passes a level upwards for the last time, nan if it does not."""
    under = np.flatnonzero(share < level)
    if under.size == 0 or under[-1] == share.size - 1:
        return float("nan")
    k = int(under[-1])
    return float(np.interp(level, share[k : k + 2], tried[k : k + 2]))


def net_threshold(process: ReverseProcess, centre: float = 0.0) -> Estimate:
    r"""Return theta = h eta at which the growth about a point outweighs the contraction before it.

    Parameters
    ----------
    process : ReverseProcess
        An ODE in dimension one; its own strength does not matter.
    centre : float
        A point that the flow keeps at every strength.

    Returns
    -------
    Estimate
        The limit for small steps, with the error of its quadrature.

    Raises
    ------
    ValueError
        If the process is no ODE, or the unstable window is still open at the output.

    Notes
    -----
    Source: docs/theory.md, D2.
    """
    slopes = Slopes(process)
    if process.noise_level != 0:
        raise ValueError(f"process must be an ODE, got noise level {process.noise_level:g}")
    point = np.array([real_number("centre", centre)])
    horizon = process.horizon
    h = horizon / (TIMES - 1)
    times = np.linspace(0.0, horizon - h, TIMES - 1)

    def rate(tau: float) -> float:
        return float(slopes.parts(point, tau, h)[1][0]) / h

    rates = np.array([rate(float(tau)) for tau in times])
    if rates.max() <= 0:
        return Estimate(np.inf, 0.0, "refinement")

    def crossing(level: float, k: int) -> float:
        if rates[k] == level:
            return float(times[k])
        return float(brentq(lambda tau: rate(tau) - level, times[k], times[k + 1], xtol=1e-14))

    def growth(theta: float) -> tuple[float, float]:
        """Return the integral to the end of the window, and its error."""
        unstable = np.flatnonzero(theta * rates > 2)
        if unstable.size and unstable[-1] == rates.size - 1:
            words = f"process must be stable at the output, got {shown(process.mixture.means)}"
            raise ValueError(f"{words} at theta {theta:.4g}")
        end = crossing(2 / theta, int(unstable[-1])) if unstable.size else float(times[-1])
        above = theta * rates > 1
        zeros = [crossing(1 / theta, int(k)) for k in np.flatnonzero(above[1:] != above[:-1])]
        cuts = [0.0, *(tau for tau in zeros if tau < end), end]
        total, error = 0.0, 0.0
        for left, right in pairwise(cuts):
            part, doubt = quad(
                lambda tau: np.log(max(abs(1 - theta * rate(tau)), 1e-300)),
                left,
                right,
                epsabs=1e-8,
                limit=200,
            )
            total, error = total + part, error + doubt
        return total, error

    low = 2 / float(rates.max())
    high = 2 * low
    for _ in range(DOUBLINGS):
        if growth(high)[0] > 0:
            break
        low, high = high, 2 * high
    theta = float(brentq(lambda value: growth(value)[0], low, high, rtol=1e-10))
    step = 1e-3 * theta
    steepness = (growth(theta + step)[0] - growth(theta - step)[0]) / (2 * step)
    return Estimate(theta, 2 * growth(theta)[1] / abs(steepness) + 1e-8 * theta, "refinement")
