"""Noisy processes on the line that are stepped together: in stacks, or as a sweep of strengths.

The drifts of a sweep are affine in the strength. Its rows share a frame and a box, and two
evaluations of the drift serve them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.batch import but_for_the_strength
from fokker_planck.frame import moment_frame
from fokker_planck.methods.framed import Family, Problem
from fokker_planck.methods.spectral import Judged, framed, solve_posed, with_pilots
from fokker_planck.readings import GridReading
from fokker_planck.tails import tail_bound

Array = NDArray[np.float64]
#: drifts that are affine in the strength are so up to rounding
ROUNDING = 1e-11


def solve_together(
    processes: list[Any], taus: Array, tol: float
) -> list[tuple[GridReading, dict[str, Any], Judged]]:
    """Solve processes of one horizon, and the same breaks, on one mesh.

    Raises
    ------
    SolverError
        As ``solve_spectral``, for any of them.
    """
    family = family_of(processes)
    return solve_posed(_posed(processes, family), family, taus, tol, None)


def family_of(processes: list[Any]) -> Family | None:
    """Return the line on which the drifts of a sweep lie; None where they do not."""
    keys = {but_for_the_strength(process) for process in processes}
    if None in keys or len(keys) > 1:
        return None
    values = np.array([process.guidance.value for process in processes])
    low, high = int(np.argmin(values)), int(np.argmax(values))
    width = float(values[high] - values[low])
    share = (values - values[low]) / width if width > 0 else np.zeros(values.size)
    family = Family(processes[low], processes[high], share)
    # held against the drift of one in the middle
    middle = int(np.argmin(np.abs(share - 0.5)))
    process = processes[middle]
    law = process.initial
    x = float(law.mean[0]) + np.sqrt(float(law.covariance[0, 0])) * np.linspace(-6, 6, 25)
    at = process.horizon * np.array([[0.1], [0.6], [0.95]])
    first, second, direct = (item.drift(x, at) for item in (*family[:2], process))
    gap = np.abs(first + share[middle] * (second - first) - direct)
    scale = np.abs(first) + np.abs(second) + np.abs(direct)
    return family if np.all(gap <= ROUNDING * (scale + 1e-300)) else None


def _posed(processes: list[Any], family: Family | None) -> list[Problem]:
    """Return the problems with their pilots; those of a family share a frame."""
    if family is None:
        return with_pilots([framed(process) for process in processes])
    middle = int(np.argmin(np.abs(family.share - 0.5)))
    frame = moment_frame(processes[middle])
    ends: dict[Any, Any] = {}

    def field(share: float) -> Callable[[Array, Array], tuple[Array, Array]]:
        """Return drift and divergence at a share of the way, from those at both ends."""

        def at(x: Array, taus: Array) -> tuple[Array, Array]:
            if not ends:
                one = family.first.drift_and_divergence(x, taus)
                two = family.second.drift_and_divergence(x, taus)
                ends["start"], ends["way"] = one, [b - a for a, b in zip(one, two, strict=True)]
            drift, divergence = (
                a + share * w for a, w in zip(ends["start"], ends["way"], strict=True)
            )
            return drift, divergence

        return at

    bounds = [
        tail_bound(process, field(float(share)), spare=True)
        for process, share in zip(processes, family.share, strict=True)
    ]
    first = framed(processes[0], frame, bounds[0])
    problems = [first]
    for process, bound in zip(processes[1:], bounds[1:], strict=True):
        problems.append(framed(process, frame, bound, first.diffusion_series))
    return with_pilots(problems)
