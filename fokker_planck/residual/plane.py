"""Certificates by summed residuals: in the plane, and of flows; and solving with them in mind."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics
from fokker_planck.residual.flow import flow_certificate, jacobian
from fokker_planck.residual.grid_plane import AffineGrid, cutoff, grid_certificate
from fokker_planck.residual.restrict import restricted
from fokker_planck.residual.result import Certified
from fokker_planck.residual.summed import Nodes, summed_estimates
from fokker_planck.runs import Run
from fokker_planck.solution import Solution

Array = NDArray[np.float64]
QUANTITIES = ("mass", "entropy", "mean", "covariance")


def certify_summed(solution: Solution, indices: list[int]) -> Certified:
    """Return the certificate of kind "residual" at the output times ``indices``.

    On an affine grid from the density itself; else from the flow of its starting nodes.
    """
    process, run = solution.process, solution.reading.best
    assert process is not None
    grid = AffineGrid.of(run) if run.shape is not None else None
    with np.errstate(under="ignore", over="ignore", invalid="ignore", divide="ignore"):
        if grid is not None:
            parts = grid_certificate(process, run, grid)
            nodes = [_grid_nodes(run, grid, i) for i in indices]
        else:
            parts = flow_certificate(process, run)
            nodes = [_flow_nodes(run, i) for i in indices]
        parts = {name: part[indices] for name, part in parts.items()}
        l1 = np.sum(list(parts.values()), axis=0)
        l1 = np.where(np.isnan(l1), np.inf, l1)
        if not np.all(np.isfinite(l1)):
            return Certified(l1, "residual", {}, parts)
        names: tuple[str, ...] = QUANTITIES
        if hasattr(process, "log_posterior"):
            names = (*names, "posterior_mass", "complement_mass")
        values = {name: np.asarray(getattr(solution, name).value)[indices] for name in names}
        estimates = summed_estimates(process, solution.taus[indices], values, nodes, l1)
    return Certified(l1, "residual", estimates, parts)


def _grid_nodes(run: Run, grid: AffineGrid, i: int) -> Nodes:
    area = float(np.abs(np.linalg.det(grid.steps[i])))
    window = cutoff(grid.shape).ravel()
    density = np.sign(run.mass[i]) * np.exp(run.log_density[i]) * window
    logs = np.log(np.maximum(np.abs(density), np.finfo(float).tiny))
    return Nodes(run.points[i], density * area, logs, grid.shape, area * density.size)


def _flow_nodes(run: Run, i: int) -> Nodes:
    d = 1 if run.shape is None else len(run.shape)
    shape = run.shape or (run.mass.shape[1],)
    points = run.points[i].reshape(*shape, d)
    area = np.abs(np.linalg.det(jacobian(points))).ravel()
    logs = np.log(np.maximum(run.mass[i], np.finfo(float).tiny)) - np.log(area)
    return Nodes(points.reshape(-1, d), run.mass[i], logs, shape, float(area.sum()))


def solve_certified_plane(
    solve: Callable[..., Solution],
    process: Dynamics,
    taus: Array,
    method: str,
    tol: float,
    progress: Any = None,
) -> Solution:
    """Return a solution in the plane with its certificate; see ``solve_certified``."""
    from fokker_planck.residual import certified as dense

    started = time.perf_counter()
    times = dense.dense_times(
        dense.first_ends(process, taus, dense.FIRST_PANELS_PLANE), dense.DEGREE_PLANE
    )
    solution = dense.dense_solution(
        solve, process, times, method, dense.SHARE_PLANE * tol, dense.SPACING_PLANE, progress
    )
    indices = [int(np.argmin(np.abs(solution.taus - t))) for t in taus]
    certified = certify_summed(solution, indices)
    return replace(
        solution,
        taus=taus,
        reading=restricted(solution.reading, indices),
        cost={**solution.cost, "seconds": time.perf_counter() - started},
        message=dense.with_note(solution.message, float(certified.l1[-1]), tol),
        certificate=certified,
    )
