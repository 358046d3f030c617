"""I4: without guidance the law is Gaussian in closed form; a control for every solver."""

from __future__ import annotations

import math
from collections.abc import Sequence

import fokker_planck as fp
from fokker_planck import ReverseProcess
from fokker_planck.functionals import ENTROPY, MEAN, VARIANCE
from proofs_check.claims.densities import EPS, Value, evidence, exact, read, second_method, solve
from proofs_check.claims.hypotheses import GAUSSIAN_START, ONE_D, OU, UNGUIDED
from proofs_check.claims.tables import case, random_cases
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level

CAP = 1e-6
FUNCTIONALS = {"mean": MEAN, "variance": VARIANCE, "entropy": ENTROPY}


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table."""
    table = [
        case("two", 0, "ode"),
        case("two", 0, "sde"),
        case("two-narrow", 0, "sde"),
        case("two-wide", 0, "ode"),
        case("two-wide", 0, 0.5),
        case("three-extreme", 0, "sde", horizon=2.0),
        case("wide-narrow", 0, "ode", initial="exact"),
    ]
    if level == "full":
        table += random_cases(60, seed, "I4", strength=0.0)
    return table


def closed_form(process: ReverseProcess) -> dict[str, Value]:
    """Return mean, variance and entropy at output, with the rounding of evaluating them.

    The formulas multiply and add a handful of terms of size at most that of the means and
    variances; exponents up to 2 T lose that many units in the last place.
    """
    mean, variance = (float(a) for a in fp.unguided_moments(process, process.horizon))
    entropy = 0.5 * math.log(2 * math.pi * math.e * variance)
    unit = 8 * EPS * (1 + 2 * process.horizon)
    size = abs(float(process.mixture.means[process.target, 0])) + abs(mean)
    spread = float(process.mixture.covariances[process.target, 0, 0]) + variance + 1
    return {
        "mean": exact(mean, unit * size),
        "variance": exact(variance, unit * spread),
        "entropy": exact(entropy, unit * (abs(entropy) + spread / variance)),
    }


def differences(item: Case, method: str = "auto") -> list[Evidence]:
    """Return solver less closed form, for mean, variance and entropy at output."""
    solution, truth = solve(item.process, method), closed_form(item.process)
    units = {"entropy": "nats"}
    return [
        evidence(
            f"{name}: solver - closed form",
            read(solution, functional) - truth[name],
            units=units.get(name, "1"),
            cap=CAP,
            closed_form=truth[name].value,
        )
        for name, functional in FUNCTIONALS.items()
    ]


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the three differences."""
    return differences(item)


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Compare the closed form with central differences."""
    again = differences(item, second_method(item.process))
    second = next(found for found in again if found.name == failed.name)
    return Witness({"functional": failed.name, "difference": failed.value}, second)


CLAIM = Claim(
    id="I4",
    title="Closed form without guidance",
    statement=(
        "At strength 0 and from a Gaussian start the law stays Gaussian, with mean and variance "
        "in closed form, for the ODE, the SDE and every noise level."
    ),
    latex=(
        r"m = r\mu_y + \Phi\,(m_0 - r_T\mu_y),\quad V = C_t + \Phi^2\,(V_0 - C_T),\quad "
        r"\Phi = e^{\tau}\Bigl[\frac{e^{2t}-1+\Sigma_y}{e^{2T}-1+\Sigma_y}\Bigr]^{(1+\lambda^2)/2}"
    ),
    status="theorem",
    hypotheses=(UNGUIDED, GAUSSIAN_START, OU, ONE_D),
    cases=cases,
    gather=gather,
    confirm=confirm,
    equality=True,
)
