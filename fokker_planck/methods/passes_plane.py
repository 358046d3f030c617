"""Runs of the plane's Lawson method: one that chooses mesh, modes and box, one that repeats it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fokker_planck.frame_plane import RootFrame, graded_time
from fokker_planck.methods.base import SolverError
from fokker_planck.methods.lawson_plane import (
    Complex,
    PlaneProblem,
    Shape,
    Stepper,
    evaluated,
    good_size,
    resized,
)
from fokker_planck.methods.runge_kutta import MAX_STEPS, next_factor
from fokker_planck.methods.velocity_plane import VelocitySeries
from fokker_planck.model import Dynamics
from fokker_planck.tails_plane import start_outside

Array = NDArray[np.float64]
Report = Callable[[float], None]
MAX_MODES = 512
#: modes are added in this ratio; a side of the box moves by this share of its length
GROWTH, WIDER = 1.2, 0.03
#: nodes times steps of one run: some minutes for the runs together
MOST_WORK = 20_000_000
#: so many times that foreseen at so many steps in a row is too much, too
FORESEEN, PATIENCE = 4, 20
#: nodes from which on a second thread pays
LARGE = 8192
#: lengths of steps, over the horizon, whose loss of the frame is looked at
STEP_SHARES = 0.5 ** np.arange(3, 15)


@dataclass
class Output:
    """A transform, its number of nodes, its box, and what may have left the box, by side."""

    u: Complex
    shape: Shape
    problem: PlaneProblem
    left: Array


@dataclass
class PlanePass:
    """One run: its mesh, grid and box of every step, and what it gave at the outputs."""

    mesh: list[float] = field(default_factory=lambda: [0.0])
    shapes: list[Shape] = field(default_factory=list)
    boxes: list[PlaneProblem] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    evaluations: int = 0
    block: float = np.inf


class _Exit:
    """Running sums of the exit bound (docs/theory.md, N2f), with |q| and with q."""

    def __init__(self, problem: PlaneProblem) -> None:
        motion = problem.frame.at(0.0)
        start = start_outside(
            problem.process.initial, motion.centre, motion.inverse, problem.lower, problem.length
        )
        self.total = np.stack([start, start])
        self.rate: Array | None = None

    def add(self, rate: Array, h: float) -> None:
        """Add a step with the rate at its end; h = 0 sets the rate at the start of one."""
        if self.rate is not None and h > 0:
            self.total[0] += h * np.maximum(self.rate[0], rate[0])
            self.total[1] += 0.5 * h * (self.rate[1] + rate[1])
        self.rate = rate

    @property
    def left(self) -> Array:
        """The best bound over the ramps, shape (2, 2)."""
        return np.asarray(self.total[0].min(axis=-1))

    @property
    def seen(self) -> Array:
        """The same without the noise of the time steps: no bound."""
        return np.asarray(self.total[1].min(axis=-1))


def frame_steps(frame: RootFrame, tol: float) -> Callable[[float], float]:
    """Return the longest step, as a function of its start, that loses at most tol of the frame.

    Of a few lengths, and the shorter one between two of the times that are looked at.
    """
    u = np.linspace(-1.0, 1.0, 4 * len(frame.series) + 1)[:-1]
    taus = graded_time(u, frame.horizon)
    longest = np.full(taus.size, np.inf)
    for share in STEP_SHARES:
        h = np.minimum(share * frame.horizon, frame.horizon - taus)
        longest = np.where(frame.lost_size(taus, h) > tol, 0.5 * share * frame.horizon, longest)
    longest = np.minimum(longest, np.append(longest[1:], longest[-1]))
    return lambda tau: float(longest[np.searchsorted(taus, tau, side="right") - 1])


class AdaptivePass:
    """The run that chooses steps by the embedded error, modes by the spectrum, and the box.

    Parameters
    ----------
    problem : PlaneProblem
        With a box that holds the start.
    u, shape
        Transform of the start and its number of nodes.
    local_tol, mode_tol, allowed : float
        Error of a step, amplitude at the spectrum's end, probability that may leave the box:
        beyond it the box is widened and the run goes on.

    Raises
    ------
    SolverError
        If the steps collapse or the work is too much.
    """

    def __init__(
        self, problem: PlaneProblem, u: Complex, shape: Shape,
        local_tol: float, mode_tol: float, allowed: float,
    ) -> None:  # fmt: skip
        self.problem, self.u, self.shape = problem, u, shape
        self.local_tol, self.mode_tol, self.allowed = local_tol, mode_tol, allowed
        self.done, self.exit = PlanePass(), _Exit(problem)
        self.longest = frame_steps(problem.frame, 0.1 * local_tol)
        # a user's noise may change fast: the nodes of a step have to see it
        self.noise_time = 4 * float(getattr(problem.process, "noise_time", np.inf))
        self.tau, self.h = 0.0, 0.02 * problem.process.horizon
        self.work = self.hopeless = self.known = 0

    def run(self, taus: Array, report: Report) -> PlanePass:
        """Run through the output times."""
        for end, piece in self.problem.pieces():
            self.piece, self.end = piece, end
            self._place()
            while self.tau < end:
                if np.any(taus == self.tau):
                    self._note()
                if self.tau >= taus[-1]:
                    return self.done
                self._advance(min(end, float(taus[taus > self.tau][0])), report)
        self._note()
        return self.done

    def _note(self) -> None:
        self.done.outputs.append(Output(self.u, self.shape, self.problem, self.exit.left))

    def _place(self) -> None:
        """Set everything up that belongs to the present grid."""
        self.stepper = Stepper(self.problem, self.shape)
        self.series = VelocitySeries(
            self.problem, self.piece, self.shape, self.end, self.local_tol, self.done.block
        )
        beta = self.series.values(np.array([self.tau]))[0]
        self.slope = self.stepper.slope(self.u, beta, np.empty_like(self.u))
        self.exit.add(self.stepper.rate(beta, self.tau), 0.0)

    def _advance(self, stop: float, report: Report) -> None:
        """Step to a time."""
        while stop > self.tau:
            stepper, tau = self.stepper, self.tau
            self.h = min(self.h, self.noise_time, stepper.longest_step(tau), self.longest(tau))
            left = stop - tau
            pieces = np.ceil(left / self.h - 1e-9)
            trial = left / max(pieces, 1.0) if pieces <= 2 else self.h
            betas = self.series.stages(tau, trial)
            spent = self.problem.spent(np.array([tau]), np.array([trial]))[0]
            new = stepper.step(self.u, trial, self.slope, betas, spent)
            size = stepper.error(trial)
            self._count()
            factor = next_factor(size, self.local_tol)
            if not size <= self.local_tol:
                self.h = trial * factor
                if self.h < 1e-12 * self.problem.process.horizon:
                    raise SolverError(f"spectral: step size collapsed at tau = {tau:.6g}")
                continue
            rate, after = stepper.rate(betas[-1], tau + trial), _Exit(self.problem)
            after.total, after.rate = self.exit.total.copy(), self.exit.rate
            after.add(rate, trial)
            # repeat the step in a wider box, or with more modes
            small = after.seen > 0.25 * self.allowed
            if np.any(small):
                self._widen(small)
                continue
            crowded = stepper.crowded(new, self.mode_tol)
            if any(crowded):
                self._grow(crowded)
                continue
            # a step cut short by an output time says nothing against the planned one
            self.h = max(trial * factor, self.h if trial < self.h else 0.0)
            self.tau = stop if pieces <= 1 else tau + trial
            self.u, self.slope, self.exit = new, stepper.last.copy(), after
            self.done.mesh.append(self.tau)
            self.done.shapes.append(self.shape)
            self.done.boxes.append(self.problem)
            report(self.tau)
        self._tally()

    def _tally(self) -> None:
        self.done.evaluations += self.series.evaluations
        self.series.evaluations = self.known = 0
        self.done.block = self.series.length

    def _count(self) -> None:
        """Stop before minutes are spent: at the work done, or where the step foretells more."""
        nodes = self.shape[0] * self.shape[1]
        spent = 1 + (self.series.evaluations - self.known if self.series.slow else 0)
        self.work, self.known = self.work + nodes * spent, self.series.evaluations
        ahead = nodes * (self.problem.process.horizon - self.tau) / self.h
        self.hopeless = self.hopeless + 1 if self.work + ahead > FORESEEN * MOST_WORK else 0
        if self.work > MOST_WORK or self.hopeless > PATIENCE or len(self.done.mesh) > MAX_STEPS:
            raise SolverError(
                f"spectral: too much work, {self.shape[0]} x {self.shape[1]} modes and steps of "
                f"{self.h:.1e} at tau = {self.tau:.6g}: too stiff, or too narrow for one frame"
            )

    def _grow(self, crowded: list[bool]) -> None:
        """Add modes along the axes that need them."""
        n1, n2 = (
            good_size(GROWTH * n) if more else n
            for n, more in zip(self.shape, crowded, strict=True)
        )
        self._check(n1, n2)
        self._tally()
        self.u, self.shape = resized(self.u, self.shape, (n1, n2)), (n1, n2)
        self._place()

    def _check(self, n1: int, n2: int) -> None:
        if max(n1, n2) > MAX_MODES:
            raise SolverError(
                f"spectral: more than {MAX_MODES} modes along one axis at tau = {self.tau:.6g}: "
                "the law is too narrow for one frame"
            )

    def _widen(self, small: NDArray[np.bool_]) -> None:
        """Move the sides outwards that are too close: axis, side. What is added is empty."""
        old = self.problem
        move = WIDER * old.length[:, None] * small
        length = old.length + move.sum(axis=1)
        self.problem = replace(old, lower=old.lower - move[:, 0], length=length)
        n1, n2 = (
            good_size(n * ratio) if ratio > 1 else n
            for n, ratio in zip(self.shape, length / old.length, strict=True)
        )
        self._check(n1, n2)
        self._tally()
        q = evaluated(self.u, self.shape, old, self.problem.nodes((n1, n2)))
        self.u, self.shape = fft.rfft2(q), (n1, n2)
        self.exit.total[:, small] = 0.0
        self._place()


def fixed_pass(
    problem: PlaneProblem, start: Complex, shape: Shape, taus: Array, mesh: Array,
    shapes: list[Shape], tol: float, block: float, report: Report,
) -> PlanePass:  # fmt: skip
    """Run over a given mesh with given grids in one box."""
    done, exit_ = PlanePass(list(mesh), shapes), _Exit(problem)
    u, wanted = start, set(taus.tolist())
    if 0.0 in wanted:
        done.outputs.append(Output(u, shape, problem, exit_.left))
    j = 0
    with ThreadPoolExecutor(1) as pool:
        for end, piece in problem.pieces():
            while j < len(shapes) and mesh[j] < end:
                last = j
                while last < len(shapes) and mesh[last] < end and shapes[last] == shapes[j]:
                    last += 1
                u, shape = resized(u, shape, shapes[j]), shapes[j]
                run = _Stretch(problem, piece, shape, end, tol, block)
                slope = run.begin(u, float(mesh[j]), exit_)
                steps = [(float(t), float(s - t)) for t, s in pairwise(mesh[j : last + 1])]
                spent = problem.spent(*np.array(steps).T)
                for (_, h), betas, diffused in zip(
                    steps, run.ahead(pool, steps), spent, strict=True
                ):
                    u = run.stepper.step(u, h, slope, betas, diffused)
                    slope = run.stepper.last.copy()
                    j += 1
                    now = float(mesh[j])
                    exit_.add(run.stepper.rate(betas[-1], now), h)
                    if now in wanted:
                        done.outputs.append(Output(u, shape, problem, exit_.left))
                    report(now)
                done.evaluations += run.series.evaluations
                block = run.series.length
    return done


class _Stretch:
    """Steps of a fixed pass on one grid."""

    def __init__(
        self, problem: PlaneProblem, piece: Dynamics, shape: Shape, end: float,
        tol: float, block: float,
    ) -> None:  # fmt: skip
        self.stepper = Stepper(problem, shape)
        self.series = VelocitySeries(problem, piece, shape, end, tol, block)

    def begin(self, u: Complex, tau: float, exit_: _Exit) -> Complex:
        """Return the slope at the start."""
        beta = self.series.values(np.array([tau]))[0]
        slope = self.stepper.slope(u, beta, np.empty_like(u))
        exit_.add(self.stepper.rate(beta, tau), 0.0)
        return slope

    def ahead(self, pool: ThreadPoolExecutor, steps: list[tuple[float, float]]) -> Iterator[Array]:
        """Yield the velocities of each step; on large grids the next are made meanwhile."""
        if np.prod(self.stepper.shape) < LARGE:
            yield from (self.series.stages(*step) for step in steps)
            return
        pending = pool.submit(self._quietly, *steps[0])
        for after in (*steps[1:], None):
            betas = pending.result()
            if after is not None:
                pending = pool.submit(self._quietly, *after)
            yield betas

    def _quietly(self, tau: float, h: float) -> Array:
        """Return velocities; the caller's floating-point settings do not reach a thread."""
        with np.errstate(all="ignore"):
            return self.series.stages(tau, h)
