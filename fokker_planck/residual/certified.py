"""Solving with a certificate in mind: output times on which the interpolant is accurate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics
from fokker_planck.model.dynamics import breaks_of
from fokker_planck.residual.certify import better_of, enclosed, interpolate
from fokker_planck.residual.chebyshev import lobatto
from fokker_planck.residual.eulerian import Interpolant
from fokker_planck.residual.restrict import restricted
from fokker_planck.solution import Solution

Array = NDArray[np.float64]
#: degree in time, panels at first, each shorter by SHRINK than the one before, and rounds
DEGREE, FIRST_PANELS, ROUNDS = 12, 8, 4
#: the same in the plane, where every time is large
DEGREE_PLANE, FIRST_PANELS_PLANE = 10, 6
SHRINK = 0.6
#: how often the drift may turn over on a panel: the integral of its slope
MOST_CHANGE = 2.5
MOST_PANELS = 64
#: a round that leaves more than this share of the residual is the last; most nodes times times
LEAST_GAIN, MOST_WORK = 0.5, 3_000_000
#: a panel whose residual is so many times too large is quartered
HUGE = 100.0
#: share of the tolerance that a summed residual should meet, and how much more a bound may say
ENOUGH, WORTH = 0.5, 1e3
#: starting nodes of characteristics: spacing and reach in deviations
SPACING, SPACING_PLANE, REACH = 0.06, 0.15, 8.0
#: the solver is asked for this share of the tolerance, but not for less than LEAST_TOL
SHARE, LEAST_TOL = 0.05, 1e-10
SHARE_PLANE = 1.0


def dense_times(ends: Array, degree: int = DEGREE) -> Array:
    """Return Chebyshev-Lobatto times on the panels between ``ends``."""
    parts = [ends[:1]]
    for a, b in pairwise(ends):
        nodes = a + 0.5 * (b - a) * (1 + lobatto(degree))
        nodes[-1] = b
        parts.append(nodes[1:])
    return np.concatenate(parts)


def first_ends(process: Dynamics, taus: Array, panels: int = FIRST_PANELS) -> Array:
    """Return the first ends of time panels: halving towards the end, outputs and jumps."""
    horizon = process.horizon
    shorter = horizon * (1 - SHRINK ** np.arange(float(panels)))
    wanted = np.concatenate([[0.0, horizon], taus, breaks_of(process)])
    # a panel ends where an output is; no other end so near that the panel would be negligible
    gap = 1e-3 * horizon
    graded = [t for t in shorter if np.abs(wanted - t).min() > gap]
    ends = np.unique(np.concatenate([wanted, graded]))
    for _ in range(6):
        fast = _changes(process, ends) > MOST_CHANGE
        if not fast.any() or ends.size > MOST_PANELS // 2:
            break
        ends = np.sort(np.concatenate([ends, 0.5 * (ends[1:] + ends[:-1])[fast]]))
    return ends


def _changes(process: Dynamics, ends: Array) -> Array:
    """Return the integral of the drift's slope near the start's mean over each panel."""
    law = process.initial
    deviation = np.sqrt(np.diagonal(law.covariance))
    x = np.stack([law.mean + sign * deviation for sign in (1.0, -1.0)])
    share, weights = np.polynomial.legendre.leggauss(6)
    out = np.zeros(ends.size - 1)
    for k, (a, b) in enumerate(pairwise(ends)):
        for u, w in zip(share, weights, strict=True):
            tau = a + 0.5 * (b - a) * (1 + u)
            drift = process.drift(x[:, 0] if x.shape[1] == 1 else x, tau).reshape(x.shape)
            slope = np.abs((drift[0] - drift[1]) / (2 * deviation)).max()
            out[k] += 0.5 * (b - a) * w * float(slope)
    return out


def dense_solution(
    solve: Callable[..., Solution],
    process: Dynamics,
    taus: Array,
    method: str,
    tol: float,
    spacing: float,
    progress: Any,
) -> Solution:
    """Return a solution at many times; characteristics also start from many nodes."""
    if process.deterministic and method in ("auto", "characteristics"):
        from fokker_planck.methods.base import SolverError
        from fokker_planck.methods.characteristics import solve_characteristics

        try:
            reading, cost = solve_characteristics(process, taus, tol, progress, spacing, REACH)
            return Solution(process, taus, "characteristics", reading, cost)
        except SolverError:
            if method != "auto":
                raise
    return solve(process, taus, method, tol, progress)


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
    before = np.inf
    inner, spacing = max(SHARE * tol, LEAST_TOL), SPACING
    for left in reversed(range(ROUNDS)):
        solution = dense_solution(
            solve, process, dense_times(ends), method, inner, spacing, progress
        )
        interpolant = interpolate(solution, tol, enclose=False)
        total = float(interpolant.certificate.l1[-1])
        if best is None or not total >= best[0]:
            best = (total, solution, interpolant)
        stuck = total > LEAST_GAIN * before
        before = total
        if total <= ENOUGH * tol or left == 0 or stuck:
            break
        added = interpolant.certificate.per_panel
        large = np.flatnonzero(~(added <= 0.5 * ENOUGH * tol / added.size))
        if ends.size + large.size > MOST_PANELS + taus.size:
            large = np.argsort(-added)[: max(MOST_PANELS + taus.size - ends.size, 0)]
        at = interpolant.certificate.taus
        huge = large[added[large] > HUGE * ENOUGH * tol / added.size]
        inner_ends = [
            at[k] + share * (at[k + 1] - at[k])
            for k, share in [
                *((k, 0.5) for k in large),
                *((k, q) for k in huge for q in (0.25, 0.75)),
            ]
        ]
        ends = np.unique(np.concatenate([ends, inner_ends]))
        spacing *= 0.5
        if DEGREE * ends.size * solution.reading.best.mass.shape[1] > MOST_WORK:
            break
    assert best is not None
    total, solution, interpolant = best
    bound = enclosed(interpolant, tol)
    # a bound that says much less than the sum is not worth its name
    if bound.certificate.l1[-1] <= max(tol, WORTH * total):
        interpolant = bound
    indices = [int(np.argmin(np.abs(solution.taus - t))) for t in taus]
    certified = better_of(solution, interpolant, indices, tol)
    cost = {**solution.cost, "seconds": time.perf_counter() - started}
    return replace(
        solution,
        taus=taus,
        reading=restricted(solution.reading, indices),
        cost=cost,
        message=with_note(solution.message, float(certified.l1[-1]), tol),
        certificate=certified,
    )


def with_note(message: str, l1: float, tol: float) -> str:
    """Return a message with a note where the certificate is above the tolerance."""
    note = "" if l1 <= tol else f"the certificate is {l1:.1e} in L1, above tol {tol:g}"
    return "; ".join(filter(None, (message, note)))
