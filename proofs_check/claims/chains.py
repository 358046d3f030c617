r"""D4 and X7: what guidance does to the entropy and confidence of a chain of Euler steps.

The chain's own law is computed, so that nothing is left of sampling noise or of the limit of small
steps. Statements and proofs: docs/theory.md, D3 and D4.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

import fokker_planck as fp
import sde_compare as sc
from fokker_planck import Estimate, ReverseProcess, Solution
from proofs_check.claims.d1 import centre_process
from proofs_check.claims.hypotheses import LINE, ODE, OU, UNIT, movers
from proofs_check.claims.proofs import proof_evidence
from proofs_check.claims.tables import case
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Condition, Context, Hypothesis, Level
from sde_compare import regions as rg

Array = NDArray[np.float64]
CAP = 1e-6
TOL = 1e-7
PATHS = 200_000


def safe_cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table of D4: steps up to the allowed one."""
    table = [
        case("two", 8, "ode", rule="euler", n_steps=40),
        case("three-extreme", 4, "ode", rule="euler", n_steps=40),
        case("three-centre", 5, "ode", rule="euler", n_steps=50),
    ]
    if level == "full":
        table += [
            case("two", eta, "ode", rule="euler", n_steps=n) for eta, n in ((0.5, 5), (80, 200))
        ]
        table += [case("three-centre", 0.5, "ode", rule="euler", n_steps=5)]
    return [_named(item) for item in table]


def broken_cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table of X7: a centre target, h eta past the thresholds of D1 and D2."""
    shapes = [("sde", 2.0, 0.1), ("ode", 9.0, 0.1)]
    if level == "full":
        shapes += [("sde", 4.0, 0.05), ("sde", 9.0, 0.2), ("ode", 8.0, 0.05)]
    table = []
    for sampler, theta, h in shapes:
        process = centre_process(1 / 3, 3.0, sampler).with_strength(theta / h)
        options = {"rule": "euler", "n_steps": round(process.horizon / h)}
        table.append(_named(Case(f"centre-{sampler}-theta{theta:g}", process, options)))
    return table


def _named(item: Case) -> Case:
    return Case(f"{item.id}-n{item.options['n_steps']}", item.process, item.options)


def steps(item: Case) -> int:
    """Return the number of steps."""
    return int(item.options["n_steps"])


def _diameter(item: Case) -> Condition:
    if item.options.get("rule") != "euler":
        return Condition("refuted", "no chain of Euler steps is given")
    process = item.process
    means = [[Fraction(float(x)) for x in row] for row in process.mixture.means]
    used = [m for m, w in zip(means, process.mixture.weights, strict=True) if w > 0]
    square = max(sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) for p in used for q in used)
    left = Fraction(process.horizon) / steps(item) * Fraction(process.strength) * square
    words = f"h eta D^2 = {float(left):.6g} in exact arithmetic"
    return Condition("proved" if left <= 8 else "refuted", words)


def _euler(item: Case) -> Condition:
    rule = item.options.get("rule")
    return Condition("proved" if rule == "euler" else "refuted", f"the rule is {rule}")


DIAMETER = Hypothesis(
    "step condition", "h eta D^2 <= 8, D the diameter of the means", _diameter, True
)
EULER = Hypothesis("Euler chain", "a chain of equal Euler steps", _euler, True)


def law(process: ReverseProcess, n: int) -> Solution:
    """Return the law of the chain."""
    return fp.solve(fp.chain(process, np.linspace(0.0, process.horizon, n + 1)), tol=TOL)


def gaps(item: Case) -> list[Evidence]:
    """Return entropy at 0 less that at eta, and E[1-P] at 0 less that at eta, of the chains."""
    process, n = item.process, steps(item)
    before, after = law(process.with_strength(0), n), law(process, n)
    cap = CAP if process.strength == 0 else None
    found = []
    pairs = {
        ("entropy at 0 - entropy at eta", "nats"): [s.entropy[-1] for s in (before, after)],
        ("E[1-P] at 0 - E[1-P] at eta", "probability"): [
            1 - s.posterior_mass[-1] for s in (before, after)
        ],
    }
    for (name, units), (a, b) in pairs.items():
        value, error = float(a.value - b.value), float(a.error + b.error)
        found.append(
            Evidence(
                f"{name}, chain",
                "density",
                value,
                {"law of the chain": error},
                cap=cap,
                units=units,
                details={"unguided": float(a.value), "guided": float(b.value), "n_steps": n},
            )
        )
    return found


def increasing(item: Case) -> Evidence | None:
    """Return the proof that the step increases along v, where two classes allow it (D4a)."""
    process = item.process
    vectors = movers(process)
    if len(vectors) != 1:
        return None
    ((_, v),) = vectors.items()
    square = sum((a * a for a in v), Fraction(0))
    theta = Fraction(process.horizon) / steps(item) * Fraction(process.strength) * square
    if theta >= 4:
        return None
    r, ratio = rg.variables("r l")
    share = rg.shares(0, -ratio)[1]
    f = 1 - rg.number(theta) * r**2 * share * (1 - share)
    region = {"r": (0, 1), "l": ("-inf", "inf")}
    found = rg.decide(f, region, name="slope of the step along v")
    return proof_evidence("the step increases", "1 - h eta r^2 |v|^2 P (1-P) >= 0", [found])


def gather_safe(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the entropy gap, and the proof that the step is increasing where D4a speaks."""
    found, order = [gaps(item)[0]], increasing(item)
    return found if order is None else [*found, order]


