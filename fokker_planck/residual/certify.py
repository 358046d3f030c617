"""The certificate of a solution, and solutions made so that their certificate is small."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.estimate import Kind
from fokker_planck.residual.eulerian import Interpolant, certify_line
from fokker_planck.residual.field import MixtureField, enclosable
from fokker_planck.residual.frames import time_panels
from fokker_planck.residual.functionals import Slice
from fokker_planck.residual.line_estimates import line_estimates
from fokker_planck.residual.moments import reach
from fokker_planck.residual.plane import certify_summed
from fokker_planck.residual.result import Certified
from fokker_planck.residual.sampled import SampledField
from fokker_planck.residual.sampled_reach import sampled_reach
from fokker_planck.residual.table import Table
from fokker_planck.solution import Solution

Array = NDArray[np.float64]
#: nodes are equally spaced if their steps agree to this share
EQUAL = 1e-6
QUANTITIES = ("mass", "entropy", "mean", "covariance")


def certify(solution: Solution, target: float = 1e-9) -> Certified:
    """Return the L1 certificate of a solution, evaluated by code of its own.

    The solution's densities are interpolated in time and space; the residual of the interpolant
    and its distance to the solution's own values make the certificate, which is large where the
    solution has too few output times. Theory: docs/theory.md, section N7.

    Parameters
    ----------
    solution : Solution
        With its process, of dimension 1 or 2, and 0 among its output times.
    target : float
        Wanted L1 error: space is cut into smaller cells as long as that helps.

    Raises
    ------
    ValueError
        If the solution has lost its process.
    """
    if solution.process is None:
        raise ValueError("solution must have its process, got one of a user's own functions")
    if solution.taus[0] != 0 or len(solution) < 2:
        return Certified(np.full(len(solution), np.inf), "residual")
    if solution.dimension != 1:
        return certify_summed(solution, list(range(len(solution))))
    interpolant = interpolate(solution, target)
    return better_of(solution, interpolant, list(range(len(solution))), target)


def interpolate(solution: Solution, target: float, enclose: bool = True) -> Interpolant:
    """Return the interpolant of a 1-D solution with its certificate.

    Cells are found with the quadrature summed, and certified once with it enclosed.
    """
    run = solution.reading.best
    process: Any = solution.process
    table = Table(run, logs=not _equal_steps(run.points[-1]) and bool(np.all(run.mass > 0)))
    with np.errstate(under="ignore", over="ignore", invalid="ignore", divide="ignore"):
        found = certify_line(table, SampledField(process), time_panels(table), target)
        return enclosed(found, target) if enclose else found


def enclosed(interpolant: Interpolant, target: float) -> Interpolant:
    """Return the interpolant certified with enclosures, where the process has them."""
    process: Any = interpolant.field.process
    if not enclosable(process):
        return interpolant
    with np.errstate(under="ignore", over="ignore", invalid="ignore", divide="ignore"):
        return certify_line(
            interpolant.table, MixtureField(process), interpolant.panels, target, interpolant.cells
        )


def summarise(solution: Solution, interpolant: Interpolant, indices: list[int]) -> Certified:
    """Return what a certified interpolant says of a solution's output times ``indices``."""
    kind: Kind = "bound" if interpolant.certificate.enclosed else "residual"
    taus = solution.taus[indices]
    slices = [Slice.of(interpolant, i) for i in indices]
    distance = np.array([interpolant.l1_at(i) for i in indices])
    reported = np.array(
        [_reported(solution, part, i) for part, i in zip(slices, indices, strict=True)]
    )
    parts = {
        name: np.array(
            [row[place[0] + (place[1] > 0)] for place in map(interpolant.place, indices)]
        )
        for name, row in interpolant.certificate.parts.items()
    }
    l1 = np.where(np.isnan(distance), np.inf, distance + reported)
    if not np.any(np.isfinite(l1)):
        return Certified(l1, kind, {}, {**parts, "reported": reported})
    if isinstance(interpolant.field, MixtureField):
        bounds = reach(interpolant.field, taus)
    else:
        heights = np.array([part.largest().max() / part.half for part in slices])
        bounds = sampled_reach(interpolant.field.process, taus, heights)
    values = {name: np.asarray(getattr(solution, name).value)[indices] for name in QUANTITIES}
    if hasattr(solution.process, "log_posterior"):
        for name in ("posterior_mass", "complement_mass"):
            values[name] = np.asarray(getattr(solution, name).value)[indices]
    with np.errstate(under="ignore", over="ignore", invalid="ignore", divide="ignore"):
        estimates = line_estimates(values, interpolant, indices, distance, bounds)
    return Certified(l1, kind, estimates, {**parts, "reported": reported})


def better_of(
    solution: Solution, interpolant: Interpolant, indices: list[int], target: float
) -> Certified:
    """Return the certificate of the interpolant, or of the flow where that is smaller.

    Thin filaments of an ODE are smooth in the starting points, not in space.
    """
    found = summarise(solution, interpolant, indices)
    flows = solution.reading.kind == "characteristics"
    if not flows or found.l1[-1] <= 10 * target:
        return found
    other = certify_summed(solution, indices)
    return other if not found.l1[-1] <= other.l1[-1] else found


def _equal_steps(x: Array) -> bool:
    steps = np.diff(x)
    return bool(np.ptp(steps) <= EQUAL * np.abs(steps).max())


def _reported(solution: Solution, part: Slice, i: int) -> float:
    """Return the distance of the solution's node values to the interpolant, summed over nodes."""
    run = solution.reading.best
    x, mass = run.points[i], run.mass[i]
    values = np.sign(mass) * np.exp(run.log_density[i])
    q = part.at(x)
    if _equal_steps(x):
        step = (x[-1] - x[0]) / (x.size - 1)
        return float(np.sum(np.abs(mass - q * step)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(mass == 0, 1.0, q / values)
    return float(np.sum(np.abs(mass) * np.abs(1 - np.nan_to_num(ratio, nan=np.inf))))
