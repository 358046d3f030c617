"""The front door of the density side: ``solve(process) -> Solution``."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.methods import METHODS, NAMES, method_named
from fokker_planck.methods.base import Progress, SolverError, output_times
from fokker_planck.model import Chain, Dynamics
from fokker_planck.model.checks import one_of, real_number, shown
from fokker_planck.solution import Solution

Array = NDArray[np.float64]
#: what "auto" tries, in order: the best method first, then the robust one
PREFERENCE = {True: ("characteristics", "central"), False: ("spectral", "central", "finite-volume")}

WATCHED = ("entropy", "mean", "posterior_mass")


def solve(
    process: Dynamics | Chain,
    taus: ArrayLike | None = None,
    method: str = "auto",
    tol: float = 1e-8,
    progress: Progress | None = None,
    certify: bool = False,
) -> Solution:
    r"""Solve the Fokker-Planck equation of a process on the line or in the plane.

    .. math:: \partial_\tau p = -\nabla\cdot(b\,p) + \tfrac12 g(\tau)^2\,\Delta p,
              \qquad p(\cdot, 0) = \text{initial law}.

    Parameters
    ----------
    process : ReverseProcess, Process or Chain
        What to solve; dimension 1 or 2. Of a :func:`fokker_planck.chain` the law of the
        discretised sampler (docs/theory.md, N11).
    taus : array_like, shape (m,), optional
        Output times in reverse time, increasing within [0, horizon]; nodes of a chain. Default:
        start and end.
    method : {"auto", "characteristics", "spectral", "central", "finite-volume"}
        Characteristics are for the ODE, the spectral method and finite volumes for noise.
        "auto" takes the best, and tries the next if that fails or misses ``tol``.
    tol : float
        Requested error of entropy, mean and posterior mass. If it cannot be met, the solution
        carries its honest, larger error, and ``message`` says so.
    progress : callable, optional
        Called as ``progress(done, total)``.
    certify : bool
        Solve so that the L1 error can be certified, and certify it: errors are then of kind
        "bound" or "residual" (N7), and ``l1_error`` is finite.

    Returns
    -------
    Solution

    Raises
    ------
    ValueError
        If an argument is out of range or the method does not fit the process.
    SolverError
        If no method produced a solution.

    Notes
    -----
    Methods and errors: docs/theory.md, N1 to N5. Everything is dimensionless.
    """
    if isinstance(process, Chain):
        from fokker_planck.chains.solve import solve_chain

        return solve_chain(process, taus, method, tol, progress, certify)
    if not isinstance(process, Dynamics):
        raise ValueError(f"process must be a ReverseProcess or a Process, got {shown(process)}")
    if process.dimension not in METHODS:
        raise ValueError(f"process must have dimension 1 or 2, got {process.dimension}")
    if progress is not None and not callable(progress):
        raise ValueError(f"progress must be callable, got {shown(progress)}")
    times = output_times(taus, process.horizon)
    one_of("method", method, ("auto", *NAMES))
    if method == "finite-volume" and process.deterministic:
        raise ValueError("method finite-volume needs noise_level > 0 (the SDE sampler)")
    tol = real_number("tol", tol, minimum=0.0, strict=True)
    if certify:
        from fokker_planck.residual.certified import solve_certified

        return solve_certified(solve, process, times, method, tol, progress)
    names = PREFERENCE[process.deterministic] if method == "auto" else (method,)
    started = time.perf_counter()
    found: list[tuple[float, Solution]] = []
    notes = []
    for name in names:
        try:
            with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
                solver = method_named(name, process.dimension)
                reading, cost = solver(process, times, tol, progress)
                solution = Solution(process, times, name, reading, cost)
                quantity, error = _worst(solution)
        except SolverError as failure:
            notes.append(str(failure))
            continue
        found.append((error, solution))
        if error <= tol:
            break
        notes.append(f"tol {tol:g} was not met: {name} claims {error:.1e} for the {quantity}")
        if process.dimension > 1 and _unseen_posterior(solution, tol):
            # the other methods' nodes in the plane are farther apart, and see it even less
            break
    if not found:
        raise SolverError("; ".join(notes))
    _, best = min(found, key=lambda pair: pair[0])
    cost = {**best.cost, "seconds": time.perf_counter() - started}
    final = Solution(process, times, best.method, best.reading, cost, "; ".join(notes))
    # what was read to judge the method need not be read again
    vars(final).update({name: vars(best)[name] for name in WATCHED if name in vars(best)})
    return final


def _unseen_posterior(solution: Solution, tol: float) -> bool:
    """Whether all is well but for a posterior that varies between the nodes."""
    errors = {name: np.max(getattr(solution, name).error) for name in WATCHED[:-1]}
    if not hasattr(solution.process, "log_posterior") or max(errors.values()) > tol:
        return False
    return bool(np.any(np.isinf(solution.posterior_mass.error)))


def _worst(solution: Solution) -> tuple[str, float]:
    """Return the watched functional with the largest claimed error, and that error."""
    names = WATCHED if hasattr(solution.process, "log_posterior") else WATCHED[:-1]
    worst = {name: float(np.max(getattr(solution, name).error)) for name in names}
    name = max(worst, key=lambda key: worst[key])
    return name, worst[name]
