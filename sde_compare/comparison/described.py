"""Processes with their expressions, if they have any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fokker_planck.model import ReverseProcess
from sde_compare.comparison.system import Diffusion, StepMap, System, substitute
from sde_compare.regions import Expr, variables
from sde_compare.symbolic import symbolic

SIDES = ("lower", "upper")


@dataclass(frozen=True, eq=False)
class Described:
    """A process with its expressions, if it has any."""

    process: Any
    names: tuple[str, ...]
    time: str
    terms: tuple[Expr, ...] | None = None
    amplitude: tuple[Expr, ...] | None = None
    why: str = ""
    stepped: bool = False

    @property
    def discrete(self) -> bool:
        """Whether it is a step map."""
        return isinstance(self.process, StepMap)


def names_of(process: Any) -> tuple[str, ...]:
    """Return the usual names of a process's coordinates."""
    d = process.dimension
    return ("x",) if d == 1 else tuple(f"x{i}" for i in range(d))


def described(process: Any, names: tuple[str, ...] | None = None, time: str = "tau") -> Described:
    """Return a process with its expressions; without them ``why`` says why there are none."""
    if isinstance(process, (System, Diffusion, StepMap)):
        return Described(process, process.names, process.time, process.terms, process.amplitude)
    d = process.dimension
    own = names or names_of(process)
    if isinstance(process, ReverseProcess):
        try:
            found = symbolic(process)
        except ValueError as problem:
            return Described(process, own, time, why=str(problem))
        given = {
            a: variables(b)[0]
            for a, b in zip((*found.names, found.time), (*own, time), strict=True)
        }
        terms = tuple(substitute(e, given) for e in found.drift)
        noise = substitute(found.noise, given)
        return Described(process, own, time, terms, (noise,) * d)
    return Described(process, own, time, why="given as a function only")
