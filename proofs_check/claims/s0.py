"""S0: at strength 0 the mixture is forgotten; the class alone gives the same law."""

from __future__ import annotations

from collections.abc import Sequence

import fokker_planck as fp
from fokker_planck import ReverseProcess
from fokker_planck.functionals import ENTROPY, VARIANCE, complement_mass
from proofs_check.claims.densities import evidence, read, second_method, solve
from proofs_check.claims.hypotheses import ONE_D, UNGUIDED
from proofs_check.claims.tables import case, random_cases
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Condition, Context, Hypothesis, Level

CAP = 1e-5


def _dimension_one(process: ReverseProcess) -> Condition:
    d = process.dimension
    return Condition("proved" if d == 1 else "refuted", f"the dimension is {d}")


#: the claim compares two density solvers, so in other dimensions it says nothing
DENSITY = Hypothesis(ONE_D.name, ONE_D.text, _dimension_one)


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table."""
    table = [
        case("two-unequal", 0, "ode"),
        case("two-unequal", 0, "sde"),
        case("three-centre", 0, "ode"),
        case("wide-narrow", 0, "sde"),
    ]
    if level == "full":
        table += random_cases(20, seed, "S0", strength=0.0)
    return table


def conditional(process: ReverseProcess) -> ReverseProcess:
    """Return the sampler of the target class alone: no mixture, no classifier."""
    return fp.reverse_process(
        process.mixture.component(process.target),
        0,
        strength=0.0,
        noise_level=process.noise_level,
        horizon=process.horizon,
        schedule=process.schedule,
        initial=process.initial,
    )


def differences(item: Case, first: str, second: str) -> list[Evidence]:
    """Return the mixture at strength 0 by one method less the class alone by another."""
    process = item.process
    functionals = {
        "variance": (VARIANCE, "1"),
        "entropy": (ENTROPY, "nats"),
        "E[1-P]": (complement_mass(process), "probability"),
    }
    mixed, alone = solve(process, first), solve(conditional(process), second)
    return [
        evidence(
            f"{name}: mixture at strength 0 - class alone",
            read(mixed, functional) - read(alone, functional),
            units=units,
            cap=CAP,
        )
        for name, (functional, units) in functionals.items()
    ]


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the differences between two methods that share nothing but the model."""
    return differences(item, "auto", second_method(item.process))


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Exchange the methods."""
    again = differences(item, second_method(item.process), "auto")
    found = next(evidence for evidence in again if evidence.name == failed.name)
    return Witness({"functional": failed.name, "difference": failed.value}, found)


CLAIM = Claim(
    id="S0",
    title="Strength 0 is the conditional sampler",
    statement=(
        "At strength 0 the guided sampler of a mixture and the sampler of the target class alone "
        "have one law; two methods that share nothing but the model agree on it."
    ),
    latex=r"\eta = 0 \;\Longrightarrow\; b_0(x,\tau) = -f x + (1+\lambda^2) D\,\nabla\log p_t(x|y)",
    status="theorem",
    hypotheses=(UNGUIDED, DENSITY),
    cases=cases,
    gather=gather,
    confirm=confirm,
    equality=True,
)