def gather_broken(item: Case, context: Context) -> Sequence[Evidence]:
    """Return both gaps."""
    return gaps(item)


def plain_entropy(process: ReverseProcess, n: int, points: int) -> tuple[float, float]:
    """Return the entropy of a noisy Euler chain by a dense kernel matrix, and the mass it lost."""
    h = process.horizon / n
    means, eta = np.abs(process.mixture.means).max(), process.strength
    reach = 8.0 + 2 * h * (1 + eta) * float(means) * 2
    x = np.linspace(-reach, reach, points)
    width = x[1] - x[0]
    noise = np.sqrt(2 * h) * process.noise_level
    p = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    for k in range(n):
        moved = x + h * np.asarray(process.drift(x, k * h))
        kernel = np.exp(-0.5 * ((x[:, None] - moved) / noise) ** 2) / (noise * np.sqrt(2 * np.pi))
        p = kernel @ p * width
    positive = p[p > 0]
    entropy = float(-np.sum(positive * np.log(positive)) * width)
    return entropy, abs(1 - float(p.sum()) * width)


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Evaluate again: confidence by sampled paths, entropy by a dense kernel matrix."""
    process, n = item.process, steps(item)
    ends = (process.with_strength(0), process)
    details: dict[str, object] = {}
    if failed.name.startswith("entropy"):
        details["method"] = "dense kernel matrix"
        if process.noise_level == 0:
            again = Evidence(failed.name, "density", failed.value, {"none": float("inf")})
            return Witness({"n_steps": n}, again)
        fine, coarse = ([plain_entropy(p, n, m) for p in ends] for m in (1600, 1200))
        value = fine[0][0] - fine[1][0]
        error = abs(value - (coarse[0][0] - coarse[1][0]))
        # what mass d outside the grid adds to an entropy is of the order d (1 + log 1/d)
        for _, lost in fine:
            lost = max(lost, np.finfo(float).eps)
            error += lost * (1 - np.log(lost))
    else:
        details["method"] = "sampled paths"
        runs = [sc.sample(p, PATHS, n, rule="euler", seed=context.seed) for p in ends]
        errors: list[Estimate] = [1 - run.posterior_mass for run in runs]
        value = float(errors[0].value - errors[1].value)
        error = float(errors[0].error + errors[1].error)
    again = Evidence(failed.name, failed.source, value, {"second method": error}, details=details)
    return Witness({"n_steps": n, "functional": failed.name}, again)


D4 = Claim(
    id="D4",
    title="Steps that are safe for entropy",
    statement=(
        "Euler chain of the ODE with covariance I: if h eta D^2 <= 8, D the diameter of the means, "
        "guidance does not raise the differential entropy of the chain; for two classes and "
        "h eta |v|^2 <= 4 every step is increasing along v."
    ),
    latex=r"h\,\eta\,D^2 \le 8 \;\Longrightarrow\; H(x_n^{\eta}) \le H(x_n^{0})",
    status="theorem",
    hypotheses=(LINE, ODE, OU, UNIT, DIAMETER),
    cases=safe_cases,
    gather=gather_safe,
    confirm=confirm,
)

X7 = Claim(
    id="X7",
    title="Guidance of a chain, at any strength (false past a threshold of order 1/h)",
    statement=(
        "Guidance raises neither the entropy of an Euler chain nor its mean error E[1 - P], "
        "whatever the strength and the step size."
    ),
    latex=(
        r"H(x_n^{\eta}) \le H(x_n^{0}),\quad "
        r"\mathbb{E}[1-P(x_n^{\eta})] \le \mathbb{E}[1-P(x_n^{0})]"
    ),
    status="counterexample",
    hypotheses=(LINE, OU, UNIT, EULER),
    cases=broken_cases,
    gather=gather_broken,
    confirm=confirm,
    note="D3: past the threshold the cluster of a centre target splits into two beyond the others.",
)
