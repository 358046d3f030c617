"""The result of a comparison: hypotheses and conclusion, apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fokker_planck.model.checks import shown
from sde_compare.comparison.hypotheses import Hypothesis
from sde_compare.comparison.order import Order
from sde_compare.comparison.paths import Conclusion
from sde_compare.comparison.theorems import Theorem
from sde_compare.regions import Region, proof_of


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison theorem says of two processes: hypotheses and conclusion apart.

    Attributes
    ----------
    theorem : Theorem or None
        The theorem whose hypotheses are listed; None if none speaks about the pair or a
        hypothesis of each is refuted.
    reasons : dict of str to str
        Why theorems do not apply, by id.
    hypotheses : tuple of Hypothesis
        Of the theorem, or of the one that came closest.
    conclusion : Conclusion or None
        Evidence from coupled paths; None if none were asked for.
    order, region
        What was compared, and where.
    """

    theorem: Theorem | None
    reasons: dict[str, str]
    hypotheses: tuple[Hypothesis, ...]
    conclusion: Conclusion | None
    order: Order
    region: Region
    title: str = field(repr=False, default="")

    @property
    def applies(self) -> bool:
        """Whether all hypotheses of the theorem are proved."""
        return self.theorem is not None and all(h.status == "proved" for h in self.hypotheses)

    def hypothesis(self, name: str) -> Hypothesis:
        """Return the hypothesis of that name.

        Raises
        ------
        ValueError
            If there is none.
        """
        for one in self.hypotheses:
            if one.name == name:
                return one
        names = tuple(h.name for h in self.hypotheses)
        raise ValueError(f"name must be one of {', '.join(names)}, got {shown(name)}")

    def proof(self) -> dict[str, Any]:
        """Return the proof of all hypotheses as data, which ``regions.replay`` checks.

        Raises
        ------
        ValueError
            If the theorem does not apply, naming the first hypothesis that is not proved.
        """
        open_ = [h for h in self.hypotheses if h.status != "proved"]
        if self.theorem is None or open_:
            name = open_[0].name if open_ else "theorem"
            raise ValueError(f"hypotheses must be proved for a proof, got {name!r} not proved")
        words = "; ".join(f"{h.statement} ({h.detail})" for h in self.hypotheses if not h.decisions)
        decisions = [d for h in self.hypotheses for d in h.decisions]
        return proof_of(f"{self.title} by {self.theorem.name}", words, decisions)

    def __str__(self) -> str:
        lines = [f"order: {self.order}; region: {self.region}"]
        if self.theorem is not None:
            word = "applies" if self.applies else "not known to apply"
            lines.append(f"theorem: {self.theorem}: {word}")
        else:
            lines.append("theorem: none applies")
            lines += [f"  {name}: {why}" for name, why in self.reasons.items()]
        lines += ["hypotheses:", *(f"  {h}" for h in self.hypotheses)] if self.hypotheses else []
        lines.append(f"conclusion on paths: {self.conclusion or 'not tested'}")
        return "\n".join(lines)
