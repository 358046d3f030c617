"""Many processes at once: ``solve_batch(processes) -> [Solution, ...]``.

Noisy processes on the line are stepped together, a row each, on one mesh of times that suits the
hardest of them; everything else is solved one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.estimate import Estimate
from fokker_planck.methods.base import Progress, SolverError, output_times
from fokker_planck.model import ConstantStrength, Dynamics
from fokker_planck.model.checks import real_number, shown
from fokker_planck.model.dynamics import breaks_of
from fokker_planck.solution import Solution
from fokker_planck.solve import solve

Array = NDArray[np.float64]
#: most rows of a stack, and how far 1 + strength may vary within one
MOST_ROWS, SPREAD = 32, 2.0


def solve_batch(
    processes: Sequence[Dynamics],
    taus: ArrayLike | None = None,
    tol: float = 1e-8,
    progress: Progress | None = None,
) -> list[Solution]:
    r"""Solve the Fokker-Planck equations of many processes in one call.

    Parameters
    ----------
    processes : sequence of Dynamics
        What to solve, in any mixture of kinds. Fastest for SDEs on the line that differ in the
        strength only, then for those of one horizon.
    taus : array_like, shape (m,), optional
        Output times within the shortest horizon. Default: start and end of each process.
    tol : float
        Requested error of entropy, mean and posterior mass, of every process.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of processes.

    Returns
    -------
    list of Solution
        In the order of ``processes``. Each carries its own error; ``cost["seconds"]`` is an
        equal share of the time of those that were stepped together.

    Raises
    ------
    ValueError
        If an argument is out of range.
    SolverError
        If no method produced a solution for one of them.

    Notes
    -----
    Mesh, modes and, in a sweep, frame and box are those of the stack: values depend on what else
    is in the batch, within their errors. A process whose stack fails or misses ``tol`` is solved
    again on its own. Source: docs/theory.md, N3.
    """
    processes = list(processes)
    for i, process in enumerate(processes):
        if not isinstance(process, Dynamics):
            raise ValueError(f"processes[{i}] must be a Process, got {shown(process)}")
        output_times(taus, process.horizon)
    tol = real_number("tol", tol, minimum=0.0, strict=True)
    found: dict[int, Solution] = {}
    for members in _stacks(processes):
        stacked = [processes[i] for i in members]
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            solutions = _together(stacked, taus, tol)
        for i, solution in zip(members, solutions, strict=True):
            found[i] = solution if solution is not None else solve(processes[i], taus, tol=tol)
        if progress is not None:
            progress(len(found), len(processes))
    for i, process in enumerate(processes):
        if i not in found:
            found[i] = solve(process, taus, tol=tol)
            if progress is not None:
                progress(len(found), len(processes))
    return [found[i] for i in range(len(processes))]


def strength_sweep(
    process: Any,
    strengths: ArrayLike,
    taus: ArrayLike | None = None,
    tol: float = 1e-8,
    progress: Progress | None = None,
) -> list[Solution]:
    """Solve one guided process at many constant strengths: see :func:`solve_batch`.

    Parameters
    ----------
    process : ReverseProcess or PairProcess
        Anything with ``with_strength``.
    strengths : array_like, shape (k,)
    taus, tol, progress
        As in :func:`solve_batch`.

    Raises
    ------
    ValueError
        If the process has no strength, or a strength is out of range.
    """
    if not hasattr(process, "with_strength"):
        raise ValueError(f"process must have a strength, got {shown(process)}")
    values = np.atleast_1d(np.asarray(strengths, dtype=float)).tolist()
    return solve_batch([process.with_strength(value) for value in values], taus, tol, progress)


def _stacks(processes: list[Any]) -> Iterable[list[int]]:
    """Yield the indices of processes that are worth stepping together."""
    sweeps: dict[str, list[int]] = {}
    others: dict[tuple[float, ...], list[int]] = {}
    for i, process in enumerate(processes):
        if process.dimension != 1 or process.deterministic:
            continue
        key = but_for_the_strength(process)
        if key is not None:
            sweeps.setdefault(key, []).append(i)
        else:
            others.setdefault((process.horizon, *breaks_of(process)), []).append(i)
    for members in sweeps.values():
        if len(members) == 1:
            process = processes[members[0]]
            others.setdefault((process.horizon, *breaks_of(process)), []).extend(members)
            continue
        members.sort(key=lambda i: processes[i].guidance.value)
        yield from _cut(members, [1 + processes[i].guidance.value for i in members])
    for members in others.values():
        # alike in what guidance does come together
        sizes = [1 + abs(getattr(processes[i], "strength", 0.0)) for i in members]
        sizes = [size if np.isfinite(size) else 1.0 for size in sizes]
        order = np.argsort(sizes, kind="stable")
        cuts = _cut([members[j] for j in order], [sizes[j] for j in order])
        yield from (cut for cut in cuts if len(cut) > 1)


def _cut(members: list[int], sizes: list[float]) -> Iterable[list[int]]:
    """Cut a list, sorted by size, where it grows too long or its sizes differ too much."""
    begin = 0
    for j in range(1, len(members) + 1):
        if j == len(members) or j - begin == MOST_ROWS or sizes[j] > SPREAD * sizes[begin]:
            yield members[begin:j]
            begin = j


def but_for_the_strength(process: Any) -> str | None:
    """Return what a process of constant strength is, but for the strength; None for others."""
    guided = isinstance(getattr(process, "guidance", None), ConstantStrength)
    if not guided or not hasattr(process, "with_strength") or not hasattr(process, "spec"):
        return None
    spec = {name: item for name, item in process.spec().items() if name != "guidance"}
    return f"{type(process).__qualname__} {spec!r}"


def _together(processes: list[Any], taus: ArrayLike | None, tol: float) -> list[Solution | None]:
    """Return the solutions of one stack, None where a process has to be solved on its own."""
    from fokker_planck.methods.sweep import solve_together

    started = time.perf_counter()
    times = output_times(taus, processes[0].horizon)
    nothing: list[Solution | None] = [None] * len(processes)
    if len(processes) == 1:
        return nothing
    try:
        results = solve_together(processes, times, tol)
    except SolverError:
        return nothing
    share = (time.perf_counter() - started) / len(processes)
    out: list[Solution | None] = []
    for process, (reading, cost, judged) in zip(processes, results, strict=True):
        cost = {**cost, "seconds": share, "rows": len(processes)}
        solution = Solution(process, times, "spectral", reading, cost)
        # what was read to judge the run need not be read again
        for name, (values, budget) in judged.items():
            error = sum(budget.values(), np.zeros(values.size))
            vars(solution)[name] = Estimate(values, error, "refinement")
        worst = max(float(np.max(vars(solution)[name].error)) for name in judged)
        out.append(solution if worst <= tol else None)
    return out
