r"""Conservative finite volumes in the plane: exponential fitting along axes, implicit line solves.

On the moving box of ``box_plane``, with the Scharfetter-Gummel generators :math:`L_1, L_2` of both
axes at the end of a step of length k and :math:`S_i = (I - k L_i)^{-1}`,

.. math:: p^{n+1} = \tfrac12 (S_1 S_2 + S_2 S_1)\, p^n .

Every factor is a set of tridiagonal solves, nonnegative and with columns that sum to one: any step
keeps densities nonnegative and the mass to rounding. Swapping the axes changes nothing. Second
order in space, first in time; functionals are extrapolated (docs/theory.md, N5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.functionals import ENTROPY, posterior_mass
from fokker_planck.methods.base import Progress, SolverError, with_breaks
from fokker_planck.methods.box_plane import PlaneFrame, moving_frame
from fokker_planck.methods.finite_volume import (
    FASTEST_NOISE,
    GRADINGS,
    TimeMap,
    diffusivities,
)
from fokker_planck.methods.volumes_plane import PlaneVolumes
from fokker_planck.model import Dynamics
from fokker_planck.readings import TableReading
from fokker_planck.runs import Run

Array = NDArray[np.float64]
FIRST_CELLS, SPACE_LEVELS, MAX_SPACE = 16, 4, 1  # per axis; the finest run has 128 or 256
FIRST_STEPS, TIME_LEVELS, MAX_TIME = 16, 5, 1  # ... and 256 or 512 steps
MAX_WORK = 17_000_000  # cells times steps of the finest run
PILOT_CELLS, PILOT_STEPS, PILOT_DRIFT = 48, 160, 1e-4
MOST_PILOT_CELLS = 96
UPWIND = 1e-9  # diffusivity that the pilot has at least
FIRST_REACH, WIDER, ROUNDS = 10.0, 1.4, 5  # half width of the pilot's box, in the frame's units
EDGE, MOST_EDGE = (
    1e-2,
    1e-9,
)  # what the pilot may hold in its outermost cells, in levels; and at worst
LEVELS = (1e-16, 1e-11)  # probability that may lie beyond a side of the box
SAFETY = 10.0  # on the pilot's tails


@dataclass(frozen=True, eq=False)
class PlanePilot:
    """A coarse positive solution: where the mass is, and how steps are best graded in time.

    Parameters
    ----------
    frame : PlaneFrame
    taus : ndarray, shape (m,)
    faces : ndarray, shape (2, n + 1)
        Of the box, along both axes.
    below, above : ndarray, shape (m, 2, n + 1)
        Probability below and above each face along each axis.
    gamma : float
        Grading of time that makes a first-order error least.
    """

    frame: PlaneFrame
    taus: Array
    faces: Array
    below: Array
    above: Array
    gamma: float

    def box(self, level: float) -> tuple[Array, Array]:
        """Return the narrowest box that never has more than ``level`` beyond any side."""
        lower, upper = self.faces[:, 0].copy(), self.faces[:, -1].copy()
        for axis in (0, 1):
            inside = np.flatnonzero(self.below[:, axis].max(axis=0) <= level)
            lower[axis] = self.faces[axis, inside[-1]] if inside.size else lower[axis]
            inside = np.flatnonzero(self.above[:, axis].max(axis=0) <= level)
            upper[axis] = self.faces[axis, inside[0]] if inside.size else upper[axis]
        return lower, upper

    def outside(self, lower: Array, upper: Array, taus: Array) -> Array:
        """Return what may have left a box at or before each time, with a safety factor."""
        lost = np.zeros(self.taus.size)
        for axis in (0, 1):
            i = np.clip(np.searchsorted(self.faces[axis], lower[axis], "right") - 1, 0, None)
            j = min(int(np.searchsorted(self.faces[axis], upper[axis])), self.faces.shape[1] - 1)
            # the outermost cells stand for what the pilot's own box cannot hold
            edge = self.below[:, axis, 1] + self.above[:, axis, -2]
            lost += self.below[:, axis, i] + self.above[:, axis, j] + edge
        index = np.searchsorted(self.taus, taus * (1 - 1e-12))
        return np.minimum(
            SAFETY * np.maximum.accumulate(lost)[np.minimum(index, self.taus.size - 1)], 1.0
        )


def run_pilot(process: Dynamics, frame: PlaneFrame, level: float) -> PlanePilot:
    """Solve coarsely on a box that is widened until nothing reaches its edge.

    A step of implicit Euler spreads mass over exponential tails, so that steps are halved too.

    Parameters
    ----------
    level : float
        Probability that a box may lose.

    Raises
    ------
    SolverError
        If the mass spreads beyond any reasonable box.
    """
    horizon = process.horizon
    grading = TimeMap(horizon, 4.0)
    # a start of narrow components may reach far in units of the whole
    law = process.initial
    m, s, _, _ = frame.at(0.0)
    spread = np.sqrt(np.einsum("ji,kjl,li->ki", frame.axes, law.covariances, frame.axes))
    far = np.abs(law.means @ frame.axes - m) + 9 * spread
    reach = np.maximum(FIRST_REACH, (far / s).max(axis=0))
    for attempt in range(ROUNDS):
        mesh, _ = grading.mesh(with_breaks(process, np.array([horizon])), PILOT_STEPS, attempt)
        cells = int(min(PILOT_CELLS * reach.max() / FIRST_REACH, MOST_PILOT_CELLS))
        scheme = PlaneVolumes(process, frame, -reach, reach)
        area = float(scheme.sizes(cells).prod())
        margins = np.empty((mesh.size, 2, cells))
        second: list[float] = []
        older: Array | None = None
        old: Array | None = None
        for _, k, p in scheme.march(cells, [mesh], PILOT_DRIFT, UPWIND):
            margins[k] = area * p.sum(axis=1), area * p.sum(axis=0)
            rate = (p - old) / (mesh[k] - mesh[k - 1]) if old is not None else None
            if rate is not None and older is not None:
                second.append(float(np.abs(rate - older).sum()))
            older, old = rate, p
        edge = margins[:, :, [0, -1]].max(axis=(0, 2))
        if not np.all(np.isfinite(margins)):
            raise SolverError("the pilot solution overflowed")
        if np.all(edge <= EDGE * level):
            break
        if attempt == ROUNDS - 1:
            if edge.max() > MOST_EDGE:
                raise SolverError("the mass spreads beyond every box: no grid fits it")
            break
        reach = np.where(edge <= EDGE * level, reach, WIDER * reach)
    zero = np.zeros((mesh.size, 2, 1))
    below = np.concatenate([zero, np.cumsum(margins, axis=2)], axis=2)
    above = np.concatenate([np.cumsum(margins[..., ::-1], axis=2)[..., ::-1], zero], axis=2)
    faces = np.stack([np.linspace(-r, r, cells + 1) for r in reach])

    def error(gamma: float) -> float:
        positions = TimeMap(horizon, gamma).s(mesh)
        return float(np.sum(second * (mesh[2:] - mesh[:-2]) / (positions[2:] - positions[:-2])))

    return PlanePilot(frame, mesh, faces, below, above, min(GRADINGS, key=error))


def solve_finite_volume_plane(
    process: Dynamics, taus: Array, tol: float = 1e-8, progress: Progress | None = None
) -> tuple[TableReading, dict[str, Any]]:
    """Solve by finite volumes on a table of cells and steps, both halved from level to level.

    The whole table is refined in space or in time until entropy and posterior mass claim at most
    ``tol``, or the finest run has become too expensive: the claim is what it then is.

    Parameters
    ----------
    process : Dynamics
        In the plane, with noise > 0 at all times.
    taus : ndarray, shape (m,)
        Output times, increasing.
    tol : float
        Requested error of entropy and posterior mass; 1e-4 to 1e-6 is what this method reaches.

    Returns
    -------
    reading : TableReading
    cost : dict
        Cells per axis and steps of the finest run, number of runs, steps in all of them.

    Raises
    ------
    SolverError
        If the noise is zero at some time, a density overflows or no box holds the mass.
    """
    diffusivities(process, np.linspace(0.0, process.horizon, 65))
    if getattr(process, "noise_time", np.inf) < process.horizon / FASTEST_NOISE:
        raise SolverError("finite-volume: the noise changes too fast for equal refinements in time")
    level = float(np.clip(1e-4 * tol, *LEVELS))
    pilot = run_pilot(process, moving_frame(process), level)
    lower, upper = pilot.box(level)
    tail = pilot.outside(lower, upper, taus)
    scheme = PlaneVolumes(process, pilot.frame, lower, upper)
    grading = TimeMap(process.horizon, pilot.gamma)
    stops = with_breaks(process, taus)
    functionals = [ENTROPY]
    if hasattr(process, "log_posterior"):
        functionals.append(posterior_mass(process))
    done: dict[tuple[int, int], Run] = {}
    cost: dict[str, Any] = {"runs": 0, "steps": 0}

    def complete(rows: list[int], columns: range) -> list[list[Run]]:
        for cells in rows:
            missing = [q for q in columns if (cells, q) not in done]
            meshes = []
            for q in missing:
                mesh, index = grading.mesh(stops, FIRST_STEPS, q)
                meshes.append((mesh, index[np.isin(stops, taus)]))
                cost["runs"] += 1
                cost["steps"] += mesh.size - 1
            for q, run in zip(missing, scheme.runs(cells, taus, meshes), strict=True):
                done[cells, q] = run
        return [[done[cells, q] for q in columns] for cells in rows]

    space, time = 0, 0
    while True:
        rows = [FIRST_CELLS * 2 ** (space + s) for s in range(SPACE_LEVELS)]
        reading = TableReading(complete(rows, range(time, time + TIME_LEVELS)), tail)
        if progress is not None:
            progress(space + time + 1, MAX_SPACE + MAX_TIME + 1)
        budgets = [reading.read(f)[1] for f in functionals]
        late, wide = (max(b[part].max() for b in budgets) for part in ("time", "space"))
        work = rows[-1] ** 2 * FIRST_STEPS * 2 ** (time + TIME_LEVELS - 1)
        more_time = late > 0.5 * tol and time < MAX_TIME and 2 * work <= MAX_WORK
        work *= 2 if more_time else 1
        more_space = wide > 0.5 * tol and space < MAX_SPACE and 4 * work <= MAX_WORK
        if not (more_time or more_space):
            break
        space, time = space + int(more_space), time + int(more_time)
    cost |= {"cells": rows[-1], "finest_steps": FIRST_STEPS * 2 ** (time + TIME_LEVELS - 1)}
    return TableReading(reading.runs, tail, _ratios(reading)), cost | {"grading": grading.gamma}


def _ratios(reading: TableReading) -> dict[str, float]:
    """Return the ratios of the last entropy differences at the last output time."""
    table = np.array([[run.values(ENTROPY)[-1] for run in row] for row in reading.runs])
    time, space = np.abs(np.diff(table[-1])), np.abs(np.diff(table[:, -1]))
    return {
        name: float(gaps[-2] / gaps[-1]) if gaps[-1] > 0 else float("inf")
        for name, gaps in (("time", time), ("space", space))
    }
