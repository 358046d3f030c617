"""X5: with unequal covariances guidance can raise the entropy."""

from __future__ import annotations

from collections.abc import Sequence

from proofs_check.claims.densities import second_method
from proofs_check.claims.e1 import entropy_gap
from proofs_check.claims.hypotheses import NOT_COMMON, ONE_D
from proofs_check.claims.tables import case
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table: a wide target around a narrow rival."""
    table = [case("wide-narrow", 1, "ode")]
    if level == "full":
        table += [case("wide-narrow", 2, "sde")]
        table += [case("wide-narrow", eta, "ode") for eta in (0.5, 2, 4)]
    return table


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return H(0) - H(eta) from densities."""
    return [entropy_gap(item)]


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Re-evaluate by central differences."""
    second = entropy_gap(item, second_method(item.process))
    return Witness({"case": item.id, "margin": failed.value, **failed.details}, second)


CLAIM = Claim(
    id="X5",
    title="Entropy does not rise (false with unequal covariances)",
    statement=(
        "The guided sampler has at most the differential entropy of the unguided one, whatever "
        "the covariances of the components."
    ),
    latex=r"H(\eta) \le H(0)\quad\text{for all } \Sigma_1,\dots,\Sigma_K",
    status="counterexample",
    hypotheses=(NOT_COMMON, ONE_D),
    cases=cases,
    gather=gather,
    confirm=confirm,
    cost=4.0,
    note="The hypothesis of E1 and E2 is dropped: a wide target around a narrow rival refutes it.",
)
