"""Single paths of a coupled run again, at the same or smaller steps of one Brownian path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model import content_seed
from fokker_planck.model.checks import real_array, shown, whole_number
from sde_compare.couplings import CoupledPaths
from sde_compare.engine import block_generator, block_size, drive
from sde_compare.rules import noise_weights, subdivide

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Replay:
    """Whole trajectories of chosen paths.

    Attributes
    ----------
    indices : ndarray of int, shape (m,)
        The paths.
    tau : ndarray, shape (n + 1,)
        Reverse times.
    path_a, path_b : ndarray, shape (m, n + 1, d)
        The trajectories.
    """

    indices: NDArray[np.int64]
    tau: Array
    path_a: Array
    path_b: Array


def split_normals(whole: Array, fresh: Array, weights: Array) -> Array:
    r"""Cut every normal into parts whose weighted sum it is: the Brownian bridge of the weights.

    .. math:: \xi_j = z_j + w_j\, (\Xi - \sum_i w_i z_i), \qquad \sum_j w_j^2 = 1,

    are independent and standard, and :math:`\sum_j w_j \xi_j = \Xi`.

    Parameters
    ----------
    whole : ndarray, shape (n, ...)
        The normals Xi of n steps.
    fresh : ndarray, shape (n, parts, ...)
        New independent normals z.
    weights : ndarray, shape (n, parts)
        The weights w.

    Returns
    -------
    ndarray, shape (n * parts, ...)
    """
    w = weights.reshape(*weights.shape, *(1,) * (whole.ndim - 1))
    pieces = fresh + w * (whole[:, None] - (w * fresh).sum(axis=1, keepdims=True))
    return np.asarray(pieces.reshape(-1, *whole.shape[1:]))


def prime_factors(number: int) -> list[int]:
    """Return the prime factors in rising order, with multiplicity."""
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors


def replay(paths: CoupledPaths, indices: ArrayLike, refine: int = 1) -> Replay:
    """Run chosen paths of a coupling again and keep every step.

    Parameters
    ----------
    paths : CoupledPaths
        The run, at either of its resolutions.
    indices : array_like of int, shape (m,)
        Which paths, counted from 0.
    refine : int
        Steps per step of ``paths``. At 1 the output equals that of the run to the bit; above,
        the same Brownian path is resolved further (of a alone, under reflection: there the mirror
        and the meeting of the pair are drawn anew). Among powers of two every resolution is a
        refinement of the coarser ones.

    Returns
    -------
    Replay

    Raises
    ------
    ValueError
        If an index is out of range, or ``refine`` does not fit the resolution at which the
        noise was drawn.
    """
    raw = np.atleast_1d(np.asarray(indices))
    chosen = raw.astype(np.int64) if raw.size else np.zeros(0, dtype=np.int64)
    if chosen.ndim != 1 or np.any(real_array("indices", raw) != chosen):
        raise ValueError(f"indices must be whole numbers, got {shown(indices)}")
    if np.any((chosen < 0) | (chosen >= paths.n_paths)):
        raise ValueError(f"indices must be in 0..{paths.n_paths - 1}, got {shown(indices)}")
    refine = whole_number("refine", refine, minimum=1)
    drawn = (len(paths.fine_tau) - 1) // paths.n_steps  # normals per step of this resolution
    if refine % drawn and drawn % refine:
        raise ValueError(f"refine must divide or be a multiple of {drawn}, got {refine}")
    parts, stride = max(1, refine // drawn), max(1, drawn // refine)
    tau = subdivide(paths.fine_tau, parts)
    pairing = paths.pairing
    tracks = pairing.tracks((paths.process_a, paths.process_b), tau, paths.rule, stride)
    n_steps, size, d = (len(tau) - 1) // stride, block_size(paths.dimension), paths.dimension
    out = np.empty((2, len(chosen), n_steps + 1, d))
    for block in np.unique(chosen // size):
        wanted = np.flatnonzero(chosen // size == block)
        rows = chosen[wanted] - block * size

        def keep(
            j: int, states: Sequence[Array], wanted: NDArray = wanted, rows: Any = rows
        ) -> None:
            if j % stride == 0:
                for i, state in enumerate(states):
                    out[i, wanted, j // stride] = state.reshape(-1, d)[rows]

        rng = block_generator(paths.content, int(block))
        starts = pairing.starts(paths.process_a, rng)
        if parts == 1:
            drive(pairing.steppers(tracks, *starts), len(tau) - 1, rng, keep)
            continue
        normals = _resolved(paths, rng, chosen[wanted], rows, parts)
        steppers = pairing.steppers(tracks, *(np.ascontiguousarray(x[rows]) for x in starts))
        states = [x for stepper in steppers for x in stepper.states]
        clocks = np.zeros((len(normals), len(rows)))
        if pairing.coupling == "reflection":
            clocks = _clocks(paths, chosen[wanted], len(normals))
        with np.errstate(over="ignore", under="ignore"):
            keep(0, states, rows=slice(None))
            for j, xi in enumerate(normals):
                for stepper in steppers:
                    stepper.feed(j, xi, clocks[j])
                keep(j + 1, states, rows=slice(None))
    return Replay(chosen, tau[::stride], out[0], out[1])


def _clocks(paths: CoupledPaths, chosen: NDArray[np.int64], n: int) -> Array:
    """Return exponential clocks of a resolution, shape (n, m), that belong to the paths alone."""
    seed = content_seed("clock", paths.content)
    rows = [block_generator([seed, n], int(path)).standard_exponential(n) for path in chosen]
    return np.stack(rows, axis=1)


def _resolved(
    paths: CoupledPaths, rng: Generator, chosen: NDArray[np.int64], rows: Any, parts: int
) -> Array:
    """Return normals of chosen paths of one block after its starts, cut into ``parts``.

    Cut by one prime factor after the other, each level with fresh normals that belong to path and
    level alone: so resolutions that are powers of two see one Brownian path.
    """
    process, tau, rule = paths.process_a, paths.fine_tau, paths.rule
    size, d = block_size(paths.dimension), paths.dimension
    drawn = np.zeros(size if d == 1 else (size, d))
    clock = np.zeros(size)
    normals = np.zeros((len(tau) - 1, len(rows), *drawn.shape[1:]))
    if not (process.deterministic and paths.process_b.deterministic):
        for xi in normals:
            rng.standard_normal(out=drawn)
            if paths.coupling == "reflection":  # drawn in turn with the normals
                rng.standard_exponential(out=clock)
            xi[:] = drawn[rows]
    seed = content_seed("bridge", paths.content)
    for level, factor in enumerate(prime_factors(parts)):
        tau = subdivide(tau, factor)
        weights = noise_weights(process, tau, rule, factor)
        shape = (*weights.shape, *drawn.shape[1:])
        fresh = [
            block_generator([seed, level, factor], int(path)).standard_normal(shape)
            for path in chosen
        ]
        normals = split_normals(normals, np.stack(fresh, axis=2), weights)
    return normals
