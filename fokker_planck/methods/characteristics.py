r"""The ODE's law by characteristics, in any dimension (docs/theory.md, N4).

A point moves with :math:`\dot x = b(x, \tau)` and the log-density along it falls by the
integrated divergence (I3). Functionals are integrals over the start: a trapezoid rule in the
starting point, which converges geometrically for analytic flows.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from fokker_planck.characteristic_reading import (
    LEAST_RATIO,
    CharacteristicReading,
    remaining_share,
    unseen,
)
from fokker_planck.functionals import Functional, watched
from fokker_planck.methods.base import Progress, SolverError
from fokker_planck.methods.flow import Mesh, adaptive_mesh, carry
from fokker_planck.methods.start_grid import StartGrid, most_nodes, nodes_needed, starting_nodes
from fokker_planck.model import Dynamics
from fokker_planck.runs import EPS, Run, lost_tail, sampled

Array = NDArray[np.float64]
#: shares of the tolerance for the error in time, of the quadrature and of the start's tails
TIME, QUADRATURE, TAIL = 0.3, 0.2, 0.1
#: the local error that the coarsest of three meshes is made with, in tolerances, and its extremes
COARSENESS, MOST_LOCAL, LEAST_LOCAL = 1e4, 1e-3, 1e-14
#: distance of neighbouring nodes on the line, in deviations of the start, or less
CLOSE = 0.125
#: the mesh is made on at most so many nodes
PILOT_NODES = 1024
#: tolerances below this ask for more than double precision has
LEAST_TOL = 1e-13
ATTEMPTS = 10
#: a mesh this fine is not halved again
MOST_STEPS = 1 << 14


@dataclass
class _Plan:
    """What is adapted: node spacing along each axis, reach, and the local error of the steps."""

    spacing: Array
    reach: float
    local_tol: float


def _first_plan(dimension: int, tol: float) -> _Plan:
    """Return a plan that suits a mildly guided Gaussian."""
    tol = float(np.clip(tol, LEAST_TOL, 1e-2))
    # the spectrum of an integrand of Gaussian shape at the highest frequency of the nodes
    spacing = np.pi / np.sqrt(np.log(3 / (QUADRATURE * tol)) / 0.34)
    if dimension == 1:
        # on the line more nodes cost little, and make better curves
        spacing = min(spacing, CLOSE)
    # the entropy's influence at the end of the nodes is about half the reach squared
    reach = -float(ndtri(TAIL * tol / (200 * dimension)))
    local = float(np.clip(COARSENESS * tol, LEAST_LOCAL, MOST_LOCAL))
    return _Plan(np.full(dimension, spacing), reach, local)


def _as_run(grid: StartGrid, taus: Array, states: tuple[Array, Array]) -> Run:
    points, logs = states
    log_density = grid.log_density - logs
    mass = np.broadcast_to(grid.mass, log_density.shape)
    if len(grid.shape) == 1:
        return Run(taus, points[:, 0], mass, log_density)
    return Run(taus, np.ascontiguousarray(points.swapaxes(1, 2)), mass, log_density, grid.shape)


def solve_characteristics(
    process: Dynamics,
    taus: Array,
    tol: float,
    progress: Progress | None,
    spacing: float = np.inf,
    reach: float = 0.0,
) -> tuple[CharacteristicReading, dict[str, Any]]:
    """Solve the continuity equation of an ODE along characteristics.

    Three meshes, each with every step of the one before halved, carry the same nodes. An
    adaptive pass makes the coarsest so that the finest is expected to meet the tolerance.

    Parameters
    ----------
    process : Dynamics
        Without noise, of any dimension.
    taus : ndarray, shape (m,)
        Output times.
    tol : float
        Requested error of entropy, mean and posterior mass.
    progress : callable or None
    spacing, reach : float
        Largest spacing and least reach of the starting nodes, in deviations: for who wants to
        interpolate between them.

    Raises
    ------
    ValueError
        If the process has noise.
    SolverError
        If a path runs away or too many nodes or steps are needed.
    """
    if not process.deterministic:
        raise ValueError("method characteristics needs a process without noise (the ODE sampler)")
    plan = _first_plan(process.dimension, tol)
    plan.spacing = np.minimum(plan.spacing, spacing)
    plan.reach = max(plan.reach, reach)
    found: CharacteristicReading | None = None
    evaluations = 0
    for attempt in range(ATTEMPTS):
        before = replace(plan, spacing=plan.spacing.copy())
        last = attempt == ATTEMPTS - 1
        try:
            reading, work, done = _attempt(process, taus, tol, plan, finish=last)
            if not done and not _affordable(process, plan):
                # the best nodes that can be had
                best = plan if _fitted(process, plan, before) else before
                if reading is None or best is plan:
                    reading, more, _ = _attempt(process, taus, tol, best, finish=True)
                    work += more
                done = True
        except SolverError:
            if found is None:
                raise
            break
        evaluations += work
        found = reading or found
        if progress is not None:
            progress(attempt + 1, ATTEMPTS)
        if done:
            break
    assert found is not None
    nodes = int(found.best.mass.shape[1])
    return found, {"nodes": nodes, "steps": found.steps, "evaluations": evaluations}


def _affordable(process: Dynamics, plan: _Plan) -> bool:
    needed = nodes_needed(process.initial, plan.spacing, plan.reach)
    return needed <= most_nodes(process.dimension)


def _fitted(process: Dynamics, plan: _Plan, before: _Plan) -> bool:
    """Widen a plan's spacing until it is affordable; return whether it still improves by much."""
    while not _affordable(process, plan):
        plan.spacing *= 1.05
    needed = [nodes_needed(process.initial, one.spacing, one.reach) for one in (plan, before)]
    return needed[0] > 1.5 * needed[1]


