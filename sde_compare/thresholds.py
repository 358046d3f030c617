r"""Critical strengths of a step map on the line: where it folds, where it starts to swing.

One step without its noise is :math:`M(x) = A x + B s(x, t)`. Its slope is linear in the strength,

.. math:: M'(x) = M_0'(x) - \eta\, B\, g(x, t), \qquad g = -\partial_x^2 \log P_t(y|x) \ge 0,

so that the strength at which a slope is reached is a quotient, and the critical one its least value
over points and times. At slope 0 the map stops being increasing (it folds: two points go to one);
at slope -1 at the point that the chain follows, it starts to swing about it (period doubling).
Source: docs/theory.md, D1 and D4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from fokker_planck import Estimate
from fokker_planck.model import ReverseProcess
from fokker_planck.model.checks import one_of, real_array, real_number, shown
from sde_compare.rules import step_table, time_nodes

Array = NDArray[np.float64]
Kind = Literal["period doubling", "fold", "loss of order"]
RULES = ("euler", "exponential", "ddim", "ddpm")
#: times and points of the first look; the best are refined
TIMES, POINTS = 801, 801
#: strengths looked at together
TRIED = 240
#: a strength is never called known better than this, relatively
ROUNDING = 64 * float(np.finfo(float).eps)


@dataclass(frozen=True)
class Threshold:
    """A critical strength and what happens there.

    Attributes
    ----------
    kind : {"period doubling", "fold", "loss of order"}
        "loss of order": the step turns the line over even without guidance.
    strength : Estimate
        The critical strength, inf where there is none.
    t, x : float
        Forward time at the start of the step, and the point, where it is reached first.
    """

    kind: Kind
    strength: Estimate
    t: float
    x: float


class Slopes:
    """Slopes of the step map of a rule, for single steps that start at any time.

    Parameters
    ----------
    process : ReverseProcess
        In dimension one; its own strength does not matter.
    rule : {"euler", "exponential", "ddim", "ddpm"}

    Raises
    ------
    ValueError
        If the process is not in dimension one, or a field is out of range.
    """

    def __init__(self, process: ReverseProcess, rule: str = "euler") -> None:
        if not isinstance(process, ReverseProcess) or process.dimension != 1:
            raise ValueError(f"process must be a 1-D ReverseProcess, got {shown(process)}")
        if process.guidance.name != "constant":
            raise ValueError(f"guidance must be constant, got {process.guidance.name!r}")
        self.rule = one_of("rule", rule, RULES)
        self.zero, self.one = process.with_strength(0.0), process.with_strength(1.0)

    def step(self, tau: float, h: float) -> tuple[float, float]:
        """Return A and B of the step from reverse time tau to tau + h."""
        table = step_table(self.zero, np.array([tau, tau + h]), self.rule)
        return float(table.linear[0]), float(table.score[0])

    def parts(self, x: Array, tau: float, h: float) -> tuple[Array, Array]:
        """Return M_0' and B g at points (n,) for the step from reverse time tau to tau + h."""
        zero = self.zero
        a, b = self.step(tau, h)
        t = zero.forward_time(tau)
        pull = float((1 + zero.noise_level**2) * zero.schedule.diffusivity(t))
        # div b = -f + (1 + lambda^2) D s': what guidance adds to it is s' per unit of strength
        plain, guided = (np.asarray(p.divergence(x, tau)) for p in (zero, self.one))
        slope = (plain + float(zero.schedule.drift_rate(t))) / pull
        return a + b * slope, b * (plain - guided) / pull

    def strength_at(self, level: float, x: Array, tau: float, h: float) -> Array:
        """Return the strength at which the slope falls to ``level`` at points; inf if never."""
        start, fall = self.parts(x, tau, h)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (start - level) / fall
        return np.where(start <= level, 0.0, np.where(fall > 0, found, np.inf))


def checked_step(process: ReverseProcess, h: float) -> float:
    """Return a step size that fits into the horizon.

    Raises
    ------
    ValueError
        If it does not.
    """
    h = real_number("h", h, minimum=0.0, strict=True)
    if h > process.horizon:
        raise ValueError(f"h must be at most the horizon {process.horizon:g}, got {h:g}")
    return h


def _rounding(process: ReverseProcess, h: float) -> float:
    """Return the relative rounding of a strength: steps are differences of times."""
    return ROUNDING * (1 + process.horizon / h)


