"""Evidence from densities: functionals at output, their differences, a second method."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import fokker_planck as fp
from fokker_planck import ReverseProcess
from fokker_planck.functionals import Functional
from fokker_planck.solution import Solution
from proofs_check.evidence import Evidence, Source
from proofs_check.store import content_key

EPS = float(np.finfo(float).eps)
_SOLVED: OrderedDict[str, Solution] = OrderedDict()
_KEPT = 16


def solve(process: ReverseProcess, method: str = "auto", taus: ArrayLike | None = None) -> Solution:
    """Return ``fp.solve``; the last few are kept, since claims share processes."""
    times = None if taus is None else np.asarray(taus, dtype=float).tolist()
    key = content_key(process.spec(), method, times)
    if key in _SOLVED:
        _SOLVED.move_to_end(key)
        return _SOLVED[key]
    solution: Solution = fp.solve(process, taus=taus, method=method)
    _SOLVED[key] = solution
    while len(_SOLVED) > _KEPT:
        _SOLVED.popitem(last=False)
    return solution


@dataclass(frozen=True)
class Value:
    """A number with the parts of its error."""

    value: float
    budget: Mapping[str, float]
    method: str

    def __sub__(self, other: Value | float) -> Value:
        if not isinstance(other, Value):
            return Value(self.value - other, self.budget, self.method)
        methods = self.method if self.method == other.method else f"{self.method}, {other.method}"
        return Value(self.value - other.value, merge(self.budget, other.budget), methods)

    def times(self, factor: float) -> Value:
        """Return the number times a constant."""
        budget = {key: abs(factor) * part for key, part in self.budget.items()}
        return Value(factor * self.value, budget, self.method)


def merge(*budgets: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of error budgets, part by part."""
    out: dict[str, float] = {}
    for budget in budgets:
        for key, part in budget.items():
            out[key] = out.get(key, 0.0) + float(part)
    return out


def exact(value: float, rounding: float, method: str = "closed form") -> Value:
    """Return a number known up to rounding."""
    return Value(value, {"rounding": rounding}, method)


def read(solution: Solution, functional: Functional, index: int = -1) -> Value:
    """Return a functional of a solution at one output time, with its error budget."""
    values, budget = solution.reading.read(functional)
    parts = {key: float(part[index]) for key, part in budget.items()}
    return Value(float(values[index]), parts, solution.method)


def second_method(process: ReverseProcess) -> str:
    """Return a method that shares nothing with the automatic one but the model."""
    return "central"


def evidence(
    name: str,
    margin: Value,
    *,
    units: str,
    cap: float | None = None,
    source: Source = "density",
    **details: Any,
) -> Evidence:
    """Return evidence of a margin from densities."""
    return Evidence(
        name,
        source,
        margin.value,
        margin.budget,
        units=units,
        cap=cap,
        details={"method": margin.method, **details},
        remedy="a smaller tolerance or a larger box",
    )
