"""Hypotheses about plain functions: refuted at random points, or left undecided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import GaussianMixture, content_seed
from sde_compare.comparison.hypotheses import NEEDS_EXPRESSION, Hypothesis, point_text
from sde_compare.comparison.linear import null_space, rank, right_inverse, transpose
from sde_compare.comparison.order import Order
from sde_compare.regions import Region

Array = NDArray[np.float64]
Drift = Callable[[Any, float], Any]
N_TIMES, N_POINTS = 64, 512
#: differences within this many units of rounding of what they are made of say nothing
ROUNDING = 256 * float(np.finfo(float).eps)


class Sampler:
    """Random points of a region: uniform where it is bounded, else around the law of the start."""

    def __init__(
        self, region: Region, names: tuple[str, ...], time: str, law: GaussianMixture
    ) -> None:
        self.names, self.time = names, time
        lows, highs = (dict(zip(region.names, ends, strict=True)) for ends in region.outer())
        mean, deviation = law.mean, np.sqrt(np.diag(np.atleast_2d(law.covariance)))
        rng = np.random.default_rng(content_seed("hypotheses", region.spec(), law.spec()))
        shape = (N_TIMES, N_POINTS)
        columns = []
        for i, name in enumerate(names):
            a, b = lows[name], highs[name]
            if np.isfinite(a) and np.isfinite(b):
                columns.append(rng.uniform(a, b, shape))
                continue
            wide = float(np.ravel(mean)[i]) + 3 * (1 + deviation[i]) * rng.standard_normal(shape)
            wide = np.where(wide < a, 2 * a - wide, wide)
            columns.append(np.where(wide > b, 2 * b - wide, wide))
        self.points: Array = np.stack(columns, axis=-1)
        self.times = rng.uniform(lows[time], highs[time], N_TIMES)
        self.steps: Array = np.exp(rng.uniform(-8, 0, shape))
        self.axes = rng.integers(0, 2**16, N_TIMES)
        self.low = np.array([lows[n] for n in names])
        self.high = np.array([highs[n] for n in names])

    def inside(self, x: Array) -> Array:
        """Whether points lie in the region."""
        return np.asarray(((x >= self.low) & (x <= self.high)).all(axis=-1))

    def values(self, f: Drift, x: Array, tau: float) -> Array:
        """Return a drift at points (n, d), shape (n, d)."""
        if len(self.names) == 1:
            return np.asarray(f(x[:, 0], tau), dtype=float).reshape(-1, 1)
        return np.asarray(f(x, tau), dtype=float)


def _rows(order: Order) -> Array:
    return np.array([[float(a) for a in row] for row in order.rows])


def _outcome(
    name: str, statement: str, sampler: Sampler, margin: Callable[[Array, float, int], Any]
) -> Hypothesis:
    """Look for a point with a negative margin, beyond rounding; evaluate it again by itself."""
    worst: tuple[float, Array, float, int] | None = None
    for i, tau in enumerate(sampler.times):
        x = sampler.points[i]
        value, noise = margin(x, float(tau), i)
        value = np.where(np.isfinite(value) & (value < -noise), value, np.inf)
        k = int(np.argmin(value))
        if value[k] < 0 and (worst is None or value[k] < worst[0]):
            worst = (float(value[k]), x[k], float(tau), i * N_POINTS + k)
    n = N_TIMES * N_POINTS
    if worst is not None:
        value, point, tau, index = worst
        again, noise = margin(point[None], tau, index)
        if again[0] < -noise[0]:
            witness = {**dict(zip(sampler.names, point.tolist(), strict=True)), sampler.time: tau}
            text = f"{again[0]:.6g} at {point_text(witness)}, evaluated again by itself"
            return Hypothesis(name, statement, "refuted", text, (), witness)
    return Hypothesis(
        name, statement, "undecided", f"{NEEDS_EXPRESSION}; none of {n} points speaks against it"
    )


def ordered(
    statement: str, lower: Drift, upper: Drift, order: Order, sampler: Sampler
) -> Hypothesis:
    """Look for points where W (h - f) < 0."""
    w = _rows(order)

    def margin(x: Array, tau: float, _: int) -> tuple[Array, Array]:
        f, h = (sampler.values(g, x, tau) for g in (lower, upper))
        size = (np.abs(f) + np.abs(h)) @ np.abs(w).T
        rise = (h - f) @ w.T
        return rise.min(axis=1), ROUNDING * size.max(axis=1)

    return _outcome("ordered", statement, sampler, margin)


def quasi_monotone(
    statement: str, f: Drift, order: Order, sampler: Sampler, discrete: bool
) -> Hypothesis:
    """Look for pairs x, x + u W^+ e_j with row i of W f falling, i != j (any i for a step map)."""
    name = "nondecreasing" if discrete else "quasi-monotone"
    if rank(order.rows) < len(order.rows):
        return Hypothesis(name, statement, "undecided", NEEDS_EXPRESSION)
    w = _rows(order)
    up = np.array([[float(a) for a in row] for row in transpose(right_inverse(order.rows))])
    free = [[float(a) for a in row] for row in null_space(order.rows)]
    m, d = len(w), len(w[0])
    moves = [(up[j], [i for i in range(m) if discrete or i != j]) for j in range(m)]
    # along the null space nothing may change, in either direction
    moves += [(np.array(n) * sign, list(range(m))) for n in free for sign in (1, -1)]
    moves = [(v, rows) for v, rows in moves if rows]

    def margin(x: Array, tau: float, index: int) -> tuple[Array, Array]:
        block, own = (index, slice(None)) if len(x) > 1 else divmod(index, N_POINTS)
        direction, rows = moves[int(sampler.axes[block]) % len(moves)]
        y = x + np.reshape(sampler.steps[block][own], (-1, 1)) * direction.reshape(1, d)
        a, b = (sampler.values(f, z, tau) for z in (x, y))
        size = (np.abs(a) + np.abs(b)) @ np.abs(w[rows]).T
        fall = ((b - a) @ w[rows].T).min(axis=1)
        # the points themselves are rounded, by which the function moves too
        reach = ROUNDING * (1 + np.abs(x).max(axis=1)) * (1 + np.abs(fall))
        noise = ROUNDING * size.max(axis=1) + reach
        return np.where(sampler.inside(y), fall, np.inf), noise

    return _outcome(name, statement, sampler, margin)
