"""What is computed in a cell: one small adapter per kind of law, one record of outputs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fokker_planck import Estimate, solve
from proofs_check.store import plain
from proofs_check.sweep.cells import process_of
from proofs_check.sweep.modes import modes

if TYPE_CHECKING:
    from fokker_planck import Solution

Record = dict[str, Any]
Settings = dict[str, Any]
#: output quantities that are attributes of a solution under another name
ATTRIBUTES = {
    "confidence": "posterior_mass",
    "complement": "complement_mass",
    "variance": "covariance",
}


def measure(settings: Settings) -> Record:
    """Return the record of a cell: values with errors, or the reason why there are none.

    What may be different next time, a lack of memory or a broken disk, is raised.
    """
    output = settings["output"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            solution = solved(settings)
            found = {name: quantity(solution, name, output) for name in output["quantities"]}
    except (MemoryError, OSError):
        raise
    except Exception as problem:
        return failure(f"{type(problem).__name__}: {problem}")
    broken = [name for name, item in found.items() if not np.all(np.isfinite(item.value))]
    if broken:
        return failure(f"no number for {', '.join(broken)}")
    values = {name: item.to_dict() for name, item in found.items()}
    record: Record = plain({"values": values, "reason": "", "note": solution.message})
    return record


def failure(reason: str) -> Record:
    """Return the record of a cell that has no values."""
    return {"values": None, "reason": " ".join(reason.split()), "note": ""}


def solved(settings: Settings) -> Solution:
    """Return the law at the output."""
    process, tol = process_of(settings["model"]), settings["output"]["tol"]
    if settings["chain"] is None:
        return solve(process, taus=[process.horizon], tol=tol)
    return solve(chain_of(process, settings["chain"]), tol=tol)


def chain_of(process: Any, stated: Settings) -> Any:
    """Return the discretised sampler of a process."""
    raise NotImplementedError("chains of steps are not part of this version")


def quantity(solution: Solution, name: str, output: Settings) -> Estimate:
    """Return one output, at the end."""
    if name == "modes":
        return modes(solution, output["prominence"])
    estimate: Estimate = getattr(solution, ATTRIBUTES.get(name, name))
    return estimate[-1]
