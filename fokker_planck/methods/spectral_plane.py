"""Fourier pseudo-spectral method for noisy processes in the plane: box, resolutions, and error.

The first run chooses steps and modes (``lawson_plane``) and finds a box that holds the law; the
second repeats it with every step halved and a quarter more modes along each axis. Their difference
is the error in time and space together, and belongs to the first: the second is returned.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import ndtri

from fokker_planck.frame_plane import RootFrame, root_frame
from fokker_planck.functionals import watched
from fokker_planck.methods.base import Progress, SolverError
from fokker_planck.methods.lawson_plane import (
    Complex,
    PlaneProblem,
    Shape,
    evaluated,
    good_size,
    resized,
)
from fokker_planck.methods.passes_plane import (
    GROWTH,
    MAX_MODES,
    AdaptivePass,
    PlanePass,
    fixed_pass,
)
from fokker_planck.model import Dynamics
from fokker_planck.readings import GridReading
from fokker_planck.runs import EPS, grid_run
from fokker_planck.tails_plane import DEPTHS

Array = NDArray[np.float64]
N_ATTEMPTS = 3
N_SPLITS = 4
#: how many more modes along each axis the second run has
FINER = 1.25
#: nodes per mode and axis on which functionals are summed: they may vary faster than the density
OVERSAMPLING = (2, 4, 8, 16)
MOST_NODES = 1 << 19
LEAST_MODES = 32
#: local errors, amplitudes and lost probabilities below these are rounding
LEAST_TOL, LEAST_LOSS = 3e-14, 1e-15


def first_box(process: Dynamics, frame: RootFrame, level: float) -> tuple[Array, Array]:
    """Return lower and upper ends in y of a box that holds the start, with room for the ramps.

    All but about ``level`` on each side.
    """
    law = process.initial
    motion = frame.at(0.0)
    reach = -float(ndtri(level))
    mean = (law.means - motion.centre) @ motion.inverse.T
    deviation = np.sqrt(np.einsum("ij,kjl,il->ki", motion.inverse, law.covariances, motion.inverse))
    lower = (mean - reach * deviation).min(axis=0)
    upper = (mean + reach * deviation).max(axis=0)
    room = DEPTHS[0] / (1 - 2 * DEPTHS[0]) * (upper - lower)
    return lower - room, upper + room


def _start(problem: PlaneProblem, mode_tol: float) -> tuple[Complex, Shape]:
    """Return the transform of the start on as many nodes as it takes."""
    shape = (LEAST_MODES, LEAST_MODES)
    while True:
        u = fft.rfft2(problem.start_density(shape))
        n1, n2 = shape
        size = mode_tol * abs(u[0, 0])
        # the middle of the first axis and the end of the second are the highest modes
        crowded = [
            np.abs(part).max() > size
            for part in (u[int(0.4 * n1) : n1 - int(0.4 * n1) + 1], u[:, int(0.4 * n2) :])
        ]
        if not any(crowded):
            return u, shape
        n1, n2 = (good_size(GROWTH * n) if c else n for n, c in zip(shape, crowded, strict=True))
        shape = (n1, n2)
        if max(shape) > MAX_MODES:
            raise SolverError(f"spectral: the start needs more than {MAX_MODES} modes on an axis")


def solve_spectral_plane(
    process: Dynamics, taus: Array, tol: float, progress: Progress | None,
) -> tuple[GridReading, dict[str, Any]]:  # fmt: skip
    """Solve the Fokker-Planck equation of a noisy process in the plane.

    Parameters
    ----------
    process : Dynamics
        Two-dimensional, noise amplitude positive.
    taus : ndarray, shape (m,)
        Output times.
    tol : float
        Requested error of entropy, mean and posterior mass.
    progress : callable or None

    Raises
    ------
    ValueError
        If the process has no noise.
    SolverError
        If the law leaves every box, or is too narrow for one frame, or the step size collapses.

    Notes
    -----
    docs/theory.md, N2f and N3e. In memory: thirteen slopes, twelve decay factors and twenty
    coefficients of the velocity, each of the size of the grid, and the outputs.
    """
    if process.deterministic:
        raise ValueError("method spectral needs noise_level > 0 (the SDE sampler)")
    if not np.any(np.asarray(process.noise(np.linspace(0.0, process.horizon, 1025)))):
        raise SolverError("spectral: the noise amplitude vanishes")
    frame = root_frame(process)
    local_tol, mode_tol = max(0.2 * tol, LEAST_TOL), max(0.2 * tol, LEAST_TOL)
    allowed = max(4e-3 * tol, LEAST_LOSS)
    lower, upper = first_box(process, frame, 1e-3 * allowed)
    oversampling = OVERSAMPLING[0]
    for attempt in range(N_ATTEMPTS):

        def report(tau: float, base: float = 0.0, share: float = 1.0, a: int = attempt) -> None:
            if progress is not None:
                progress(a + base + share * tau / process.horizon, N_ATTEMPTS)

        problem = PlaneProblem(process, frame, lower, upper - lower)
        run = AdaptivePass(problem, *_start(problem, mode_tol), local_tol, mode_tol, allowed)
        first = run.run(taus, partial(report, share=0.3))
        problem = run.problem
        lower, upper = problem.lower, problem.lower + problem.length
        mesh, parent = finer_mesh(problem, first, 0.02 * tol)
        shapes = [_finer(first.shapes[j], first.boxes[j], problem) for j in parent]
        begin = shapes[0] if shapes else _finer(run.shape, problem, problem)
        fine = fixed_pass(
            problem, fft.rfft2(problem.start_density(begin)), begin, taus, mesh, shapes,
            0.1 * local_tol, 0.8 * first.block, partial(report, base=0.3, share=0.7),
        )  # fmt: skip
        if not all(np.all(np.isfinite(out.u)) for out in fine.outputs):
            raise SolverError("spectral: unstable at the steps that the error allows")
        reading, oversampling, worst = _fine_enough(
            process, problem, taus, first, fine, oversampling, tol
        )
        if worst <= 0.8 * tol or max(local_tol, mode_tol) <= LEAST_TOL:
            break
        cut = max(min(0.1, 0.1 * tol / worst), 1e-3)
        local_tol, mode_tol = max(local_tol * cut, LEAST_TOL), max(mode_tol * cut, LEAST_TOL)
        allowed = max(allowed * cut, LEAST_LOSS)
    cost = {
        "steps": mesh.size - 1,
        "modes": max(n for item in [begin, *shapes] for n in item),
        "evaluations": first.evaluations + fine.evaluations,
    }
    return reading, cost


def _finer(shape: Shape, box: PlaneProblem, last: PlaneProblem) -> Shape:
    """Return a quarter more nodes, and as many more as the last box is longer."""
    n1, n2 = (
        good_size(FINER * n * ratio)
        for n, ratio in zip(shape, last.length / box.length, strict=True)
    )
    return n1, n2


def finer_mesh(problem: PlaneProblem, first: PlanePass, tol: float) -> tuple[Array, list[int]]:
    """Return the second run's mesh, and for each step the one of the first run that it is part of.

    Every step is halved; cut in more pieces where the box was smaller, since the speed at its ends
    times the highest wavenumber bounds a stable step; and halved again where the frame is lost.
    """
    pieces = [
        max(2, math.ceil(FINER**2 * float(np.max(problem.reach / box.reach))))
        for box in first.boxes
    ]
    parent = np.repeat(np.arange(len(pieces)), pieces)
    ends = [first.mesh[:1]]
    for k, (a, b) in zip(pieces, pairwise(first.mesh), strict=True):
        ends.append([*(a + (b - a) * i / k for i in range(1, k)), b])
    mesh = np.concatenate(ends)
    for _ in range(N_SPLITS):
        gap = problem.frame.lost_size(mesh[:-1], np.diff(mesh))
        bad = gap > max(tol, LEAST_TOL) / max(gap.size, 1)
        if gap.sum() <= tol or not np.any(bad):
            break
        middle = 0.5 * (mesh[1:] + mesh[:-1])
        mesh = np.sort(np.concatenate([mesh, middle[bad]]))
        parent = np.repeat(parent, np.where(bad, 2, 1))
    return mesh, [int(j) for j in parent]


def _fine_enough(
    process: Dynamics, problem: PlaneProblem, taus: Array, first: PlanePass, fine: PlanePass,
    oversampling: int, tol: float,
) -> tuple[GridReading, int, float]:  # fmt: skip
    """Return a reading on nodes close enough for what is watched.

    With it the nodes per mode and axis, and the largest error that smaller tolerances lower.
    """
    # the posterior asks for most
    functionals = watched(process)[::-1]
    for more in OVERSAMPLING:
        if more < oversampling:
            continue
        reading, worst = _read_off(problem, taus, first, fine, more), 0.0
        last = 4 * reading.best.mass.size > MOST_NODES or more == OVERSAMPLING[-1]
        for functional in functionals:
            _, budget = reading.read(functional)
            if not last and float(budget["quadrature"].max()) > 0.1 * tol:
                break
            refined = budget["resolution"] + budget["frame"] + budget["tail"]
            worst = max(worst, float(refined.max()))
        else:
            break
    return reading, more, worst


def _read_off(
    problem: PlaneProblem, taus: Array, first: PlanePass, fine: PlanePass, oversampling: int
) -> GridReading:
    """Return both runs on one grid, with what the frame and the box may have cost."""
    largest = np.max([out.shape for out in fine.outputs], axis=0)
    shape = (good_size(oversampling * largest[0]), good_size(oversampling * largest[1]))
    y = problem.points(shape)
    motion = problem.frame.at(taus)
    points = motion.centre[:, None, :] + y @ np.swapaxes(motion.root, 1, 2)
    volume = np.exp(problem.frame.log_volume(taus))[:, None]
    steps = problem.length / np.array(shape)
    cell = float(np.prod(steps))

    def densities(run: PlanePass) -> Array:
        return np.array(
            [
                fft.irfft2(resized(out.u, out.shape, shape), s=shape)
                if out.problem is problem
                else evaluated(out.u, out.shape, out.problem, problem.nodes(shape))
                for out in run.outputs
            ]
        )

    best, companion = densities(fine), densities(first)
    flat = (taus.size, y.shape[0])
    density = best.reshape(flat) / volume
    run = grid_run(taus, points, density, np.broadcast_to(volume * cell, flat), shape)
    # far below the rounding of the transforms a logarithm tells nothing
    floor = 2 * np.log(EPS) + np.log(density.max(axis=1, keepdims=True))
    run = replace(run, log_density=np.maximum(run.log_density, floor))
    mesh = np.array(fine.mesh)
    at = np.searchsorted(mesh, taus)
    offset, stretch = (
        np.concatenate([np.zeros((1, *gap.shape[1:])), np.cumsum(gap, axis=0)])
        for gap in problem.frame.lost(mesh[:-1], np.diff(mesh))
    )
    moved = best.copy()
    for axis in (0, 1):
        gap = offset[at, axis, None] + stretch[at, axis] @ np.abs(y.T)
        moved += np.gradient(best * gap.reshape(best.shape), steps[axis], axis=1 + axis)
    companions = {"resolution": companion, "frame": moved}
    tail = np.array([out.left.sum() for out in fine.outputs])
    return GridReading(
        run, {name: cell * item.reshape(flat) for name, item in companions.items()}, tail
    )
