"""Evidence: a margin with an error budget, and the verdict that follows from the two."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from fokker_planck import Estimate
from fokker_planck.estimate import Kind
from proofs_check.verdict import Verdict, decide, decide_control

Source = Literal["density", "paths", "identity", "proof"]
Word = Literal["proved", "refuted", "undecided"]
WORDS = {
    "proved": Verdict.PROVED,
    "refuted": Verdict.REFUTED,
    "undecided": Verdict.INCONCLUSIVE,
}


@dataclass(frozen=True)
class Evidence:
    """One quantity that should be nonnegative (or zero, for a control), and how well it is known.

    Parameters
    ----------
    name : str
        What was measured.
    source : {"density", "paths", "identity"}
        Where it comes from.
    value : float
        The margin: nonnegative where the claim holds. For a control, the difference of two sides
        that are equal by construction.
    budget : mapping of str to float
        Parts of the error, each computed from the run; the error is their sum.
    kind : str
        What the error is worth, as in :class:`fokker_planck.Estimate`.
    confidence : float, optional
        Coverage of a statistical interval.
    cap : float, optional
        Makes it a control: the largest error at which agreement counts.
    units : str
        What the margin is measured in.
    details : mapping
        Plain data for the record.
    remedy : str
        What would decide it if it came out undecided.
    p_value : float, optional
        Of a statistical alarm, tested with Holm's method over the run.
    decision : {"proved", "refuted", "undecided"}, optional
        Where arithmetic over a whole region was asked: its word is the verdict.
    proof : mapping, optional
        The proof file's data (:mod:`sde_compare.regions.proof`): without it nothing is PROVED.
    why : str
        Why it stayed undecided, in place of a sentence on errors.
    """

    name: str
    source: Source
    value: float
    budget: Mapping[str, float]
    kind: Kind = "refinement"
    confidence: float | None = None
    cap: float | None = None
    units: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = "a finer resolution"
    p_value: float | None = None
    decision: Word | None = None
    proof: Mapping[str, Any] | None = None
    why: str = ""

    @cached_property
    def margin(self) -> Estimate:
        """The value with the sum of its error budget."""
        parts = [math.inf if math.isnan(part) else part for part in self.budget.values()]
        return Estimate(self.value, sum(parts), self.kind, self.confidence)

    @cached_property
    def verdict(self) -> Verdict:
        """What the margin says, or the decision."""
        if self.decision is not None:
            found = WORDS[self.decision]
            return Verdict.ERROR if found is Verdict.PROVED and self.proof is None else found
        return decide(self.margin) if self.cap is None else decide_control(self.margin, self.cap)

    @cached_property
    def dominant_error(self) -> str:
        """The largest part of the error budget, empty where the error is zero."""
        if not self.budget or self.margin.error == 0:
            return ""
        return max(self.budget, key=lambda part: _nan_as_inf(self.budget[part]))

    @property
    def units_of_error(self) -> float:
        """The margin in units of its error: how clearly it is decided.

        For a control, error - |difference| in units of the error.
        """
        value, error = float(self.margin.value), float(self.margin.error)
        if self.cap is not None:
            value = error - abs(value)
        if error == 0:
            return math.copysign(math.inf, value) if value else 0.0
        return value / error

    def reason(self) -> str:
        """Return one sentence on why it is undecided: which error dominates, what would help."""
        if self.why:
            return self.why
        value, error = float(self.margin.value), float(self.margin.error)
        if self.cap is not None and abs(value) <= error:
            what = f"the error {error:.1e} of {self.name} is above its cap {self.cap:.0e}"
        elif math.isinf(error):
            what = f"the error of {self.name} is unknown"
        else:
            what = f"the margin {value:.1e} of {self.name} lies inside its error {error:.1e}"
        size = _nan_as_inf(self.budget.get(self.dominant_error, 0.0))
        return f"{what}; the {self.dominant_error} error dominates ({size:.1e}); " + (
            f"{self.remedy} would decide it"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the plain record of the evidence."""
        details = {**self.details, "budget": dict(self.budget)}
        if self.cap is not None:
            details["cap"] = self.cap
        if self.p_value is not None:
            details["p_value"] = self.p_value
        return {
            "name": self.name,
            "source": self.source,
            "margin": self.margin.to_dict(),
            "units": self.units,
            "verdict": self.verdict.value,
            "dominant_error": self.dominant_error,
            "details": details,
        }


def _nan_as_inf(x: float) -> float:
    return math.inf if math.isnan(x) else x


@dataclass(frozen=True)
class Witness:
    """Data of a failure, and what a second method says about it.

    Parameters
    ----------
    data : mapping
        What is needed to find the failure again.
    second : Evidence
        The same margin from a method that shares nothing with the first but the model.
    """

    data: Mapping[str, Any]
    second: Evidence

    @property
    def confirmed(self) -> bool:
        """Whether the second method refutes too."""
        return self.second.verdict is Verdict.REFUTED

    def to_dict(self) -> dict[str, Any]:
        """Return the plain record of the witness."""
        return {
            "confirmed": self.confirmed,
            "data": dict(self.data),
            "second_method": self.second.to_dict(),
        }
