"""Fourier pseudo-spectral method for noisy processes: box, resolutions, and error.

The first run chooses steps and modes (``lawson``); the second repeats it with every step halved
and a quarter more modes. Their difference is the error in time and space together, and belongs to
the first: the second, which is returned, is better by the order of the method.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fokker_planck.frame import graded_integral, integral_at, moment_frame
from fokker_planck.methods.base import Progress, SolverError
from fokker_planck.methods.characteristics import watched
from fokker_planck.methods.lawson import (
    COARSER,
    MAX_MODES,
    Pass,
    Problem,
    adaptive_pass,
    fixed_pass,
    good_size,
    resized,
)
from fokker_planck.methods.runge_kutta import halved
from fokker_planck.model import Dynamics
from fokker_planck.pilot import run_pilot
from fokker_planck.readings import GridReading
from fokker_planck.runs import grid_run
from fokker_planck.tails import tail_bound

Array = NDArray[np.float64]
N_ATTEMPTS = 4
#: how many more modes the second run has
FINER = 1.25
#: nodes per mode on which functionals are summed: they may vary faster than the density
OVERSAMPLING = (4, 16, 64, 256, 1024)
MOST_NODES = 1 << 17
#: more steps than this, and an implicit method is faster
MOST_STEPS = 6_000
#: local errors and amplitudes below this are rounding
LEAST_TOL = 3e-14


def pose(process: Dynamics) -> Problem:
    """Choose frame and box: outer ends from the tail bound, inner ones from a pilot inside.

    Raises
    ------
    SolverError
        If no finite box is known, or the noise vanishes or is not smooth in time.
    """
    bound = tail_bound(process)
    if not (np.all(np.isfinite(bound.static_box())) or np.all(np.isfinite(bound.lipschitz))):
        raise SolverError("spectral: no tail bound gives a usable box")
    frame = moment_frame(process)
    horizon = process.horizon
    m, s, _, _ = frame.at(bound.taus)
    lower, upper = bound.interval(mean=m, slack=1.0)
    low, high = float(((lower - m) / s).min()), float(((upper - m) / s).max())
    if not np.isfinite(high - low) or high - low > 1e4:
        raise SolverError("spectral: no tail bound gives a usable box")

    def rate(tau: Array) -> Array:
        return np.asarray(0.5 * np.asarray(process.noise(tau)) ** 2 / frame.at(tau)[1] ** 2)

    series, smooth = graded_integral(rate, horizon)
    noise_time = float(getattr(process, "noise_time", np.inf))
    if np.isfinite(noise_time):
        # a user's noise may hide between the nodes of a series: hold it against a dense sum
        times = np.linspace(0.0, horizon, 8193)
        dense = float(np.trapezoid(rate(times), times))
        smooth = smooth and abs(float(integral_at(series, horizon, horizon)) - dense) < 1e-5 * dense
    if not smooth or np.any(rate(bound.taus) <= 0):
        raise SolverError("spectral: the noise amplitude vanishes or is not smooth in time")
    outer = Problem(process, frame, low, high - low, series, bound, None)
    pilot = run_pilot(outer.velocity, rate, outer.start_density, (low, high), horizon)
    low, high = pilot.box()
    # a margin against the wrap-around of the periodic box
    margin = 0.02 * (high - low)
    problem = Problem(process, frame, low - margin, high - low + 2 * margin, series, bound, pilot)
    steps = problem.expected_steps()
    if steps > MOST_STEPS:
        raise SolverError(
            f"spectral: about {steps:.1g} explicit steps, more than {MOST_STEPS}: too stiff"
        )
    return problem


def initial_modes(problem: Problem, n: int) -> Array:
    """Return the transform of the start on n nodes."""
    return np.asarray(fft.rfft(problem.start_density(problem.nodes(n))))


def solve_spectral(
    process: Dynamics, taus: Array, tol: float, progress: Progress | None,
) -> tuple[GridReading, dict[str, Any]]:  # fmt: skip
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
    problem = pose(process)
    local_tol, mode_tol = max(2e-3 * tol, LEAST_TOL), max(0.01 * tol, LEAST_TOL)
    for attempt in range(N_ATTEMPTS):
        n = good_size(max(64, 2.6 * problem.length))
        start = initial_modes(problem, n)
        while np.abs(start[int(COARSER * n / 2) :]).max() > mode_tol * np.abs(start[0]):
            if n >= MAX_MODES:
                break
            n = good_size(1.35 * n)
            start = initial_modes(problem, n)

        def report(tau: float, base: float = 0.0, share: float = 1.0, a: int = attempt) -> None:
            if progress is not None:
                progress(a + base + share * tau / process.horizon, N_ATTEMPTS)

        first = adaptive_pass(
            problem, start, n, taus, local_tol, mode_tol, partial(report, share=0.3)
        )
        mesh = halved(np.array(first.mesh))
        modes = [good_size(FINER * k) for k in first.modes for _ in (0, 1)]
        n_fine = modes[0] if modes else good_size(FINER * n)
        fine = fixed_pass(
            problem, initial_modes(problem, n_fine), n_fine, taus, mesh, modes,
            partial(report, base=0.3, share=0.7),
        )  # fmt: skip
        if not all(np.all(np.isfinite(u)) for u, _ in fine):
            raise SolverError("spectral: unstable at the steps that the error allows")
        for oversampling in OVERSAMPLING:
            reading = _read_off(problem, taus, first, mesh, fine, oversampling)
            budgets = [reading.read(functional)[1] for functional in watched(process)]
            rough = max(float(budget["quadrature"].max()) for budget in budgets)
            if rough <= 0.1 * tol or 4 * reading.best.points.shape[1] > MOST_NODES:
                break
        worst = max(float((b["resolution"] + b["frame"]).max()) for b in budgets)
        if worst <= 0.6 * tol:
            break
        cut = max(min(0.1, 0.1 * tol / worst), 1e-3)
        if max([n, *first.modes]) >= MAX_MODES or max(local_tol, mode_tol) <= LEAST_TOL:
            break
        local_tol, mode_tol = max(local_tol * cut, LEAST_TOL), max(mode_tol * cut, LEAST_TOL)
    cost = {
        "steps": mesh.size - 1,
        "modes": max([n_fine, *modes]),
        "evaluations": 12 * (mesh.size - 1),
        "local_error_sum": first.local_error,
    }
    return reading, cost


def _read_off(
    problem: Problem,
    taus: Array,
    first: Pass,
    mesh: Array,
    fine: list[tuple[Array, int]],
    oversampling: int,
) -> GridReading:
    n = good_size(oversampling * max(size for _, size in fine))
    y = problem.nodes(n)
    m, s, _, _ = (item[:, None] for item in problem.frame.at(taus))
    dy = problem.length / n

    def densities(outputs: list[tuple[Array, int]]) -> Array:
        return np.array([fft.irfft(resized(u, size, n), n) for u, size in outputs])

    best, companion = densities(fine), densities(first.outputs)
    run = grid_run(taus, m + s * y, best / s, np.broadcast_to(s * dy, best.shape))
    tail = problem.tail(taus, np.array(first.mesh), np.array(first.means))
    shift, stretch = (np.interp(taus, mesh, sums)[:, None] for sums in problem.frame_mismatch(mesh))
    moved = best * (shift / s + np.abs(y) * stretch)
    companions = {
        "resolution": companion * dy,
        "frame": best * dy + np.gradient(moved, axis=1),
    }
    far = problem.far_tail(taus, np.array(first.mesh), np.array(first.means))
    return GridReading(run, companions, tail, far)
