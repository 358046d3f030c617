r"""Central differences of high order in the plane, with DOP853: the second opinion.

.. math:: \partial_\tau q = -\partial_1(\beta_1 q) - \partial_2(\beta_2 q)
                            + \delta_1\,\partial_{11} q + \delta_2\,\partial_{22} q

on equal cells of a moving box (``box_plane``), stencils from findiff along axes, q = 0 outside.
A first run chooses steps by the embedded error and cells by what the stencils miss; the second,
which is returned, has every step halved and cells a third more. Mass is not conserved exactly: its
defect shows, and nothing is repaired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.integrate import DOP853, solve_ivp

from fokker_planck.functionals import ENTROPY, posterior_mass
from fokker_planck.methods.base import Progress, SolverError, pieces
from fokker_planck.methods.box_plane import PlaneFrame, TimeSeries, moving_frame
from fokker_planck.methods.differences_plane import PlaneGrid, Shape, Stepper, resized
from fokker_planck.methods.finite_volume_plane import run_pilot
from fokker_planck.model import Dynamics
from fokker_planck.readings import GridReading
from fokker_planck.runs import Run, grid_run

Array = NDArray[np.float64]
LEVELS = (1e-17, 1e-10)  # probability that may lie beyond a side of the box
RING = 256  # paths from the edge of every component
LEAST_CELLS, MOST_CELLS = 32, 448  # per axis, in the first run
GROWTH = 1.12  # of the cells where the stencils miss too much
FINER = 4 / 3  # cells of the second run, relative to the first
LONGEST = 1 / 16  # step, in horizons
MOST_WORK = 8e7  # cells times stages of the first run
ATTEMPTS = 3
LOOSEST = 1e-3  # tolerance that is tried before giving up
NODE_TARGET = 1 << 21  # nodes on which functionals are summed, over all output times
SUMS = (1, 2, 4, 8)  # nodes per cell and axis
LOOSER = 30.0  # tolerance of the drift's series in the first run, relative to the second


class TooMuchWorkError(SolverError):
    """The first run became too expensive at the tolerance asked."""


@dataclass
class Record:
    """What the first run chose: per piece, step ends and the shape of the grid on each step."""

    pieces: list[tuple[Array, list[Shape]]] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)
    steps: int = 0
    work: float = 0.0
    missed: float = 0.0


@dataclass(frozen=True, eq=False)
class PlaneProblem:
    """A process on a moving box."""

    process: Dynamics
    frame: PlaneFrame
    lower: Array
    upper: Array

    def grid(self, shape: Shape) -> PlaneGrid:
        """Return the grid of a shape."""
        return PlaneGrid(self.frame, self.lower, self.upper, shape)

    def stepper(
        self, shape: Shape, piece: Dynamics, span: tuple[float, float], tol: float
    ) -> Stepper:
        """Return the stepper of a grid, its drift a series in time of tolerance ``tol``."""
        grid, horizon = self.grid(shape), self.process.horizon

        def velocity(tau: float) -> Array:
            return np.moveaxis(self.frame.velocity(piece, grid.y, tau), -1, 0).copy()

        longest = min(horizon / 8, getattr(self.process, "noise_time", np.inf))
        return Stepper(grid, piece, TimeSeries(velocity, *span, tol, longest, 1e-5 * horizon))

    def adaptive(
        self,
        taus: Array,
        local_tol: float,
        space_tol: float,
        drift_tol: float,
        report: Callable[[float], None],
    ) -> Record:
        """Run with steps chosen by the embedded error and cells by what the stencils miss.

        Raises
        ------
        SolverError
            If the work or the resolution exceeds what is allowed.
        """
        record = Record()
        horizon = self.process.horizon
        longest = min(horizon * LONGEST, getattr(self.process, "noise_time", np.inf))
        shape = (LEAST_CELLS, LEAST_CELLS)
        q, h = self.grid(shape).start(self.process), 0.02 * horizon
        for a, b, piece in pieces(self.process):
            if a >= taus[-1] and record.outputs:
                break
            stepper = self.stepper(shape, piece, (a, b), drift_tol)
            tau, mesh, shapes = a, [a], []
            slope: Array | None = None
            for stop in _stops(taus, a, b):
                while True:
                    # cells first: the start may need more of them too
                    bigger = self._wanted(stepper, tau, q, space_tol, record)
                    while bigger != shape:
                        q = (
                            self.grid(bigger).start(self.process)
                            if tau == 0
                            else resized(q, bigger)
                        )
                        shape, slope = bigger, None
                        stepper = self.stepper(shape, piece, (tau, b), drift_tol)
                        bigger = self._wanted(stepper, tau, q, space_tol, record)
                    if tau >= stop:
                        break
                    if slope is None:
                        slope = stepper.rhs(tau, q)
                    delta = self.frame.diffusivities(piece, tau)
                    h = min(h, longest, stepper.grid.longest_step(delta))
                    pieces_left = np.ceil((stop - tau) / h - 1e-9)
                    trial = (stop - tau) / max(pieces_left, 1.0) if pieces_left <= 2 else h
                    new, end, error = stepper.step(tau, q, trial, slope)
                    record.work += DOP853.n_stages * q.size
                    if record.work > MOST_WORK:
                        raise TooMuchWorkError(
                            f"central: too stiff, more than {MOST_WORK:g} cells times stages by "
                            f"tau = {tau:.6g}"
                        )
                    grown = trial * _factor(error, local_tol)
                    if not error <= local_tol:
                        h = grown
                        if h < 1e-12 * horizon:
                            raise SolverError(f"central: step size collapsed at tau = {tau:.6g}")
                        continue
                    h = max(grown, h) if trial < h else grown
                    tau = stop if pieces_left <= 1 else tau + trial
                    q, slope = new, end
                    mesh.append(tau)
                    shapes.append(shape)
                    record.steps += 1
                    report(tau)
                if np.any(taus == stop) and len(record.outputs) < np.searchsorted(taus, stop) + 1:
                    record.outputs.append(q)
            record.pieces.append((np.array(mesh), shapes))
        return record

    def _wanted(
        self, stepper: Stepper, tau: float, q: Array, space_tol: float, record: Record
    ) -> Shape:
        """Return the shape that the stencils need."""
        delta = self.frame.diffusivities(stepper.process, tau)
        missed = stepper.grid.missed(stepper.beta(tau), delta, q)
        # a relaxing law forgets what was missed earlier than a unit of its own time
        share = missed / max(delta.max(), 1 / self.process.horizon)
        if tau == 0:
            # components between the nodes would be missed altogether
            share = np.maximum(share, abs(q.sum() * stepper.grid.cells.prod() - 1))
        shape = [
            min(next_fast_len(int(np.ceil(GROWTH * n)), real=True), MOST_CELLS)
            if part > space_tol
            else n
            for n, part in zip(stepper.grid.shape, share, strict=True)
        ]
        if tuple(shape) == stepper.grid.shape:
            record.missed = max(record.missed, float(share.max()))
            if share.max() > 0.1:
                raise SolverError(
                    f"central: at tau = {tau:.4g} the law is narrower than cells of "
                    f"{MOST_CELLS} per axis resolve"
                )
        return shape[0], shape[1]

    def repeated(
        self, record: Record, taus: Array, drift_tol: float, report: Callable[[float], None]
    ) -> list[Array]:
        """Run again with every step halved and a third more cells."""
        outputs: list[Array] = []
        shape = _finer(record.pieces[0][1][0] if record.pieces[0][1] else record.outputs[0].shape)
        q = self.grid(shape).start(self.process)
        for (mesh, shapes), (a, b, piece) in zip(record.pieces, pieces(self.process), strict=False):
            stepper = self.stepper(shape, piece, (a, b), drift_tol)
            slope: Array | None = None
            while len(outputs) < taus.size and taus[len(outputs)] <= a:
                outputs.append(q)
            for j, coarse in enumerate(shapes):
                if _finer(coarse) != shape:
                    shape, slope = _finer(coarse), None
                    q = resized(q, shape)
                    stepper = self.stepper(shape, piece, (float(mesh[j]), b), drift_tol)
                middle = 0.5 * (mesh[j] + mesh[j + 1])
                for start, stop in ((mesh[j], middle), (middle, mesh[j + 1])):
                    if slope is None:
                        slope = stepper.rhs(float(start), q)
                    q, slope, _ = stepper.step(float(start), q, float(stop - start), slope)
                while len(outputs) < taus.size and taus[len(outputs)] <= mesh[j + 1]:
                    outputs.append(q)
                report(float(mesh[j + 1]))
        return outputs


def _stops(taus: Array, a: float, b: float) -> list[float]:
    """Return the times in [a, b] on which to land."""
    inside = [float(t) for t in taus if a <= t <= b]
    return inside if taus[-1] <= b else sorted({*inside, b})


def _finer(shape: tuple[int, ...]) -> Shape:
    n1, n2 = (next_fast_len(int(np.ceil(FINER * n)), real=True) for n in shape)
    return n1, n2


def _factor(error: float, target: float) -> float:
    """Return the factor for the next step."""
    if not np.isfinite(error):
        return 0.2
    return float(np.clip(0.9 * (target / max(error, 1e-300)) ** (1 / 8), 0.2, 3.0))


def flow_box(process: Dynamics, frame: PlaneFrame, level: float) -> tuple[Array, Array]:
    """Return a box that an ODE's flow keeps, but for a probability ``level``.

    Paths do not cross: those from the edges of the start's components enclose all from inside.

    Raises
    ------
    SolverError
        If a path runs away.
    """
    law = process.initial
    angle = 2 * np.pi * np.arange(RING) / RING
    # beyond the radius r of a standard Gaussian lies exp(-r^2/2)
    circle = np.sqrt(-2 * np.log(level)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ring = np.concatenate(
        [
            mean + circle @ np.linalg.cholesky(covariance).T
            for mean, covariance in zip(law.means, law.covariances, strict=True)
        ]
    )
    horizon = process.horizon
    ends: list[Array] = []
    for a, b, piece in pieces(process):
        times = b - (b - a) * np.linspace(1.0, 0.0, 129) ** 3
        found = solve_ivp(
            lambda tau, x, piece=piece: np.asarray(piece.drift(x.reshape(-1, 2), tau)).ravel(),
            (a, b),
            ring.ravel(),
            method="DOP853",
            t_eval=times,
            rtol=1e-6,
            atol=1e-8,
        )
        if not found.success or not np.all(np.isfinite(found.y)):
            raise SolverError("central: the flow left every bound")
        ring = found.y[:, -1].reshape(-1, 2)
        for tau, x in zip(found.t, found.y.T, strict=True):
            m, s, _, _ = frame.at(float(min(tau, horizon)))
            y = (x.reshape(-1, 2) @ frame.axes - m) / s
            ends += [y.min(axis=0), y.max(axis=0)]
    lower, upper = np.min(ends, axis=0), np.max(ends, axis=0)
    pad = 0.01 * (upper - lower)
    return lower - pad, upper + pad


def solve_central_plane(
    process: Dynamics, taus: Array, tol: float = 1e-8, progress: Progress | None = None
) -> tuple[GridReading, dict[str, Any]]:
    """Solve by central differences; the companion has coarser cells and steps twice as long.

    Parameters
    ----------
    process : Dynamics
        In the plane, with or without noise. Densities of the ODE may form filaments that no fixed
        grid resolves: the error is then large, or the method gives up and says so.
    taus : ndarray, shape (m,)
        Output times, increasing.
    tol : float
        Requested error of entropy and posterior mass.

    Returns
    -------
    reading : GridReading
    cost : dict
        Cells along both axes, steps, cells times stages.

    Raises
    ------
    SolverError
        If the law is too narrow for the finest grid or the equation too stiff.
    """
    frame = moving_frame(process)
    level = float(np.clip(1e-5 * tol, *LEVELS))
    if process.deterministic:
        lower, upper = flow_box(process, frame, level)
        tail = np.full(taus.size, level)
    else:
        pilot = run_pilot(process, frame, level)
        lower, upper = pilot.box(level)
        tail = pilot.outside(lower, upper, taus)
    problem = PlaneProblem(process, frame, lower, upper)
    functionals = [ENTROPY]
    if hasattr(process, "log_posterior"):
        functionals.append(posterior_mass(process))
    end = float(taus[-1])

    def report(tau: float) -> None:
        if progress is not None:
            progress(tau, end)

    # diffusion forgets most of what the stencils missed, a flow forgets nothing
    forgiven = 0.3 if process.deterministic else 6.0
    share = 1.0
    found: tuple[GridReading, dict[str, Any]] | None = None
    error = np.inf
    for _ in range(ATTEMPTS):
        drift_tol = float(np.clip(1e-2 * share * tol, 1e-13, 1e-6))
        try:
            record = problem.adaptive(
                taus,
                max(1e-2 * share * tol, 1e-14),
                max(forgiven * share * tol, 1e-12),
                LOOSER * drift_tol,
                report,
            )
        except TooMuchWorkError:
            if found is not None:
                break
            if share > 1 or tol >= LOOSEST:
                raise
            # a larger error that is known is worth more than none
            share = LOOSEST / tol
            continue
        fine = problem.repeated(record, taus, drift_tol, report)
        reading = _reading(problem, taus, record.outputs, fine, tail, functionals, tol)
        # what more cells and steps can lower; sums over nodes have been refined already
        parts = [float(reading.read(f)[1]["refinement"].max()) for f in functionals]
        before, error = error, max(parts)
        cost = {
            "cells": reading.best.shape,
            "steps": 3 * record.steps,
            "work": record.work * (1 + 2 * FINER**2),
            "share": share,
        }
        if error < before:
            found = reading, cost
        if error <= 0.8 * tol or error > 0.3 * before or share > 1:
            break
        share *= float(np.clip(0.2 * tol / error, 1e-3, 0.5))
    if found is None:
        raise SolverError("central: the density overflowed")
    return found


def _reading(
    problem: PlaneProblem, taus: Array, coarse: list[Array], fine: list[Array], tail: Array,
    functionals: list[Any], tol: float,
) -> GridReading:  # fmt: skip
    """Return the reading of both runs on the nodes of the largest grid, or more of them."""
    largest = np.max([q.shape for q in fine], axis=0)
    frame = problem.frame
    for count in SUMS:
        grid = problem.grid((int(count * largest[0]), int(count * largest[1])))
        area = float(grid.cells.prod())
        points = np.stack([frame.points(grid.y.reshape(-1, 2), float(tau)) for tau in taus])
        stretch = np.array([frame.at(float(tau))[1].prod() for tau in taus])[:, None]
        best, other = (
            np.stack([resized(q, grid.shape).ravel() for q in run]) for run in (fine, coarse)
        )
        if not np.all(np.isfinite(best)):
            raise SolverError("central: the density overflowed")
        run: Run = grid_run(taus, points, best / stretch, area * stretch, grid.shape)
        reading = GridReading(run, {"refinement": area * other}, tail)
        parts = [float(reading.read(f)[1]["quadrature"].max()) for f in functionals]
        if max(parts) <= 0.1 * tol or 4 * best.size > NODE_TARGET:
            break
    return reading
