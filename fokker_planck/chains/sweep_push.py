"""Push-forwards at many strengths: panels over the start, halved row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.chains.panels import EPS
from fokker_planck.chains.starts import MixtureStart
from fokker_planck.model import Chain

Array = NDArray[np.float64]
ORDER = 8
NODES, WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
#: what halving a panel changes counts so many times: a jump may lie where both rules agree
DOUBT = 4.0
#: where panels are cut for the last look
GOLDEN = 0.381966
#: panels to begin with, most panels of a row, and most rounds
FIRST, MOST, ROUNDS = 12, 2048, 60


def _integrals(
    chain: Chain, start: MixtureStart, eta: Array, left: Array, right: Array, jitter: bool = False
) -> Array:
    """Return integrals of 1, x, x^2, confidence and U, tallies of folds and max|x|, per panel."""
    process: Any = chain.process
    half = 0.5 * (right - left)[:, None]
    x = (left[:, None] + half * (1 + NODES)).ravel()
    strength = np.repeat(eta, ORDER)
    p, log_p = start.density(x)
    rng = np.random.default_rng(1)
    logs, sign = np.zeros_like(x), np.ones_like(x)
    for k in range(chain.n_steps):
        x, slope, size = chain.step(k, x, strength)
        if jitter:
            x = x + rng.choice([-2 * EPS, 2 * EPS], x.size) * size
        logs += np.log(np.maximum(np.abs(slope), EPS))
        sign *= np.sign(slope)
    confidence = np.exp(process.log_posterior(x, chain.horizon))
    weight = p.reshape(-1, ORDER) * half * WEIGHTS
    values = [np.ones_like(x), x, x * x, confidence, logs - log_p]
    out = [(weight * f.reshape(-1, ORDER)).sum(axis=1) for f in values]
    out.append((sign < 0).reshape(-1, ORDER).sum(axis=1))
    out.append(np.max(np.abs(x).reshape(-1, ORDER), axis=1))
    return np.array(out)


def pushed_rows(chain: Chain, eta: Array, tol: float) -> dict[str, Any]:
    """Return values and errors of the functionals of :mod:`fokker_planck.chains.sweep`."""
    start = MixtureStart(chain.initial, min(1e-4 * tol, 1e-8))
    edges = start.edges
    skip = max(1, (edges.size - 1) // (FIRST * chain.initial.n_components))
    near = edges[np.abs(edges) < np.diff(edges).max()]
    edges = np.unique(np.concatenate([edges[::skip], edges[-1:], near]))
    n = eta.size
    left, right = np.tile(edges[:-1], n), np.tile(edges[1:], n)
    row = np.repeat(np.arange(n), edges.size - 1)
    own = _integrals(chain, start, eta[row], left, right)
    value, error = np.zeros((6, n)), np.zeros((6, n))
    kept: list[tuple[Array, Array, Any]] = []
    count = np.zeros(n)

    def add(target: Array, parts: Array, rows: Any) -> None:
        for line, part in zip(target, parts[:6], strict=True):
            line += np.bincount(rows, weights=part, minlength=n)

    for attempt in range(ROUNDS):
        middle = 0.5 * (left + right)
        a = np.stack([left, middle], axis=1).ravel()
        b = np.stack([middle, right], axis=1).ravel()
        rows = np.repeat(row, 2)
        parts = _integrals(chain, start, eta[rows], a, b)
        pairs = parts[:, ::2] + parts[:, 1::2]
        change = np.abs(pairs - own)
        here = np.bincount(row, minlength=n)
        limit = tol / (4 * np.maximum(32, count + here))[row]
        # means of x and x^2 are as large as they are: their share is relative
        scale = 1 + np.abs(pairs[2]) / np.maximum(pairs[0], 1e-300)
        rough = (
            (change[3] > limit)
            | (change[1] > limit * np.sqrt(scale))
            | (change[2] > limit * scale)
            | (change[4] > limit * 10)
        )
        rough &= (count + 2 * here < MOST)[row] & (attempt < ROUNDS - 1)
        rough &= right - left > 1e-13 * np.maximum(np.abs(left), np.abs(right))
        add(value, pairs[:, ~rough], row[~rough])
        add(error, DOUBT * change[:, ~rough], row[~rough])
        both = np.repeat(~rough, 2)
        kept.append((a[both], b[both], rows[both]))
        count += np.bincount(row[~rough], minlength=n)
        if not rough.any():
            break
        both = ~both
        left, right, row, own = a[both], b[both], rows[both], parts[:, both]
    a, b, rows = (np.concatenate([item[i] for item in kept]) for i in range(3))
    shaken, farthest = np.zeros((6, n)), np.zeros(n)
    # once more at other nodes, twice as dense, and shaken: what is narrower than a panel can hide
    # from halving, and what a step loses in rounding is not seen by it
    cut = a + GOLDEN * (b - a)
    rows = np.tile(rows, 2)
    again = _integrals(chain, start, eta[rows], np.append(a, cut), np.append(cut, b), jitter=True)
    add(shaken, again, rows)
    np.maximum.at(farthest, rows, again[6])
    error += 4 * np.abs(shaken - value) + 64 * EPS * (1 + np.abs(value))
    return _estimates(value, error, 4 * start.lost * (1 + farthest), farthest, start.lost)


def _estimates(
    value: Array, error: Array, far: Array, farthest: Array, lost: float
) -> dict[str, Any]:
    mass, mean, square, confidence, upper, folded = value
    spread = square - mean**2
    # at least two branches where the slope changes its sign; how many is not counted here, and a
    # map that falls everywhere is not told from one that folds
    injective = folded == 0
    bracket = np.where(injective, 0.0, np.inf)
    return {
        "mass": (mass, error[0] + lost),
        "mean": (mean, error[1] + far),
        "variance": (spread, error[2] + 2 * np.abs(mean) * error[1] + far * (1 + farthest)),
        "posterior_mass": (confidence, error[3] + 2 * lost),
        "entropy": (upper, error[4] + 100 * lost + bracket),
    }
