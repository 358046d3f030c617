"""Solving with a certificate in mind: output times on which the interpolant is accurate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics
from fokker_planck.model.dynamics import breaks_of
from fokker_planck.residual.certify import interpolate, summarise
from fokker_planck.residual.chebyshev import lobatto
from fokker_planck.residual.eulerian import Interpolant
from fokker_planck.residual.restrict import restricted
from fokker_planck.solution import Solution

Array = NDArray[np.float64]
#: degree in time, halvings of the horizon towards its end at first, and rounds of refinement
DEGREE, FIRST_HALVINGS, ROUNDS = 12, 5, 4
MOST_PANELS = 64
#: the solver is asked for this share of the tolerance, but not for less than LEAST_TOL
SHARE, LEAST_TOL = 0.05, 1e-10


def dense_times(ends: Array) -> Array:
    """Return Chebyshev-Lobatto times on the panels between ``ends``."""
    parts = [ends[:1]]
    for a, b in zip(ends[:-1], ends[1:], strict=True):
        nodes = a + 0.5 * (b - a) * (1 + lobatto(DEGREE))
        nodes[-1] = b
        parts.append(nodes[1:])
    return np.concatenate(parts)


def first_ends(process: Dynamics, taus: Array) -> Array:
    """Return the first ends of time panels: halving towards the end, outputs and jumps."""
    horizon = process.horizon
    halvings = horizon * (1 - 0.5 ** np.arange(FIRST_HALVINGS + 1.0))
    wanted = np.concatenate([[0.0, horizon], taus, breaks_of(process)])
    # a panel ends where an output is; no other end so near that the panel would be negligible
    gap = 1e-3 * horizon
    graded = [t for t in halvings if np.abs(wanted - t).min() > gap]
    return np.unique(np.concatenate([wanted, graded]))


def solve_certified(
    solve: Callable[..., Solution],
    process: Dynamics,
    taus: Array,
    method: str,
    tol: float,
    progress: Any = None,
) -> Solution:
    """Return a solution at ``taus`` whose certificate is about ``tol`` in L1 if that can be had.

    The solution is made with output times on panels of time, certified, and made again with
    shorter panels where the residual is large, as long as that helps.

    Parameters
    ----------
    solve : callable
        ``fokker_planck.solve``.
    process, taus, method, tol, progress
        As for ``solve``, checked.
    """
    started = time.perf_counter()
    if process.dimension != 1:
        from fokker_planck.residual.plane import solve_certified_plane

        return solve_certified_plane(solve, process, taus, method, tol, progress)
    ends = first_ends(process, taus)
    best: tuple[float, Solution, Interpolant] | None = None
    inner = max(SHARE * tol, LEAST_TOL)
    for _ in range(ROUNDS):
        solution = solve(process, dense_times(ends), method, inner, progress)
        interpolant = interpolate(solution, tol)
        total = float(interpolant.certificate.l1[-1])
        if best is None or not total >= best[0]:
            best = (total, solution, interpolant)
        if total <= tol:
            break
        added = interpolant.certificate.per_panel
        large = np.flatnonzero(~(added <= 0.5 * tol / added.size))
        if large.size == 0 or ends.size + large.size > MOST_PANELS + taus.size:
            break
        at = interpolant.certificate.taus
        ends = np.unique(np.concatenate([ends, 0.5 * (at[large] + at[large + 1])]))
    assert best is not None
    _, solution, interpolant = best
    indices = [int(np.argmin(np.abs(solution.taus - t))) for t in taus]
    certified = summarise(solution, interpolant, indices)
    cost = {**solution.cost, "seconds": time.perf_counter() - started}
    message = solution.message
    if not certified.l1[-1] <= tol:
        note = f"the certificate is {certified.l1[-1]:.1e} in L1, above tol {tol:g}"
        message = "; ".join(filter(None, (message, note)))
    return replace(
        solution,
        taus=taus,
        reading=restricted(solution.reading, indices),
        cost=cost,
        message=message,
        certificate=certified,
    )
