"""A law at several nodes of a chain, each read in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fokker_planck.chains.pushed import PushedReading
from fokker_planck.density import Density, PlaneDensity
from fokker_planck.functionals import Functional
from fokker_planck.runs import Budget, Reading, Run

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ChainReading:
    """Readings of one time each, one after the other.

    Parameters
    ----------
    parts : list of Reading
    """

    parts: list[Reading]
    kind: ClassVar[str] = "chain"

    @property
    def best(self) -> Run:
        """The run at the last time."""
        return self.parts[-1].best

    def read(self, functional: Functional) -> tuple[Array, Budget]:
        """Return values and error budget."""
        found = [part.read(functional) for part in self.parts]
        return np.concatenate([values for values, _ in found]), _joined([b for _, b in found])

    def density(self, i: int) -> Density | PlaneDensity:
        """Return the density at output time ``i``."""
        return self.parts[i].density(0)

    def l1_differences(self) -> Budget:
        """Return the L1 differences of the runs, by part."""
        return _joined([part.l1_differences() for part in self.parts])

    def distribution(self, i: int) -> tuple[Array, Array, float] | None:
        """Return points, the distribution function and its error where a map folds, else None."""
        part = self.parts[i]
        if isinstance(part, PushedReading) and part.branches > 1:
            return part.folded_distribution()
        return None

    def distribution_error(self, i: int) -> float:
        """Return the error of the distribution function at the nodes."""
        return self.parts[i].distribution_error(0)

    def pointwise_error(self, x: Array, i: int) -> Array:
        """Return the error of the log-density at points, at output time ``i``."""
        return self.parts[i].pointwise_error(x, 0)


def _joined(budgets: list[Budget]) -> Budget:
    names = dict.fromkeys(name for budget in budgets for name in budget)
    nothing = np.zeros(1)
    return {
        name: np.concatenate([budget.get(name, nothing) for budget in budgets]) for name in names
    }
