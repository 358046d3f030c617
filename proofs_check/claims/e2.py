"""E2: with isotropic classes guidance raises neither variance nor entropy, at any noise level."""

from __future__ import annotations

from collections.abc import Sequence

from fokker_planck.functionals import ENTROPY, VARIANCE
from proofs_check.claims.densities import evidence, read, second_method, solve
from proofs_check.claims.hypotheses import GAUSSIAN_START, ISOTROPIC, ONE_D
from proofs_check.claims.tables import case, random_cases
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level, without_guidance

CAP = 1e-6
FUNCTIONALS = {"variance": (VARIANCE, "1"), "entropy": (ENTROPY, "nats")}


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table."""
    table = [
        case("two", 0, "sde"),
        case("two", 3, "sde"),
        case("two-unequal", 16, "sde"),
        case("two-wide", 4, "sde", initial="exact"),
        case("three-extreme", 4, "sde"),
        case("three-centre", 1, "sde", horizon=6.0),
        case("two", 2, 0.5),
    ]
    if level == "full":
        table += [case("two", eta, "sde") for eta in (0.5, 1, 2, 8, 16)]
        table += random_cases(40, seed, "E2", sampler="sde")
    return table


def gaps(item: Case, method: str = "auto") -> list[Evidence]:
    """Return variance and entropy at strength 0 less those at the case's strength, at output."""
    process = item.process
    unguided, guided = solve(process.with_strength(0), method), solve(process, method)
    found = []
    for name, (functional, units) in FUNCTIONALS.items():
        before, after = read(unguided, functional), read(guided, functional)
        found.append(
            evidence(
                f"{name} at 0 - {name} at eta",
                before - after,
                units=units,
                cap=CAP if without_guidance(process) else None,
                unguided=before.value,
                guided=after.value,
            )
        )
    return found


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return both gaps from densities."""
    return gaps(item)


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Re-evaluate by central differences."""
    again = gaps(item, second_method(item.process))
    second = next(found for found in again if found.name == failed.name)
    return Witness({"functional": failed.name, "margin": failed.value}, second)


CLAIM = Claim(
    id="E2",
    title="Variance and entropy, every noise level",
    statement=(
        "If all components have covariance sigma^2 I and the start is an isotropic Gaussian, "
        "guidance does not raise the covariance of the output, nor its differential entropy, "
        "at every noise level and strength."
    ),
    latex=(
        r"\Sigma_k = \sigma^2 I \;\Longrightarrow\; \mathrm{Cov}(z^{\eta}_T) \preceq "
        r"\mathrm{Cov}(z^{0}_T),\qquad H(\eta) \le H(0)"
    ),
    status="theorem",
    hypotheses=(ISOTROPIC, GAUSSIAN_START, ONE_D),
    cases=cases,
    gather=gather,
    confirm=confirm,
)
