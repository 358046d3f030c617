"""Two processes on one probability space: same start, same noise, path by path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model import Dynamics
from fokker_planck.model.checks import one_of, shown, whole_number
from sde_compare.engine import (
    Progress,
    Track,
    block_generator,
    block_size,
    run_blocks,
    simulate_block,
)
from sde_compare.observables import Gap, gap_functions
from sde_compare.rules import check_rule, subdivide, time_nodes
from sde_compare.samplers import run_content, stored_nodes

Array = NDArray[np.float64]
COUPLINGS = ("synchronous",)


@dataclass(frozen=True, eq=False)
class CoupledPaths:
    """Output and running minima of two processes with the same start and the same noise.

    Attributes
    ----------
    process_a, process_b, n_paths, n_steps, rule, seed
        What was run, at this resolution.
    tau : ndarray, shape (n_steps + 1,)
        The reverse times of the steps.
    points_a, points_b : ndarray, shape (n_paths, d)
        Output points.
    times : ndarray, shape (m,)
        Nodes at which states were stored, if asked for.
    states_a, states_b : ndarray, shape (m, n_paths, d)
        The states there.
    minimum : dict of str to ndarray, shape (n_paths,)
        Least value of every observable over steps 1..n_steps, for every path. The start is left
        out: there the two agree.
    minimum_step : dict of str to ndarray of int, shape (n_paths,)
        The first step at which it was reached.
    refined : CoupledPaths or None
        The same Brownian paths at ``refine`` times as many steps.
    """

    process_a: Dynamics
    process_b: Dynamics
    n_paths: int
    n_steps: int
    rule: str
    seed: int
    tau: Array = field(repr=False)
    points_a: Array = field(repr=False)
    points_b: Array = field(repr=False)
    times: Array = field(repr=False)
    states_a: Array = field(repr=False)
    states_b: Array = field(repr=False)
    minimum: dict[str, Array] = field(repr=False)
    minimum_step: dict[str, NDArray[np.int64]] = field(repr=False)
    content: Any = field(repr=False)
    fine_tau: Array = field(repr=False)
    refined: CoupledPaths | None = None

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return int(self.points_a.shape[1])


class _Recorder:
    """Collects output, stored states and running minima of one resolution."""

    def __init__(
        self,
        tracks: Sequence[Track],
        first: int,
        n_paths: int,
        times: ArrayLike | None,
        gaps: dict[str, Callable[[], Gap]],
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
        self.minimum = {name: np.empty(n_paths) for name in gaps}
        self.step = {name: np.empty(n_paths, dtype=np.int64) for name in gaps}

    def observer(self, block: int) -> Callable[[int, Sequence[Array]], None]:
        rows = slice(block * self.size, min((block + 1) * self.size, self.n_paths))
        count = rows.stop - rows.start
        gaps = {name: build() for name, build in self.gaps.items()}
        low = {name: np.full(self.size, np.inf) for name in gaps}
        when = {name: np.zeros(self.size, dtype=np.int64) for name in gaps}
        last = len(self.tau) - 1

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
            if k in self.position:
                for i, state in enumerate((a, b)):
                    kept = state.reshape(self.size, self.d)[:count]
                    self.states[i, self.position[k], rows] = kept
            if k == last:
                for i, state in enumerate((a, b)):
                    self.points[i, rows] = state.reshape(self.size, self.d)[:count]
                for name in gaps:
                    self.minimum[name][rows] = low[name][:count]
                    self.step[name][rows] = when[name][:count]

        return observe


def check_pair(process_a: Dynamics, process_b: Dynamics, rule: str) -> None:
    """Refuse two processes that cannot share start, clock and noise.

    Raises
    ------
    ValueError
        Naming what differs.
    """
    check_rule(process_a, rule)
    check_rule(process_b, rule)
    for name in ("dimension", "horizon"):
        a, b = getattr(process_a, name), getattr(process_b, name)
        if a != b:
            raise ValueError(f"{name} must be the same for both processes, got {a} and {b}")
    if process_a.initial.spec() != process_b.initial.spec():
        raise ValueError(
            f"initial must be the same for both processes, "
            f"got {shown(process_a.initial)} and {shown(process_b.initial)}"
        )


def couple(
    process_a: Dynamics,
    process_b: Dynamics,
    n_paths: int,
    n_steps: int,
    coupling: str = "synchronous",
    seed: int = 0,
    rule: str = "euler",
    *,
    refine: int = 1,
    observables: Sequence[str] | dict[str, Callable[..., Any]] | None = None,
    times: ArrayLike | None = None,
    time_grid: ArrayLike | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CoupledPaths:
    """Run two processes from the same start with the same noise.

    Parameters
    ----------
    process_a, process_b : ReverseProcess or Process
        With the same initial law, horizon and dimension, such as one process at two strengths.
    n_paths, n_steps, seed, rule, time_grid, threads, progress
        As in :func:`sde_compare.sample`.
    coupling : {"synchronous"}
        The same Brownian path drives both.
    refine : int
        Above 1, ``.refined`` holds the same Brownian paths at ``refine`` times as many steps: the
        normals of the coarse run are sums of those of the fine one.
    observables : sequence of {"log_ratio", "log_odds"} or dict, optional
        What to take the running minimum of, see :func:`sde_compare.observables.gap_functions`.
        Default: the first, where it is defined.
    times : array_like, optional
        Reverse times at which to keep the states; each goes to the nearest node.

    Returns
    -------
    CoupledPaths

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.
    """
    one_of("coupling", coupling, COUPLINGS)
    check_pair(process_a, process_b, rule)
    n_paths = whole_number("n_paths", n_paths, minimum=1)
    seed = whole_number("seed", seed, minimum=0)
    refine = whole_number("refine", refine, minimum=1)
    fine = subdivide(time_nodes(process_a, n_steps, time_grid), refine)
    content = run_content([process_a, process_b], fine, rule, seed, time_grid)
    strides = (1,) if refine == 1 else (refine, 1)
    tracks: list[Track] = []
    recorders = []
    for stride in strides:
        pair = [Track(process, fine, rule, stride) for process in (process_a, process_b)]
        gaps = gap_functions(process_a, process_b, pair[0].table.tau, observables)
        recorders.append(_Recorder(pair, len(tracks), n_paths, times, gaps))
        tracks.extend(pair)

    def task(block: int) -> None:
        observers = [recorder.observer(block) for recorder in recorders]

        def observe(j: int, states: Sequence[Array]) -> None:
            for observer in observers:
                observer(j, states)

        simulate_block(tracks, len(fine) - 1, block_generator(content, block), observe)

    run_blocks(task, -(-n_paths // block_size(process_a.dimension)), threads, progress)
    result = None
    for r in reversed(recorders):
        result = CoupledPaths(
            *(process_a, process_b, n_paths, len(r.tau) - 1, rule, seed, r.tau),
            *(r.points[0], r.points[1], r.tau[r.nodes], r.states[0], r.states[1]),
            *(r.minimum, r.step, content, fine),
            refined=result,
        )
    assert result is not None
    return result
