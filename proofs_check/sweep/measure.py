"""What is computed in a cell: one small adapter per kind of law, one record of outputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fokker_planck import Estimate, SolverError, chain, solve, time_grid
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
#: ... and of chains that are stepped together
ROWS = {"confidence": "posterior_mass"}


def measure_unit(unit: Sequence[Settings]) -> list[Record]:
    """Return the records of cells that are computed in one go: one cell, or cells of one chain."""
    if "together" in unit[0]:
        found = stepped_together(unit[0])
        if found is not None:
            return [found[settings["model"]["strength"]] for settings in unit]
    return [measure(settings) for settings in unit]


def stepped_together(settings: Settings) -> dict[float, Record] | None:
    """Return records by strength, or None where each chain has to be solved on its own."""
    from fokker_planck.chains.sweep import chain_sweep

    output, stated = settings["output"], settings["chain"]
    try:
        process: Any = process_of(settings["model"])
        steps = chain(process, time_grid(process, stated["steps"], stated["grid"]), stated["rule"])
        found = chain_sweep(steps, settings["together"], output["tol"])
    except (ValueError, SolverError):
        return None
    names = {name: ROWS.get(name, name) for name in output["quantities"]}
    return {
        strength: recorded({k: getattr(found, name)[i].to_dict() for k, name in names.items()}, "")
        for i, strength in enumerate(settings["together"])
    }


def measure(settings: Settings) -> Record:
    """Return the record of a cell: values with errors, or the reason why there are none.

    What may be different next time, a lack of memory or a broken disk, is raised.
    """
    output = settings["output"]
    values: dict[str, Any] = {}
    notes = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            solution = solved(settings)
            notes.append(solution.message)
            for name in output["quantities"]:
                try:
                    item = quantity(solution, name, output)
                except (ValueError, AttributeError) as problem:
                    item = Estimate(np.nan, np.inf)
                    notes.append(f"{name}: {problem}")
                values[name] = item.to_dict()
    except (MemoryError, OSError):
        raise
    except Exception as problem:
        return failure(f"{type(problem).__name__}: {problem}")
    return recorded(values, "; ".join(" ".join(text.split()) for text in notes if text))


def recorded(values: dict[str, Any], note: str) -> Record:
    """Return the record of values; without a single number it is that of a failure."""
    if not any(np.all(np.isfinite(item["value"])) for item in values.values()):
        return failure(f"no number for {', '.join(values)}" + (f" ({note})" if note else ""))
    record: Record = plain({"values": values, "reason": "", "note": note})
    return record


def failure(reason: str) -> Record:
    """Return the record of a cell that has no values."""
    return {"values": None, "reason": " ".join(reason.split()), "note": ""}


def solved(settings: Settings) -> Solution:
    """Return the law at the output: of the process, or of the chain."""
    process, tol = process_of(settings["model"]), settings["output"]["tol"]
    stated = settings["chain"]
    if stated is None:
        return solve(process, taus=[process.horizon], tol=tol)
    steps = chain(process, time_grid(process, stated["steps"], stated["grid"]), stated["rule"])
    return solve(steps, taus=[steps.horizon], tol=tol)


def quantity(solution: Solution, name: str, output: Settings) -> Estimate:
    """Return one output, at the end."""
    if name == "modes":
        return modes(solution, output["prominence"], output["bandwidth"])
    estimate: Estimate = getattr(solution, ATTRIBUTES.get(name, name))
    return estimate[-1]
