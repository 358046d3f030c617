"""``solve(chain)``: the law of a discretised sampler as a Solution."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.chains.line import contraction, last_noise, line_readings
from fokker_planck.chains.reading import ChainReading
from fokker_planck.functionals import watched
from fokker_planck.methods.base import Progress, SolverError, output_times
from fokker_planck.model import Chain
from fokker_planck.model.checks import real_number, shown
from fokker_planck.solution import Solution

Array = NDArray[np.float64]
#: below such a contraction sampled paths have lost in rounding what makes them differ
LOST_IN_ROUNDING = 1e-14


def solve_chain(
    chain: Chain,
    taus: ArrayLike | None = None,
    method: str = "auto",
    tol: float = 1e-8,
    progress: Progress | None = None,
    certify: bool = False,
) -> Solution:
    """Return the law of a chain at nodes of its time grid; see :func:`fokker_planck.solve`.

    Raises
    ------
    ValueError
        If an argument is out of range, an output time is no node, or a method or a certificate is
        asked for: chains have one method and none.
    SolverError
        If the law needs too many nodes, or a step leaves the numbers.
    """
    if method != "auto":
        raise ValueError(f"method must be auto for a chain, got {method!r}")
    if certify:
        raise ValueError(f"certify must be False for a chain, got {certify!r}")
    if chain.dimension not in (1, 2):
        raise ValueError(f"chain must have dimension 1 or 2, got {chain.dimension}")
    times = output_times(taus, chain.horizon)
    tol = real_number("tol", tol, minimum=0.0, strict=True)
    nodes = _nodes(chain, times)
    started = time.perf_counter()
    total = 2 * chain.n_steps

    def report(k: int) -> None:
        if progress is not None:
            progress(k + 1, total)

    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        if chain.dimension == 1:
            readings, cost = line_readings(chain, nodes, tol, report)
        else:
            from fokker_planck.chains.plane import plane_readings

            readings, cost = plane_readings(chain, nodes, tol, report)
        message = ""
        if chain.deterministic and chain.dimension == 1:
            cost["contraction"] = contraction(chain)
            if cost["contraction"] < LOST_IN_ROUNDING:
                message = (
                    f"the law contracts to {cost['contraction']:.0e} of its start: a comparison "
                    "with sampled paths is vacuous, since they keep 16 digits"
                )
    for reading in readings:
        run = reading.best
        if not (np.all(np.isfinite(run.points)) and np.all(np.isfinite(run.mass))):
            raise SolverError("chain: a step gave no number; more steps or less strength may help")
    if progress is not None:
        progress(total, total)
    pushed = last_noise(chain, nodes[-1]) < nodes[-1] or nodes[-1] == 0
    name = "push-forward" if pushed else "chapman-kolmogorov"
    reading = ChainReading(readings)
    solution = Solution(chain.process, chain.tau[nodes], name, reading, cost, message, None, chain)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        for functional in watched(chain.process):
            values, budget = reading.read(functional)
            error = sum(budget.values(), np.zeros(values.size))
            if not np.all(error <= tol):
                worst = float(error.max())
                missed = f"tol {tol:g} was not met: {functional.name} has error {worst:.1e}"
                message = f"{message}; {missed}" if message else missed
    cost["seconds"] = time.perf_counter() - started
    return replace(solution, message=message)


def _nodes(chain: Chain, times: Array) -> list[int]:
    """Return the numbers of the nodes at output times."""
    found = np.argmin(np.abs(chain.tau[:, None] - times), axis=0)
    apart = np.abs(chain.tau[found] - times) > 1e-9 * chain.horizon
    if apart.any():
        raise ValueError(f"taus must be nodes of the chain, got {shown(times[apart].tolist())}")
    return [int(k) for k in found]
