"""What is kept of coupled paths while they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sde_compare.engine import Observer, Track, block_size
from sde_compare.observables import Gap
from sde_compare.samplers import stored_nodes

Array = NDArray[np.float64]


class Recorder:
    """Collects output, stored states and running minima of one resolution."""

    def __init__(
        self,
        tracks: Sequence[Track],
        first: int,
        n_paths: int,
        times: ArrayLike | None,
        gaps: dict[str, Callable[[], Gap]],
        together: bool,
    ) -> None:
        self.first, self.stride = first, tracks[0].stride
        self.tau = tracks[0].table.tau
        self.nodes = stored_nodes(self.tau, times)
        self.position = {int(node): i for i, node in enumerate(self.nodes)}
        self.n_paths, self.d = n_paths, tracks[0].process.dimension
        self.size = block_size(self.d)
        self.points = np.empty((2, n_paths, self.d))
        self.states = np.empty((2, len(self.nodes), n_paths, self.d))
        self.gaps = gaps
        self.together = together
        self.met = np.zeros(n_paths)
        self.minimum = {name: np.empty(n_paths) for name in gaps}
        self.step = {name: np.empty(n_paths, dtype=np.int64) for name in gaps}

    def observer(self, block: int) -> Observer:
        """Return what collects from one block, to be called after every fine step."""
        rows = slice(block * self.size, min((block + 1) * self.size, self.n_paths))
        count = rows.stop - rows.start
        gaps = {name: build() for name, build in self.gaps.items()}
        low = {name: np.full(self.size, np.inf) for name in gaps}
        when = {name: np.zeros(self.size, dtype=np.int64) for name in gaps}
        last = len(self.tau) - 1
        met = np.full(self.size, np.inf)

        def observe(j: int, states: Sequence[Array]) -> None:
            if j % self.stride:
                return
            k = j // self.stride
            a, b = states[self.first], states[self.first + 1]
            if k:
                for name, gap in gaps.items():
                    value = gap(k, a, b)
                    below = value < low[name]
                    np.copyto(low[name], value, where=below)
                    np.copyto(when[name], k, where=below)
            if not self.together:
                same = (a == b).reshape(self.size, self.d).all(axis=1)
                np.minimum(met, self.tau[k], out=met, where=same)
            if k in self.position:
                for i, state in enumerate((a, b)):
                    kept = state.reshape(self.size, self.d)[:count]
                    self.states[i, self.position[k], rows] = kept
            if k == last:
                if not self.together:
                    self.met[rows] = met[:count]
                for i, state in enumerate((a, b)):
                    self.points[i, rows] = state.reshape(self.size, self.d)[:count]
                for name in gaps:
                    self.minimum[name][rows] = low[name][:count]
                    self.step[name][rows] = when[name][:count]

        return observe
