"""Crossings of coupled paths: which are artefacts of the step size, and which are real."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fokker_planck import Estimate
from fokker_planck.model.checks import one_of, shown
from sde_compare.couplings import CoupledPaths
from sde_compare.estimators import clopper_pearson
from sde_compare.observables import Gap, gap_functions
from sde_compare.path_errors import TINY, error_factor, typical_change
from sde_compare.replay import Replay, replay

Array = NDArray[np.float64]
Steps = NDArray[np.int64]
KINDS = ("none", "artefact", "real", "undecided")
PATHWISE = ("synchronous", "antithetic", "monotone")
EPS = float(np.finfo(float).eps)
DEPTHS = (1, 4, 16)  # a path is judged at these many steps per refined step, and twice as many
CALIBRATED, DEPTH = 128, 8
CHUNK_VALUES = 2**21  # numbers per trajectory array


@dataclass(frozen=True, eq=False)
class Crossings:
    r"""What becomes of every path on which an observable of the pair went negative.

    Attributes
    ----------
    paths : CoupledPaths
        The coarser run; ``.refined`` is the finer.
    observable : str
    kind : ndarray of str, shape (n_paths,)
        "none": not negative at either resolution of the run. "real": negative beyond its error at
        some node of the refined run, once resolved further. "artefact": resolved further, the
        observable is nonnegative beyond its error at every node where the run saw it negative,
        and negative nowhere. "undecided": neither.
    coarse_step, refined_step : ndarray of int, shape (n_paths,)
        First step with a negative value at each resolution of the run, -1 where there is none.
    value, error : ndarray, shape (n_paths,)
        Of the resolved observable at the node that decides; nan for "none".
    factor, local_factor : float
        The calibrated kappas: an error is the smaller of kappa times the largest change so far by
        the last halving of the steps, and of the local kappa times the change at the node.
    """

    paths: CoupledPaths
    observable: str
    kind: NDArray[np.str_] = field(repr=False)
    coarse_step: Steps = field(repr=False)
    refined_step: Steps = field(repr=False)
    value: Array = field(repr=False)
    error: Array = field(repr=False)
    factor: float
    local_factor: float

    def count(self, kind: str) -> int:
        """Return the number of paths of a kind."""
        return int(np.sum(self.kind == one_of("kind", kind, KINDS)))

    def share(self, kind: str, confidence: float = 0.99) -> Estimate:
        """Return the share of paths of a kind, with its Clopper-Pearson interval."""
        return clopper_pearson(self.count(kind), self.paths.n_paths, confidence)


def crossings(paths: CoupledPaths, observable: str | None = None) -> Crossings:
    r"""Tell crossings that are artefacts of the step size from real ones.

    Every path with a negative minimum at either resolution is replayed on the same Brownian path
    at more and more steps until it is decided. The error of the resolved observable is
    :math:`\min(\kappa S, \kappa' S')` plus rounding: S' is the larger of what the last halving of
    the steps changed on this path at this node and of the root mean square of that change over
    paths, S the largest S' so far, and :math:`\kappa, \kappa'` are the largest true errors in
    units of S and S' on calibration paths, replayed 8 times deeper. It is an estimate from
    refinement, no bound.

    Parameters
    ----------
    paths : CoupledPaths
        A run with ``refine`` above 1, of a coupling that refines path by path: synchronous,
        antithetic or monotone.
    observable : str, optional
        Name of a running minimum of the run; may be left out where there is only one.

    Returns
    -------
    Crossings

    Raises
    ------
    ValueError
        If the run has no such observable, no second resolution, or is a reflection coupling.

    Source: docs/theory.md, C6.
    """
    fine = paths.refined
    if fine is None:
        raise ValueError("refine must be above 1 in the run for crossings, got 1")
    if paths.coupling not in PATHWISE:
        raise ValueError(
            f"coupling must be one of {', '.join(PATHWISE)} for crossings, got {paths.coupling!r}"
        )
    names = tuple(paths.minimum)
    if observable is None and len(names) == 1:
        observable = names[0]
    if observable not in names:
        raise ValueError(
            f"observable must be one of {', '.join(names) or 'none'}, got {shown(observable)}"
        )
    seen = np.flatnonzero((paths.minimum[observable] < 0) | (fine.minimum[observable] < 0))
    n = paths.n_paths
    kind = np.full(n, "none", dtype="U9")
    first, last = np.full((2, n), -1), np.full((2, n), np.nan)
    factors = [1.0, 1.0]
    if seen.size:
        judge = _Judge(paths, fine, observable, seen)
        factors = judge.factors
        for depth in DEPTHS:
            rest = seen if depth == DEPTHS[0] else seen[kind[seen] == "undecided"]
            for chosen in _chunks(rest, fine.n_steps * 2 * depth * paths.dimension):
                first[:, chosen], kind[chosen], last[:, chosen] = judge(chosen, depth)
    return Crossings(paths, observable, kind, first[0], first[1], last[0], last[1], *factors)


def _chunks(chosen: Steps, values: int) -> Iterator[Steps]:
    size = max(1, CHUNK_VALUES // values)
    for first in range(0, len(chosen), size):
        yield chosen[first : first + size]


class _Judge:
    """Decides about chosen paths at a depth, with errors calibrated once."""

    def __init__(self, paths: CoupledPaths, fine: CoupledPaths, name: str, seen: Steps) -> None:
        self.paths, self.fine, self.name = paths, fine, name
        self.stride = fine.n_steps // paths.n_steps
        # crossing paths, and paths as they come
        sample = np.union1d(np.arange(min(CALIBRATED, paths.n_paths)), seen[:CALIBRATED])
        found: list[list[Array]] = [[], [], []]
        for chosen in _chunks(sample, fine.n_steps * 2 * DEPTH * paths.dimension):
            for column, depth in zip(found, (1, 2, 2 * DEPTH), strict=True):
                column.append(self.gaps(fine, chosen, depth)[0])
        coarse, value, resolved = (np.concatenate(column, axis=1) for column in found)
        self.typical = typical_change(value, coarse)
        units = self.scales(value, coarse, 1)
        self.factors = [error_factor(value, unit, resolved, DEPTH) for unit in units]

    def scales(self, value: Array, coarse: Array, depth: int) -> tuple[Array, Array]:
        """Return S by the changes so far and by the change here; the typical one falls with h."""
        change = np.abs(value - coarse)
        floor = self.typical / depth
        return np.maximum(np.maximum.accumulate(change, axis=0), floor), np.maximum(change, floor)

    def gaps(
        self, run: CoupledPaths, chosen: Steps, depth: int, rounded: bool = False
    ) -> tuple[Array, Array]:
        """Return the observable after the start at the nodes of ``run``, and what rounding does.

        Shapes (n_steps, m); the second is zero unless asked for.
        """
        at = replay(run, chosen, depth)
        gap = gap_functions(run.process_a, run.process_b, run.tau, self.paths.observables)[
            self.name
        ]()
        values = np.empty((run.n_steps, len(chosen)))
        loss = np.zeros_like(values)
        with np.errstate(over="ignore", under="ignore"):
            for k in range(1, run.n_steps + 1):
                a, b = _at(at, k * depth)
                values[k - 1] = gap(k, a, b)
                if rounded:
                    loss[k - 1] = _rounding(gap, k, a, b, values[k - 1], depth)
        return values, loss

    def __call__(self, chosen: Steps, depth: int) -> tuple[Steps, NDArray[np.str_], Array]:
        """Return first crossings (2, m), kinds (m,), value and error (2, m) of chosen paths."""
        own, seen = (self.gaps(run, chosen, 1)[0] < 0 for run in (self.paths, self.fine))
        first = [np.where(x.any(axis=0), 1 + x.argmax(axis=0), -1) for x in (own, seen)]
        seen[self.stride - 1 :: self.stride] |= own
        coarse = self.gaps(self.fine, chosen, depth)[0]
        value, loss = self.gaps(self.fine, chosen, 2 * depth, rounded=True)
        units = self.scales(value, coarse, depth)
        error = loss + np.minimum(*(f * unit for f, unit in zip(self.factors, units, strict=True)))
        real = (value + error < 0).any(axis=0)
        gone = (np.where(seen, value - error, value) >= 0).all(axis=0)
        kind = np.where(real, "real", np.where(gone, "artefact", "undecided"))
        margin = np.where(seen, value, np.inf) / np.maximum(error, TINY)
        row = np.where(real, (value + error).argmin(axis=0), margin.argmin(axis=0))
        column = np.arange(len(chosen))
        return np.array(first), kind, np.array([value[row, column], error[row, column]])


def _at(run: Replay, k: int) -> tuple[Array, Array]:
    a, b = np.ascontiguousarray(run.path_a[:, k]), np.ascontiguousarray(run.path_b[:, k])
    return (a[:, 0], b[:, 0]) if a.shape[1] == 1 else (a, b)


def _rounding(gap: Gap, k: int, a: Array, b: Array, value: Array, depth: int) -> Array:
    """Return how far the observable moves when states move by k * depth units in the last place."""
    size = np.maximum(np.abs(a), np.abs(b))
    shift = EPS * k * depth * (1 + (size if a.ndim == 1 else size.max(axis=1)))
    total = np.zeros_like(value)
    for axis in range(1 if a.ndim == 1 else a.shape[1]):
        step = shift if a.ndim == 1 else shift[:, None] * np.eye(a.shape[1])[axis]
        total += np.abs(gap(k, a + step, b) - value)
        total += np.abs(gap(k, a, b + step) - value)
    return total
