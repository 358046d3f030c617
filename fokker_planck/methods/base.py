"""The protocol of a method, and what methods share: output times and progress."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model import Dynamics
from fokker_planck.model.checks import real_array, shown
from fokker_planck.model.dynamics import breaks_of, piece_of
from fokker_planck.runs import Reading

Array = NDArray[np.float64]
#: called with (done, total) as work goes on
Progress = Callable[[float, float], None]


class SolverError(RuntimeError):
    """A method could not produce a solution; the message says why."""


class Method(Protocol):
    """A numerical method for the Fokker-Planck equation in one dimension."""

    def __call__(
        self, process: Dynamics, taus: Array, tol: float, progress: Progress | None
    ) -> tuple[Reading, dict[str, Any]]:
        """Return the reading of the runs at ``taus`` and the cost (steps, nodes, ...).

        ``tol`` is a request: methods refine until their own error estimate of entropy and
        posterior mass is below it, or until refining no longer helps.
        """


def output_times(taus: ArrayLike | None, horizon: float) -> Array:
    """Return validated output times; None means start and end.

    Raises
    ------
    ValueError
        If they are not increasing within [0, horizon].
    """
    if taus is None:
        return np.array([0.0, horizon])
    times = np.atleast_1d(real_array("taus", taus))
    good = times.ndim == 1 and times.size > 0 and np.all(np.diff(times) > 0)
    if not good or times[0] < 0 or times[-1] > horizon * (1 + 1e-12):
        raise ValueError(f"taus must increase within [0, {horizon:g}], got {shown(taus)}")
    return np.minimum(times, horizon)


def pieces(process: Dynamics) -> list[tuple[float, float, Dynamics]]:
    """Return the smooth pieces of a process as (start, end, dynamics), in order."""
    edges = [0.0, *breaks_of(process), process.horizon]
    return [(a, b, piece_of(process, a, b)) for a, b in itertools.pairwise(edges)]


def with_breaks(process: Dynamics, taus: Array) -> Array:
    """Return the output times and the breaks of the process before the last of them."""
    breaks = np.array([tau for tau in breaks_of(process) if tau < taus[-1]])
    return np.union1d(taus, breaks)