def _attempt(
    process: Dynamics, taus: Array, tol: float, plan: _Plan, finish: bool = False
) -> tuple[CharacteristicReading | None, int, bool]:
    """Return a reading (None if it was not worth it), its work, and whether it will do.

    What has to be finer next time is changed in ``plan``.
    """
    functionals = watched(process)
    grid = starting_nodes(process.initial, plan.spacing, plan.reach)
    mesh, first, work = _pilot(process, grid, taus, plan.local_tol)
    runs = [_as_run(grid, taus, first)]

    def advance() -> CharacteristicReading:
        nonlocal mesh, work
        mesh = mesh.halved()
        work += mesh.steps
        runs.append(_as_run(grid, taus, carry(process, grid.points, mesh, taus)))
        best, coarse, coarsest = (runs[-1 - min(k, len(runs) - 1)] for k in range(3))
        nothing = np.zeros_like(best.log_density)
        return CharacteristicReading(
            best, coarse, coarsest, grid.distribution, grid.lost, nothing, mesh.steps
        )

    parts = _forecast(advance(), functionals)
    if not finish and _improve(plan, parts, tol, slack=8.0):
        return None, 12 * work, False
    while True:
        before, reading = parts["time"], advance()
        parts = _parts(reading, functionals)
        if not np.all(np.isfinite(reading.best.log_density)):
            raise SolverError("characteristics: a path ran away to infinity")
        stuck = parts["time"] <= parts["rounding"] or parts["time"] > 0.5 * before
        if parts["time"] <= TIME * tol or (stuck and len(runs) > 3) or mesh.steps > MOST_STEPS:
            break
    if not getattr(process, "exact_divergence", True):
        gap = _divergence_error(process, grid, taus, runs[-1], mesh)
        reading = replace(reading, drift_error=gap)
    if sum(parts.values()) <= tol:
        return reading, 12 * work, True
    parts["quadrature"] = _forecast(reading, functionals)["quadrature"]
    # halving has done for the time what it can
    parts["time"] = 0.0
    return reading, 12 * work, not _improve(plan, parts, tol)


