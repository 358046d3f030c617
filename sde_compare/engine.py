"""Blocks of paths, stepped in place: one noise stream drives any number of tracks.

Reproducible to the bit: paths come in blocks of a fixed size, every block owns a generator whose
seed is computed from the content of the run and the number of the block, and a block is always
simulated whole. So results depend neither on the number of threads nor on the order of blocks,
and the first paths of a longer run are those of a shorter one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Protocol

import numpy as np
from numpy.random import SFC64, Generator, SeedSequence
from numpy.typing import NDArray

from fokker_planck.model import Dynamics, GuidedProcess, content_seed
from fokker_planck.model.checks import whole_number
from fokker_planck.model.frozen import FrozenScore, freezes
from sde_compare.rules import noise_weights, step_table

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
Observer = Callable[[int, Sequence[Array]], None]

# Numbers per block. Part of the definition of every random stream: another value gives other
# paths. A block and its scratch space stay in a second-level cache, and a call into NumPy lasts
# long enough for two threads not to wait for each other (benchmarks/sampling.py).
BLOCK_VALUES = 8192


def block_size(dimension: int) -> int:
    """Return the number of paths in a block."""
    return max(1, BLOCK_VALUES // dimension)


def numeric_content(process: Dynamics, tau: Array) -> Any:
    """Return plain data that identifies a process; of a user's functions only numbers count."""
    if isinstance(process, GuidedProcess):
        return process.spec()
    noise = [float(process.noise(s)) for s in tau]
    return {"initial": process.initial.spec(), "horizon": process.horizon, "noise": noise}


def block_generator(content: Any, block: int) -> Generator:
    """Return the generator of one block, from content and number alone."""
    return Generator(SFC64(SeedSequence(content_seed(content, block))))


class Track:
    """One process stepped on every ``stride``-th node of a grid.

    Parameters
    ----------
    process : Dynamics
        The process.
    tau : ndarray, shape (n * stride + 1,)
        The fine grid, one normal variate per step and coordinate.
    rule : str
        The step rule.
    stride : int
        Fine steps per step of this track.
    sign : float
        -1 turns the noise round: the antithetic path.
    """

    def __init__(
        self, process: Dynamics, tau: Array, rule: str, stride: int = 1, sign: float = 1.0
    ) -> None:
        self.process = process
        self.stride = stride
        self.table = step_table(process, tau[::stride], rule)
        self.amplitude = sign * self.table.noise
        self.noisy = bool(np.any(self.table.noise > 0))
        self.weights = noise_weights(process, tau, rule, stride) if stride > 1 else None
        self.frozen = None
        if freezes(process):
            self.frozen = FrozenScore(process, self.table.tau)
            self.linear = self.table.linear + self.table.score * self.frozen.slope[:-1]
            self.shift = self.table.score * self.frozen.intercept[:-1]

    def start(self, x: Array) -> Runner:
        """Return a block at its starting points, shape (n,) in 1-D, else (n, d)."""
        return Runner(self, x)


class Stepper(Protocol):
    """One or two states of a block, fed fine normals and, if ``timed``, exponential clocks."""

    noisy: bool
    timed: bool

    @property
    def states(self) -> Sequence[Array]:
        """The current points, changed in place."""

    def feed(self, j: int, xi: Array, clock: Array) -> None:
        """Take normals number ``j``, shape of a state, and clocks, shape (n,); keep both intact."""


