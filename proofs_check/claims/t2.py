r"""T2: for the SDE and any mixture, the mean of 1/P at output is at most that at the start.

The mean comes from the density, since 1/P is unbounded; samples test the tail bound
:math:`\Pr(P_0 \le \varepsilon) \le E\min\{1, (\varepsilon/P_T(y|Z_0))^{1+2\eta}\}`, whose right
side is an integral over the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, roots_hermitenorm

import sde_compare as sc
from fokker_planck import ReverseProcess
from fokker_planck.functionals import expectation
from fokker_planck.resolution import classifier_gaps
from proofs_check.claims.densities import Value, evidence, read, second_method, solve
from proofs_check.claims.hypotheses import CONSTANT, ONE_D, SDE
from proofs_check.claims.tables import case, random_cases
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level, without_guidance

Array = NDArray[np.float64]
CAP = 1e-4
TARGETS = (0.2, 0.02)  # what the tail bound should be, so that the samples can test it
SIZES = {"quick": (32768, 200), "full": (131072, 400)}
SECOND_RULE = "exponential"


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table: no condition on means or covariances."""
    table = [
        case("two", 0, "sde", initial="exact"),
        case("two", 1, "sde", initial="exact"),
        case("two", 4, "sde"),
        case("two-unequal", 2, "sde"),
        case("three-centre", 2, "sde", horizon=6.0),
        case("near-unequal", 1, "sde"),
    ]
    if level == "full":
        table += [case("two", eta, "sde", initial="exact") for eta in (0.5, 2, 4, 16)]
        table += random_cases(20, seed, "T2", sampler="sde")
    return table


def statements(item: Case) -> int:
    """Return the statistical statements: count and discretisation, for every tail bound."""
    return 2 * len(TARGETS)


# -- the mean, from the density --------------------------------------------------------------------
def reciprocal_gap(item: Case, method: str = "auto") -> Evidence:
    """Return E[1/P] at the start less E[1/P] at output."""
    process = item.process

    def reciprocal(x: Array, log_p: Array, tau: float) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(-process.log_posterior(x, tau))

    functional, solution = (
        expectation("1/P", reciprocal, classifier_gaps(process)),
        solve(process, method),
    )
    start, end = read(solution, functional, 0), read(solution, functional, -1)
    margin = Value(
        start.value - end.value,
        {
            **{f"{key} at the start": part for key, part in start.budget.items()},
            **{f"{key} at output": part for key, part in end.budget.items()},
        },
        solution.method,
    )
    return evidence(
        "E[1/P] at the start - E[1/P] at output",
        margin,
        units="1",
        cap=CAP if without_guidance(process) else None,
        start=start.value,
        output=end.value,
    )


# -- the tail, from samples ------------------------------------------------------------------------
def start_nodes(process: ReverseProcess, n: int) -> tuple[Array, Array]:
    """Return Gauss-Hermite nodes and weights over the initial law, 1-D."""
    z, w = roots_hermitenorm(n)
    law = process.initial
    spread = np.sqrt(law.covariances[:, 0, 0])
    x = law.means[:, :1] + spread[:, None] * z
    return x.ravel(), (law.weights[:, None] * (w / w.sum())).ravel()


def tail_bound(process: ReverseProcess, log_eps: float, n: int = 400) -> float:
    """Return E min{1, (eps/P_T(y|Z_0))^(1+2 eta)}."""
    x, w = start_nodes(process, n)
    power = (1 + 2 * process.strength) * (log_eps - process.log_posterior(x, 0.0))
    return float(w @ np.exp(np.minimum(power, 0.0)))


def level_for(process: ReverseProcess, target: float) -> float:
    """Return log eps at which the tail bound takes the wanted value."""
    low, high = -1.0, 0.0
    while tail_bound(process, low) > target:
        low *= 2
    return float(brentq(lambda e: tail_bound(process, e) - target, low, high, xtol=1e-10))


def tail_evidence(
    item: Case, context: Context, rule: str = "euler", factor: float = 1.0
) -> list[Evidence]:
    """Return bound less frequency of P_0 <= eps, for two values of eps.

    Paths on which the two step sizes disagree about the event bound the discretisation error.
    """
    process = item.process
    n_paths, n_steps = SIZES[context.level]
    n_steps = max(n_steps, 2 * math.ceil(process.horizon))
    pair = sc.two_step_sizes(process, n_paths, 2 * n_steps, rule, context.seed, threads=1)
    log_p = [
        process.log_posterior(run.points[:, 0], process.horizon) for run in (pair.fine, pair.coarse)
    ]
    found = []
    for target in TARGETS:
        log_eps = level_for(process, target)
        bound = factor * tail_bound(process, log_eps)
        quadrature = factor * abs(tail_bound(process, log_eps) - tail_bound(process, log_eps, 250))
        hits, coarse_hits = (row <= log_eps for row in log_p)
        count = int(hits.sum())
        confidence = 1 - context.share
        low, high = sc.clopper_pearson_limits(count, n_paths, confidence)
        share = count / n_paths
        differ = int((hits != coarse_hits).sum())
        steps = sc.clopper_pearson_limits(differ, n_paths, confidence, "upper")[1]
        null = min(1.0, bound + quadrature + steps)
        p_value = float(betainc(count, n_paths - count + 1, null)) if count else 1.0
        found.append(
            Evidence(
                f"tail bound {bound:.3g} - Pr(P <= {math.exp(log_eps):.4g})",
                "paths",
                bound - share,
                {
                    "sampling": max(high - share, share - low),
                    "discretisation": steps,
                    "quadrature": quadrature,
                },
                kind="interval",
                confidence=1 - 2 * context.share,
                units="probability",
                details={
                    "epsilon": math.exp(log_eps),
                    "bound": bound,
                    "frequency": share,
                    "n_paths": n_paths,
                    "n_steps": [n_steps, 2 * n_steps],
                    "rule": rule,
                    "disagreeing_paths": differ,
                },
                remedy="more paths at smaller steps",
                p_value=p_value,
            )
        )
    return found


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the mean from the density and the tail from samples."""
    return [reciprocal_gap(item), *tail_evidence(item, context)]


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Re-evaluate the mean by central differences, the tail by another rule."""
    if failed.source == "density":
        second = reciprocal_gap(item, second_method(item.process))
    else:
        names = [found.name for found in tail_evidence(item, context)]
        second = tail_evidence(item, context, SECOND_RULE)[names.index(failed.name)]
    return Witness({"statement": failed.name, "margin": failed.value, **failed.details}, second)


CLAIM = Claim(
    id="T2",
    title="Reciprocal confidence, SDE",
    statement=(
        "For the SDE sampler and any mixture, the mean of 1/P(y|x) at output is at most its mean "
        "at the start, and low confidence at output is at most as likely as a power of 1/P at the "
        "start says."
    ),
    latex=(
        r"\mathbb{E}\,\frac{1}{P_0(y|Z_T)} \le \mathbb{E}\,\frac{1}{P_T(y|Z_0)},\qquad "
        r"\Pr\bigl(P_0(y|Z_T)\le\varepsilon\bigr) \le \mathbb{E}\min\Bigl\{1,"
        r"\Bigl(\frac{\varepsilon}{P_T(y|Z_0)}\Bigr)^{1+2\eta}\Bigr\}"
    ),
    status="theorem",
    hypotheses=(SDE, CONSTANT, ONE_D),
    cases=cases,
    gather=gather,
    confirm=confirm,
    statements=statements,
    covers=frozenset({"class of one Gaussian"}),
)
