"""Fourier pseudo-spectral method for noisy processes: box, resolutions, and error.

The first run chooses steps and modes (``lawson``); the second repeats it with every step halved,
a quarter more modes and a box that is a little narrower. Their difference shows the error in time
and space, which belongs to the first (the second, which is returned, is better by the order of
the method), and that of the box, which belongs to the second.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.frame import Frame, graded_integral, integral_at, moment_frame
from fokker_planck.functionals import watched
from fokker_planck.methods.base import Progress, SolverError
from fokker_planck.methods.framed import Family, Problem, Stack
from fokker_planck.methods.lawson import COARSER, MAX_MODES, Pass, adaptive_pass, fixed_pass
from fokker_planck.methods.modes import good_size, resized, to_modes, to_nodes
from fokker_planck.methods.runge_kutta import halved
from fokker_planck.model import Dynamics
from fokker_planck.model.dynamics import breaks_of
from fokker_planck.pilot import Outer, pilot_times, run_pilots
from fokker_planck.readings import GridReading
from fokker_planck.runs import Budget, grid_run
from fokker_planck.tails import TailBound, tail_bound

Array = NDArray[np.float64]
Found = tuple[GridReading, dict[str, Any]]
#: what was read off to judge a run: values and budgets by name
Judged = dict[str, tuple[Array, Budget]]
N_ATTEMPTS = 5
#: how many more modes the second run has
FINER = 1.15
#: nodes per mode on which functionals are summed: they may vary faster than the density
OVERSAMPLING = (4, 16, 64, 256, 1024)
MOST_NODES = 1 << 17
#: more steps than this, and an implicit method is faster
MOST_STEPS = 6_000
#: local errors and amplitudes below this are rounding
LEAST_TOL = 3e-14
#: of one step, of the spectrum's end, and of the pilot's mass beyond the box: what is allowed at
#: first, as shares of the tolerance, and at most
STEP_SHARE, MODE_SHARE, BOX_SHARE = 0.3, 1e-2, 1e-4
MOST = (5e-7, 1e-8, 1e-10)
LEAST_LEVEL = 1e-18
#: the first run's box is wider: for a level this many times lower, down to the least one
WIDER, LEAST_WIDE = 1e-2, 1e-19
#: and it adds multiples of the second box's length over UNITS
UNITS = 64
#: the spectrum's end of the second run must be as empty as that of the first, but for rounding
NOISE = 1e-11
#: a share of the tolerance that the runs' difference, and the tail, may take
ENOUGH = 0.9


def framed(
    process: Dynamics,
    frame: Frame | None = None,
    bound: TailBound | None = None,
    series: Array | None = None,
) -> Problem:
    """Return a problem in its outer box: where the tail bound puts it.

    Parameters
    ----------
    process : Dynamics
    frame : Frame, optional
        Another process's frame, to share it.
    bound : TailBound, optional
        Its tail bound, where it is known already.
    series : ndarray, optional
        The integral of the diffusivity in that frame, from a process with the same noise.

    Raises
    ------
    SolverError
        If no finite box is known, or the noise vanishes or is not smooth in time.
    """
    bound = tail_bound(process, spare=True) if bound is None else bound
    if not (np.all(np.isfinite(bound.static_box())) or np.all(np.isfinite(bound.lipschitz))):
        raise SolverError("spectral: no tail bound gives a usable box")
    frame = moment_frame(process) if frame is None else frame
    m, s, _, _ = frame.at(bound.taus)
    lower, upper = bound.interval(mean=m, slack=1.0)
    low, high = float(((lower - m) / s).min()), float(((upper - m) / s).max())
    if not np.isfinite(high - low) or high - low > 1e4:
        raise SolverError("spectral: no tail bound gives a usable box")

    if series is None:
        series = _diffusion_series(process, frame, bound.taus)
    return Problem(process, frame, low, high - low, series, bound, None)


def _diffusion_series(process: Dynamics, frame: Frame, taus: Array) -> Array:
    horizon = process.horizon

    def rate(tau: Array) -> Array:
        return np.asarray(0.5 * np.asarray(process.noise(tau)) ** 2 / frame.at(tau)[1] ** 2)

    series, smooth = graded_integral(rate, horizon)
    noise_time = float(getattr(process, "noise_time", np.inf))
    if np.isfinite(noise_time):
        # a user's noise may hide between the nodes of a series: hold it against a dense sum
        times = np.linspace(0.0, horizon, 8193)
        dense = float(np.trapezoid(rate(times), times))
        smooth = smooth and abs(float(integral_at(series, horizon, horizon)) - dense) < 1e-5 * dense
    if not smooth or np.any(rate(taus) <= 0):
        raise SolverError("spectral: the noise amplitude vanishes or is not smooth in time")
    return series


def with_pilots(problems: list[Problem]) -> list[Problem]:
    """Return problems of one horizon with their pilots, which are computed together."""
    process = problems[0].process
    taus = pilot_times(process.horizon, breaks_of(process))

    def outer(problem: Problem) -> Outer:
        box = (problem.lower, problem.lower + problem.length)
        return Outer(
            lambda times, y: problem.velocity(times, y, problem.process),
            problem.diffusivity,
            problem.start_density,
            box,
        )

    pilots = run_pilots([outer(problem) for problem in problems], taus)
    return [replace(item, pilot=pilot) for item, pilot in zip(problems, pilots, strict=True)]


def pose(process: Dynamics) -> Problem:
    """Choose frame and outer box, and run the pilot inside.

    Raises
    ------
    SolverError
        As :func:`framed`.
    """
    return with_pilots([framed(process)])[0]


def boxed(problems: list[Problem], level: float, common: bool) -> list[Problem]:
    """Return the problems in inner boxes, or in one common box.

    Raises
    ------
    SolverError
        If stability asks for too many steps there.
    """
    inner = [problem.boxed(level) for problem in problems]
    if common:
        low = min(problem.lower for problem in inner)
        high = max(problem.lower + problem.length for problem in inner)
        inner = [replace(problem, lower=low, length=high - low) for problem in inner]
    # in a common frame the speed is convex along a family of drifts: its ends have the largest
    asked = [inner[0], inner[-1]] if common else inner
    steps = max(problem.expected_steps() for problem in asked)
    if steps > MOST_STEPS:
        raise SolverError(
            f"spectral: about {steps:.1g} explicit steps, more than {MOST_STEPS}: too stiff"
        )
    return inner


def widened(inner: list[Problem], level: float, common: bool) -> tuple[list[Problem], Array]:
    """Return the problems in boxes for a lower level, and how many units these add at each end.

    A unit is the inner box's length over UNITS, so that both boxes have nodes in common.
    """
    outer = [problem.boxed(level) for problem in inner]
    added = np.zeros((len(inner), 2), dtype=int)
    for row, (old, new) in enumerate(zip(inner, outer, strict=True)):
        ends = old.lower - new.lower, new.lower + new.length - old.lower - old.length
        added[row] = np.ceil(np.maximum(ends, 0.0) * UNITS / old.length)
    if common:
        added[:] = added.max(axis=0)
    units = [problem.length / UNITS for problem in inner]
    wide = [
        replace(old, lower=old.lower - more[0] * unit, length=(UNITS + more.sum()) * unit)
        for old, more, unit in zip(inner, added, units, strict=True)
    ]
    return wide, added


def solve_spectral(
    process: Dynamics, taus: Array, tol: float, progress: Progress | None,
) -> Found:  # fmt: skip
    """Solve the Fokker-Planck equation of a noisy 1-D process.

    Parameters
    ----------
    process : Dynamics
        One-dimensional, noise amplitude positive.
    taus : ndarray, shape (m,)
        Output times.
    tol : float
        Requested error of entropy, mean and posterior mass.
    progress : callable or None

    Raises
    ------
    SolverError
        If no box is known or the step size collapses.
    """
    if process.deterministic:
        raise ValueError("method spectral needs noise_level > 0 (the SDE sampler)")
    reading, cost, _ = solve_posed([pose(process)], None, taus, tol, progress)[0]
    return reading, cost


def solve_posed(
    problems: list[Problem],
    family: Family | None,
    taus: Array,
    tol: float,
    progress: Progress | None,
) -> list[tuple[GridReading, dict[str, Any], Judged]]:
    """Solve problems together, on one mesh: ``family`` says that they share a frame.

    Raises
    ------
    SolverError
        As :func:`solve_spectral`.
    """
    shares = (STEP_SHARE, MODE_SHARE, BOX_SHARE)
    local_tol, mode_tol, level = (
        min(share * tol, most) for share, most in zip(shares, MOST, strict=True)
    )
    horizon = problems[0].process.horizon
    readings: list[tuple[GridReading, Judged]] = []
    for attempt in range(N_ATTEMPTS):
        local_tol, mode_tol = max(local_tol, LEAST_TOL), max(mode_tol, LEAST_TOL)
        level = max(level, LEAST_LEVEL)
        inner = boxed(problems, level, family is not None)
        wide, added = widened(inner, max(WIDER * level, LEAST_WIDE), family is not None)
        wider, stack = Stack(wide, family), Stack(inner, family)

        def report(tau: float, base: float = 0.0, share: float = 0.3, a: int = attempt) -> None:
            if progress is not None:
                progress(a + base + share * tau / horizon, N_ATTEMPTS)

        start = _start(wider, mode_tol)
        first = adaptive_pass(wider, start, taus, local_tol, mode_tol, report)
        mesh = halved(np.array(first.mesh))
        finer = FINER * float((stack.lengths / wider.lengths).max())
        modes = [good_size(finer * k) for k in first.modes for _ in (0, 1)]
        n_fine = modes[0] if modes else good_size(finer * (start.shape[-1] - 2))
        fine, tip = fixed_pass(
            stack, to_modes(stack.start(n_fine)), taus, mesh, modes,
            lambda tau: report(tau, 0.3, 0.7),
        )  # fmt: skip
        if not tip <= max(10 * mode_tol, NOISE):
            # what is stable for fewer modes need not be so for more: both runs anew
            local_tol, mode_tol = 0.05 * local_tol, 0.05 * mode_tol
            continue
        readings = _readings(stack, added, taus, first, mesh, fine, tol)
        budgets = [budget for _, judged in readings for _, budget in judged.values()]
        worst = max(float((b["resolution"] + b["frame"]).max()) for b in budgets)
        tail = max(float(b["tail"].max()) for b in budgets)
        resolved = worst <= ENOUGH * tol or max(local_tol, mode_tol) <= LEAST_TOL
        resolved = resolved or max([n_fine, *modes]) >= MAX_MODES
        if resolved and (tail <= 0.1 * tol or level <= LEAST_LEVEL):
            break
        if not resolved:
            cut = float(np.clip(0.2 * tol / worst, 1e-3, 0.2))
            local_tol, mode_tol = cut * local_tol, cut * mode_tol
        if tail > 0.1 * tol:
            level *= float(np.clip(0.1 * tol / tail, 1e-6, 0.1))
    else:
        if not readings:
            raise SolverError("spectral: unstable at the steps that the error allows")
    cost = {
        "steps": mesh.size - 1,
        "modes": max([n_fine, *modes]),
        "evaluations": 12 * (mesh.size - 1),
        "local_error_sum": first.local_error,
    }
    return [(reading, dict(cost), judged) for reading, judged in readings]


def _start(stack: Stack, mode_tol: float) -> Array:
    """Return the coefficients of the starts, on as many nodes as resolve them."""
    n = good_size(max(32, 2.6 * float(stack.lengths.max())))
    while True:
        u = to_modes(stack.start(n))
        top = np.abs(u[:, 2 * int(COARSER * (n // 2)) :]).max(axis=1)
        if np.all(top <= mode_tol * np.abs(u[:, 0])) or n >= MAX_MODES:
            return u
        n = good_size(1.35 * n)


def _readings(
    stack: Stack,
    added: Array,
    taus: Array,
    first: Pass,
    mesh: Array,
    fine: list[Array],
    tol: float,
) -> list[tuple[GridReading, Judged]]:
    """Return per row the reading, and what was read to judge it."""
    out = []
    coarse_mesh, means = np.array(first.mesh), np.array(first.means)
    modes = max(u.shape[-1] - 2 for u in fine)
    mismatch: list[Array] = []
    for row, problem in enumerate(stack.problems):
        if not mismatch or stack.family is None:
            mismatch = [np.interp(taus, mesh, sums) for sums in problem.frame_mismatch(mesh)]
        shift, stretch = (sums[:, None] for sums in mismatch)
        # where this box lies in the first run's, in units
        begin, units = int(added[row, 0]), UNITS + int(added[row].sum())
        tail = problem.tail(taus, coarse_mesh, means[:, row])
        far = problem.far_tail(taus, coarse_mesh, means[:, row])
        for oversampling in OVERSAMPLING:
            each = 2 * int(np.ceil(0.5 * oversampling * modes / UNITS))
            n, outer = UNITS * each, units * each
            y = problem.nodes(n)
            m, s, _, _ = (item[:, None] for item in problem.frame.at(taus))
            dy = problem.length / n
            best = np.array([to_nodes(resized(u[row], n), n) for u in fine])
            companion = np.array([to_nodes(resized(u[row], outer), outer) for u in first.outputs])[
                :, begin * each : begin * each + n
            ]
            run = grid_run(taus, m + s * y, best / s, np.broadcast_to(s * dy, best.shape))
            moved = best * (shift / s + np.abs(y) * stretch)
            companions = {
                "resolution": companion * dy,
                "frame": best * dy + np.gradient(moved, axis=1),
            }
            reading = GridReading(run, companions, tail, far)
            judged = {item.name: reading.read(item) for item in watched(problem.process)}
            rough = max(float(budget["quadrature"].max()) for _, budget in judged.values())
            if rough <= 0.1 * tol or 4 * n > MOST_NODES:
                break
        out.append((reading, judged))
    return out