class Runner:
    """The state of one block on one track."""

    timed = False

    def __init__(self, track: Track, x: Array) -> None:
        self.track = track
        self.noisy = track.noisy
        self.x = x.copy()
        self.scratch = np.empty_like(x)
        self.total = np.empty_like(x) if track.weights is not None else None
        self.work = track.frozen.workspace(len(x)) if track.frozen is not None else None

    @property
    def states(self) -> tuple[Array]:
        """The current points."""
        return (self.x,)

    def feed(self, j: int, xi: Array, clock: Array | None = None) -> None:
        """Take fine normals number ``j``; step when the stride is full. No clock is needed."""
        gathered = self.gather(j, xi)
        if gathered is not None:
            k = j // self.track.stride
            self.advance(k)
            self.add_noise(k, gathered)

    def gather(self, j: int, xi: Array) -> Array | None:
        """Return the normals of the whole step where fine step ``j`` ends one, else None."""
        track = self.track
        k, part = divmod(j, track.stride)
        if track.weights is None or self.total is None:
            return xi
        if track.noisy:
            target = self.scratch if part else self.total
            np.multiply(xi, track.weights[k, part], out=target)
            if part:
                self.total += target
        return None if part < track.stride - 1 else self.total

    def advance(self, k: int) -> None:
        """Move to the mean of step ``k``."""
        track, x, table = self.track, self.x, self.track.table
        if track.frozen is not None and self.work is not None:
            guidance = track.frozen.guidance(k, float(table.score[k]), x, self.work)
            x *= track.linear[k]
            x += track.shift[k]
            if guidance is not None:
                x += guidance
        else:
            process, tau = track.process, float(table.tau[k])
            field = process.score if isinstance(process, GuidedProcess) else process.drift
            np.multiply(field(x, tau), table.score[k], out=self.scratch)
            x *= table.linear[k]
            x += self.scratch

    def add_noise(self, k: int, xi: Array) -> None:
        """Add the noise of step ``k``."""
        if self.track.table.noise[k] > 0:
            np.multiply(xi, self.track.amplitude[k], out=self.scratch)
            self.x += self.scratch


def block_start(process: Dynamics, rng: Generator) -> Array:
    """Draw the starting points of a block, shape (n,) in 1-D, else (n, d)."""
    start = process.initial.sample(block_size(process.dimension), rng)
    return np.ascontiguousarray(start[:, 0] if process.dimension == 1 else start)


def simulate_block(
    tracks: Sequence[Track],
    n_fine: int,
    rng: Generator,
    observe: Observer | None = None,
) -> list[Array]:
    """Run one block of paths from the same start with the same noise on every track.

    Parameters
    ----------
    tracks : sequence of Track
        What to run; the first one's process gives the initial law.
    n_fine : int
        Number of fine steps.
    rng : Generator
        Of this block.
    observe : callable, optional
        ``observe(j, states)`` after fine step j = 0..n_fine (0: the start).

    Returns
    -------
    list of ndarray
        Output points of every track, shape (n,) in 1-D, else (n, d).
    """
    x = block_start(tracks[0].process, rng)
    return drive([track.start(x) for track in tracks], n_fine, rng, observe)


def drive(
    steppers: Sequence[Stepper], n_fine: int, rng: Generator, observe: Observer | None = None
) -> list[Array]:
    """Step a block from where it stands; arguments and result as in :func:`simulate_block`."""
    states = [x for stepper in steppers for x in stepper.states]
    noisy = any(stepper.noisy for stepper in steppers)
    timed = any(stepper.timed for stepper in steppers)
    xi, clock = np.zeros_like(states[0]), np.zeros(len(states[0]))
    with np.errstate(over="ignore", under="ignore"):
        if observe is not None:
            observe(0, states)
        for j in range(n_fine):
            if noisy:
                rng.standard_normal(out=xi)
            if timed:
                rng.standard_exponential(out=clock)
            for stepper in steppers:
                stepper.feed(j, xi, clock)
            if observe is not None:
                observe(j + 1, states)
    return states


def available_threads() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_blocks(
    task: Callable[[int], None],
    n_blocks: int,
    threads: int | None,
    progress: Progress | None,
    order: Iterable[int] | None = None,
) -> None:
    """Run ``task(block)`` for every block, on threads; ``progress(done, total)`` after each.

    ``order`` changes only the order in which blocks are started.
    """
    if threads is None:
        threads = available_threads()
    threads = min(whole_number("threads", threads, minimum=1), n_blocks)
    schedule = range(n_blocks) if order is None else list(order)
    if progress is not None:
        progress(0, n_blocks)
    if threads == 1:
        for done, block in enumerate(schedule, start=1):
            task(block)
            if progress is not None:
                progress(done, n_blocks)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        for done, future in enumerate(as_completed([pool.submit(task, b) for b in schedule]), 1):
            future.result()
            if progress is not None:
                progress(done, n_blocks)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
