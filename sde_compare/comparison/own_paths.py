r"""Coupled Euler paths of systems that the samplers do not take: noise that depends on the state.

Three resolutions n, 2n and 4n see one Brownian path. At the nodes of the coarsest the error of the
finest gap is four times the largest change of a halving so far (order 1/2 leaves 2.4 times the
last one), plus rounding: an estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import SFC64, Generator, SeedSequence
from numpy.typing import NDArray

from fokker_planck.model import GaussianMixture, content_seed
from sde_compare.comparison.described import Described
from sde_compare.comparison.system import Evaluated
from sde_compare.pairs import placed
from sde_compare.regions import Function

Array = NDArray[np.float64]
LEVELS = (1, 2, 4)
EPS = float(np.finfo(float).eps)
BLOCK = 2048  # paths per block: part of the definition of the random streams
Laws = tuple[GaussianMixture, GaussianMixture]


def functions(d: Described) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return drift and noise as functions of points (n, d) and a time."""
    assert d.terms is not None and d.amplitude is not None
    return Evaluated(d.terms, d.names, d.time), Evaluated(d.amplitude, d.names, d.time)


def content(d: Described) -> list[Any]:
    """Return plain data that identifies a system."""
    assert d.terms is not None and d.amplitude is not None
    return [d.names, d.time, *(Function(e).spec() for e in (*d.terms, *d.amplitude))]


def _blocks(pair: tuple[Described, Described], laws: Laws, n: int, seed: int) -> Any:
    """Yield a generator and the starts of every block."""
    key = [*(content(d) for d in pair), *(law.spec() for law in laws), seed]
    d = len(pair[0].names)
    for block in range(-(-n // BLOCK)):
        rng = Generator(SFC64(SeedSequence(content_seed(key, block))))
        z, u = rng.standard_normal((BLOCK, d)), rng.random(BLOCK)
        size = min(BLOCK, n - block * BLOCK)
        yield rng, size, [placed(law, z, u).reshape(-1, d) for law in laws]


def _gap(gap: Any, x: Array, y: Array, t: float) -> Array:
    return np.asarray(gap(x[:, 0], y[:, 0], t) if x.shape[1] == 1 else gap(x, y, t))


def iterated(
    pair: tuple[Described, Described],
    laws: Laws,
    gap: Any,
    inside: Any,
    n: int,
    n_steps: int,
    seed: int,
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Run two step maps; return the kind of every path and whether it stayed in the region.

    "real": the gap is below what rounding can do, which grows with the number of steps.
    """
    steps = [functions(d) for d in pair]
    kinds, kept = [], []
    for rng, size, (x, y) in _blocks(pair, laws, n, seed):
        kind = np.full(BLOCK, "none", dtype="U9")
        stay = inside(x) & inside(y)
        with np.errstate(all="ignore"):
            for k in range(n_steps):
                xi = rng.standard_normal(x.shape)
                x, y = (f(z, k) + g(z, k) * xi for (f, g), z in zip(steps, (x, y), strict=True))
                value = _gap(gap, x, y, k + 1)
                noise = 8 * EPS * (k + 1) * (1 + np.maximum(np.abs(x), np.abs(y)).max(axis=1))
                stay &= inside(x) & inside(y)
                kind[stay & (value < 0) & (kind == "none")] = "undecided"
                kind[stay & (value < -noise)] = "real"
        kinds.append(kind[:size])
        kept.append(stay[:size])
    return np.concatenate(kinds), np.concatenate(kept)


def euler(
    pair: tuple[Described, Described],
    laws: Laws,
    gap: Any,
    inside: Any,
    n: int,
    n_steps: int,
    seed: int,
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Run two diffusions at three step sizes; return as :func:`iterated`."""
    parts = [functions(d) for d in pair]
    finest, horizon = LEVELS[-1], float(pair[0].process.horizon)
    h = horizon / (n_steps * finest)
    kinds, kept = [], []
    for rng, size, start in _blocks(pair, laws, n, seed):
        states = [[x.copy() for x in start] for _ in LEVELS]
        sums = [np.zeros_like(start[0]) for _ in LEVELS]
        stay = inside(start[0]) & inside(start[1])
        value = np.empty((n_steps, len(LEVELS), BLOCK))
        size_of = np.ones((n_steps, BLOCK))
        with np.errstate(all="ignore"):
            for k in range(n_steps * finest):
                xi = np.sqrt(h) * rng.standard_normal(start[0].shape)
                for level, state, total in zip(LEVELS, states, sums, strict=True):
                    total += xi
                    stride = finest // level
                    if (k + 1) % stride:
                        continue
                    at = (k + 1 - stride) * h
                    for i, (f, g) in enumerate(parts):
                        x = state[i]
                        state[i] = x + stride * h * f(x, at) + g(x, at) * total
                    stay &= inside(state[0]) & inside(state[1])
                    total[:] = 0
                if (k + 1) % finest == 0:
                    node = (k + 1) // finest - 1
                    value[node] = [_gap(gap, x, y, (k + 1) * h) for x, y in states]
                    size_of[node] += np.maximum(*map(np.abs, states[-1])).max(axis=1)
        kinds.append(np.where(stay, _judged(value, size_of), "none")[:size])
        kept.append(stay[:size])
    return np.concatenate(kinds), np.concatenate(kept)


def _judged(value: Array, size: Array) -> NDArray[np.str_]:
    """Return the kinds of paths from gaps of shape (nodes, levels, paths)."""
    with np.errstate(all="ignore"):
        change = np.abs(np.diff(value, axis=1)).max(axis=1)
        error = 4 * np.maximum.accumulate(change, axis=0) + 8 * EPS * len(value) * size
        fine = value[:, -1]
        seen = (value < 0).any(axis=1)
        real = (fine + error < 0).any(axis=0)
        gone = (~seen | (fine - error >= 0)).all(axis=0)
    kind = np.where(real, "real", np.where(gone, "artefact", "undecided"))
    return np.where(seen.any(axis=0), kind, "none")
