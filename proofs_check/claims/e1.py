"""E1: with a common covariance the guided ODE never raises the differential entropy."""

from __future__ import annotations

from collections.abc import Sequence

from fokker_planck.functionals import ENTROPY
from proofs_check.claims.densities import evidence, read, second_method, solve
from proofs_check.claims.hypotheses import COMMON, ODE, ONE_D
from proofs_check.claims.identity import entropy_loss
from proofs_check.claims.tables import case, random_cases
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level, without_guidance

CAP = 1e-5


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table."""
    table = [
        case("two", 0, "ode"),
        case("two", 3, "ode"),
        case("two-unequal", 16, "ode"),
        case("two-narrow", 4, "ode"),
        case("three-extreme", 4, "ode"),
        case("three-centre", 1, "ode", horizon=6.0),
    ]
    if level == "full":
        table += [case("two", eta, "ode") for eta in (0.5, 1, 2, 8, 16)]
        table += random_cases(40, seed, "E1", sampler="ode")
    return table


def entropy_gap(item: Case, method: str = "auto") -> Evidence:
    """Return H(0) - H(eta) at output."""
    process = item.process
    unguided = read(solve(process.with_strength(0), method), ENTROPY)
    guided = read(solve(process, method), ENTROPY)
    return evidence(
        "H(0) - H(eta)",
        unguided - guided,
        units="nats",
        cap=CAP if without_guidance(process) else None,
        entropy_unguided=unguided.value,
        entropy_guided=guided.value,
    )


def identity_check(item: Case) -> Evidence:
    """Return H(0) - H(eta) less the integral of the posterior covariance: a control.

    H(eta) comes from central differences, the integral from the automatic method.
    """
    process = item.process
    unguided = read(solve(process.with_strength(0)), ENTROPY)
    guided = read(solve(process, second_method(process)), ENTROPY)
    loss = entropy_loss(process)
    return evidence(
        "H(0) - H(eta) - loss integral (I1, I2)",
        (unguided - guided) - loss,
        units="nats",
        cap=CAP,
        source="identity",
        loss_integral=loss.value,
        entropy_drop=unguided.value - guided.value,
    )


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the entropy gap from densities, and the identity."""
    return [entropy_gap(item), identity_check(item)]


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Re-evaluate by central differences."""
    if failed.source == "identity":
        second = identity_check(item)
    else:
        second = entropy_gap(item, second_method(item.process))
    return Witness({"functional": failed.name, "margin": failed.value}, second)


CLAIM = Claim(
    id="E1",
    title="Entropy, ODE",
    statement=(
        "If all components have one covariance, the guided ODE sampler has at most the "
        "differential entropy of the unguided one, at every strength."
    ),
    latex=(
        r"H(\eta) = H(0) - \eta\int_0^T r^2\,\mathbb{E}\,\mathrm{tr}\bigl(\Sigma_t^{-1}"
        r"\mathrm{Cov}_{P_t(\cdot|x)}(\mu)\,\Sigma_t^{-1}\bigr)\,d\tau \le H(0)"
    ),
    status="theorem",
    hypotheses=(ODE, COMMON, ONE_D),
    cases=cases,
    gather=gather,
    confirm=confirm,
    cost=3.0,
)