def _pilot(
    process: Dynamics, grid: StartGrid, taus: Array, local_tol: float
) -> tuple[Mesh, tuple[Array, Array], int]:
    """Return the mesh on which the nodes' mean local error is met, their states, and the steps."""
    some = slice(None, None, -(-grid.mass.size // PILOT_NODES))
    weight = grid.mass[some] / grid.mass[some].sum()

    def norm(points: Array, logs: Array, x: Array) -> float:
        # nodes without mass still must not go astray: they carry a small weight of their own
        size = np.abs(logs)
        for row in np.abs(points):
            size += row
        return float(size @ weight + 1e-4 * size.max())

    mesh, points, logs = adaptive_mesh(process, grid.points[:, some], taus, norm, local_tol)
    if weight.size == grid.mass.size:
        return mesh, (points, logs), mesh.steps
    return mesh, carry(process, grid.points, mesh, taus), 2 * mesh.steps


def _parts(reading: CharacteristicReading, functionals: list[Functional]) -> dict[str, Any]:
    """Return the largest parts of the error over functionals and times."""
    budgets = [reading.read(functional)[1] for functional in functionals]
    return {name: max(float(b[name].max()) for b in budgets) for name in budgets[0]}


def _forecast(reading: CharacteristicReading, functionals: list[Functional]) -> dict[str, Any]:
    """Return what is known before the last run: its time error from the order, the rest as it is.

    The quadrature error is given along each axis.
    """
    parts: dict[str, Any] = {"time": 0.0, "tail": 0.0, "rounding": 0.0}
    parts["quadrature"] = np.zeros(len(reading.best.shape or (1,)))
    for i in np.flatnonzero(reading.best.taus > 0).tolist():
        snap = reading.best.snapshot(i)
        for functional in functionals:
            value, w, _ = sampled(functional, snap, ())
            last = reading.changes(functional, i, value + w)[0] / 100
            parts["time"] = max(parts["time"], last * remaining_share(1.0, 100.0))
            parts["tail"] = max(parts["tail"], lost_tail(functional, snap, reading.lost, w))
            parts["rounding"] = max(parts["rounding"], reading.rounding(snap, value, w))
            # along which axis the nodes are too far apart for a feature is not known
            error = reading.quadrature(functional, snap, value, w)
            error = error + unseen(functional, snap, value)
            parts["quadrature"] = np.maximum(parts["quadrature"], error)
    return parts


def _improve(plan: _Plan, parts: dict[str, Any], tol: float, slack: float = 1.0) -> bool:
    """Refine what misses its share of the tolerance by ``slack``; return whether anything did."""
    changed = False
    if parts["time"] > slack * TIME * tol and plan.local_tol > LEAST_LOCAL:
        shrink = max(0.2 * TIME * tol / parts["time"], 1e-3)
        plan.local_tol = max(plan.local_tol * shrink, LEAST_LOCAL)
        changed = True
    for axis, error in enumerate(parts["quadrature"]):
        if error > slack * QUADRATURE * tol and error > parts["rounding"]:
            plan.spacing[axis] *= _finer(float(error), QUADRATURE * tol)
            changed = True
    if slack * TAIL * tol < parts["tail"] < np.inf and plan.reach < 37:
        plan.reach = float(np.sqrt(plan.reach**2 + 2 * np.log(2 * parts["tail"] / (TAIL * tol))))
        changed = True
    return changed


def _finer(error: float, target: float) -> float:
    """Return the factor for the spacing: the spectrum of an analytic integrand falls geometrically.

    From 1 at frequency zero to ``error`` at the highest one that the nodes carry.
    """
    if not 0 < error < 1:
        return 0.5
    return float(np.clip(0.95 * np.log(error) / np.log(min(target, 0.5)), 0.5, 0.87))


def _divergence_error(
    process: Dynamics, grid: StartGrid, taus: Array, best: Run, mesh: Mesh
) -> Array:
    """Return what halving the stencil of a differenced divergence changes."""
    finer: Any = copy.copy(process)
    finer.stencil_step = 0.5 * finer.stencil_step
    again = _as_run(grid, taus, carry(finer, grid.points, mesh, taus))
    return np.abs(again.log_density - best.log_density)


def backward_log_density(
    process: Dynamics, points: Array, tau: float, tol: float = 1e-10
) -> tuple[Array, Array]:
    """Return log p(points, tau) and its error: characteristics run backwards to the start.

    Parameters
    ----------
    process : Dynamics
        Without noise, of any dimension d.
    points : ndarray, shape (n,), or (n, d)
    tau : float
        Reverse time of the density.
    tol : float
        Wanted error.

    Returns
    -------
    log_density, error : ndarray, shape (n,)
        The error follows from three meshes as in :func:`solve_characteristics`, point by point.
    """
    points = np.asarray(points, dtype=float)
    if tau == 0 or points.size == 0:
        return process.initial.log_density(points), np.zeros(len(points))
    x = points[None] if points.ndim == 1 else np.ascontiguousarray(points.T)

    def norm(error: Array, logs: Array, at: Array) -> float:
        size = np.abs(logs) + np.abs(error).sum(axis=0)
        return float(np.max(size / (1 + np.abs(at).sum(axis=0))))

    end = np.array([0.0])
    local_tol = float(np.clip(COARSENESS * tol, LEAST_LOCAL, MOST_LOCAL))
    mesh, starts, logs = adaptive_mesh(process, x, end, norm, local_tol, start=tau)
    values = []
    for level in range(3):
        if level > 0:
            mesh = mesh.halved()
            starts, logs = carry(process, x, mesh, end)
        at = starts[0, 0] if points.ndim == 1 else starts[0].T
        values.append(process.initial.log_density(at) + logs[0])
    last, previous = np.abs(values[2] - values[1]), np.abs(values[1] - values[0])
    # a change may vanish at a point by accident, two in a row hardly
    last = np.maximum(last, previous * LEAST_RATIO)
    share = [remaining_share(a, b) for a, b in zip(last.tolist(), previous.tolist(), strict=True)]
    rounding = (64 + 4 * mesh.steps) * EPS * (1 + np.abs(values[2]))
    return values[2], np.where(np.isfinite(last), np.array(share) * last, np.inf) + rounding