def _least(f: Callable[[float], float], grid: Array) -> tuple[float, float]:
    """Return the least value of f near the best of the grid points, and where."""
    values = np.array([f(float(u)) for u in grid])
    k = int(np.argmin(values))
    low, high = grid[max(k - 1, 0)], grid[min(k + 1, grid.size - 1)]
    if not np.isfinite(values[k]) or values[k] == 0 or low == high:
        return float(values[k]), float(grid[k])
    found = minimize_scalar(f, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    return min((float(found.fun), float(found.x)), (float(values[k]), float(grid[k])))


def linear_threshold(
    process: ReverseProcess, h: float, rule: str = "euler", centre: float = 0.0
) -> Threshold:
    r"""Return the strength above which some step of length h swings about a fixed point.

    .. math:: \eta_c = \inf_t \frac{1 + M_0'(c)}{B\, g(c, t)}

    over all times t at which a step can start, a continuum.

    Parameters
    ----------
    process : ReverseProcess
        In dimension one.
    h : float
        Step size.
    rule : {"euler", "exponential", "ddim", "ddpm"}
    centre : float
        A point that the step map keeps at every time and strength, such as the target's mean of a
        mixture symmetric about it.

    Raises
    ------
    ValueError
        If the point is not kept, or a field is out of range, naming it.
    """
    slopes, h = Slopes(process, rule), checked_step(process, h)
    c = np.array([real_number("centre", centre)])
    taus = np.linspace(0.0, process.horizon - h, TIMES)
    for tau in taus[:: TIMES // 8]:
        a, b = slopes.step(float(tau), h)
        for p in (slopes.zero, slopes.one):
            moved = float(a * c[0] + b * np.asarray(p.score(c, float(tau)))[0])
            if abs(moved - c[0]) > 1e-9 * (1 + abs(c[0])):
                raise ValueError(
                    f"centre must stay where it is, got {centre:g}: it moves to {moved:g}"
                )

    def critical(tau: float) -> float:
        return float(slopes.strength_at(-1.0, c, tau, h)[0])

    value, tau = _least(critical, taus)
    error = 0.0
    if np.isfinite(value):
        error = abs(value - _least(critical, taus[::2])[0]) + _rounding(process, h) * value
    t = float(np.asarray(process.forward_time(tau)))
    return Threshold("period doubling", Estimate(value, error, "refinement"), t, float(c[0]))


def fold_threshold(process: ReverseProcess, h: float, rule: str = "euler") -> Threshold:
    r"""Return the strength above which some step of length h is not increasing any more.

    .. math:: \eta_f = \inf_{t, x} \frac{M_0'(x)}{B\, g(x, t)}

    Raises
    ------
    ValueError
        If a field is out of range, naming it.
    """
    slopes, h = Slopes(process, rule), checked_step(process, h)
    law, taus = process.mixture, np.linspace(0.0, process.horizon - h, TIMES // 8 + 1)
    reach = float(np.abs(law.means).max() + 6 * np.sqrt(law.variances.max()) + 6.0)

    def at(tau: float, points: int) -> tuple[float, float]:
        def critical(x: float) -> float:
            return float(slopes.strength_at(0.0, np.array([x]), tau, h)[0])

        grid = np.linspace(-reach, reach, points)
        k = int(np.argmin(slopes.strength_at(0.0, grid, tau, h)))
        return _least(critical, grid[max(k - 1, 0) : k + 2])

    value, tau = _least(lambda s: at(s, POINTS)[0], taus)
    x = at(tau, POINTS)[1]
    error = 0.0
    if np.isfinite(value):
        coarse = _least(lambda s: at(s, POINTS // 2)[0], taus[::2])[0]
        error = abs(value - coarse) + _rounding(process, h) * value
    kind: Kind = "loss of order" if value == 0.0 else "fold"
    t = float(np.asarray(process.forward_time(tau)))
    return Threshold(kind, Estimate(value, error, "refinement"), t, x)


def swing_threshold(
    process: ReverseProcess,
    time_grid: ArrayLike,
    rule: str = "euler",
    start: float | None = None,
    highest: float = 1e4,
) -> Threshold:
    """Return the least strength at which a chain's own steps swing about the path that it follows.

    The noise-free chain runs from ``start`` over the grid; the strength is the first, from 0 on, at
    which the slope of one of its steps at the path falls to -1. The path depends on the strength,
    so strengths are tried upwards, and the first crossing is bisected.

    Parameters
    ----------
    process : ReverseProcess
        In dimension one.
    time_grid : array_like, shape (n + 1,)
        Reverse times of the steps.
    rule : {"euler", "exponential", "ddim", "ddpm"}
    start : float, optional
        Default: the mean of the initial law.
    highest : float
        Strengths are tried up to here.

    Raises
    ------
    ValueError
        If a field is out of range, naming it.
    """
    slopes = Slopes(process, rule)
    grid = real_array("time_grid", time_grid)
    tau = time_nodes(process, grid.size - 1, grid)
    first = float(process.initial.mean[0]) if start is None else real_number("start", start)
    table = step_table(slopes.zero, tau, rule)

    def least(eta: Array) -> tuple[Array, NDArray[np.intp], Array]:
        """Return the least slope on the path of every strength, its step and its point."""
        x = np.full(eta.shape, first)
        low, step, place = np.full(eta.shape, np.inf), np.zeros(eta.shape, dtype=np.intp), x.copy()
        for k in range(tau.size - 1):
            here = float(tau[k])
            still, fall = slopes.parts(x, here, float(tau[k + 1] - tau[k]))
            slope = still - eta * fall
            step, place = np.where(slope < low, k, step), np.where(slope < low, x, place)
            low = np.minimum(low, slope)
            plain, unit = (np.asarray(p.score(x, here)) for p in (slopes.zero, slopes.one))
            x = table.linear[k] * x + table.score[k] * (plain + eta * (unit - plain))
        return low, step, place

    tried = np.concatenate([[0.0], np.geomspace(1e-2, highest, TRIED)])
    while True:
        low, step, place = least(tried)
        k = int(np.argmax(low <= -1))
        if low[k] > -1:
            return Threshold("period doubling", Estimate(np.inf, 0.0, "refinement"), np.nan, np.nan)
        before, value = float(tried[max(k - 1, 0)]), float(tried[k])
        if value - before <= 4 * np.spacing(value):
            break
        tried = np.unique(np.linspace(before, value, TRIED))
    t = float(np.asarray(process.forward_time(tau[step[k]])))
    # an earlier crossing between two strengths that were tried would be missed
    error = value - before + _rounding(process, float(np.diff(tau).min())) * value
    return Threshold("period doubling", Estimate(value, error, "refinement"), t, float(place[k]))
