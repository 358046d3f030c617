"""Single paths of a coupled run again, at the same or smaller steps of one Brownian path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import SFC64, Generator, SeedSequence
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model import content_seed
from fokker_planck.model.checks import real_array, shown, whole_number
from sde_compare.couplings import CoupledPaths
from sde_compare.engine import Track, block_generator, block_size, simulate_block
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


class _Splitter:
    r"""Cuts every normal into ``parts``, given that their weighted sum is that normal.

    With unit weights w and fresh normals z, :math:`z + w (\xi - w \cdot z)` is standard normal and
    has :math:`w \cdot z' = \xi`: the Brownian bridge of the weights.
    """

    def __init__(self, weights: Array, fresh: Generator, shape: tuple[int, ...]) -> None:
        self.weights, self.fresh, self.shape = weights, fresh, shape
        self.pieces = np.empty((weights.shape[1], *shape))

    def __call__(self, j: int, rng: Generator) -> Array:
        k, part = divmod(j, self.weights.shape[1])
        if part == 0:
            w = self.weights[k]
            whole = rng.standard_normal(self.shape)
            self.fresh.standard_normal(out=self.pieces)
            for weight, piece in zip(w, self.pieces, strict=True):
                whole -= weight * piece
            for weight, piece in zip(w, self.pieces, strict=True):
                piece += weight * whole
        return np.asarray(self.pieces[part])


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
        the same Brownian path is resolved further.

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
    tracks = [Track(p, tau, paths.rule, stride) for p in (paths.process_a, paths.process_b)]
    weights = noise_weights(paths.process_a, tau, paths.rule, parts) if parts > 1 else None
    n_steps, size, d = (len(tau) - 1) // stride, block_size(paths.dimension), paths.dimension
    out = np.empty((2, len(chosen), n_steps + 1, d))
    for block in np.unique(chosen // size):
        wanted = np.flatnonzero(chosen // size == block)
        rows = chosen[wanted] - block * size

        def observe(
            j: int, states: Sequence[Array], wanted: NDArray = wanted, rows: NDArray = rows
        ) -> None:
            if j % stride == 0:
                for i, state in enumerate(states):
                    out[i, wanted, j // stride] = state.reshape(size, d)[rows]

        split = None
        if weights is not None and any(track.noisy for track in tracks):
            seed = content_seed("bridge", paths.content, parts, int(block))
            fresh = Generator(SFC64(SeedSequence(seed)))
            split = _Splitter(weights, fresh, (size,) if d == 1 else (size, d))
        rng = block_generator(paths.content, int(block))
        simulate_block(tracks, len(tau) - 1, rng, observe, split)
    return Replay(chosen, tau[::stride], out[0], out[1])
