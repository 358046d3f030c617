r"""T1-Sigma: guidance never lowers confidence, path by path, for a common anisotropic covariance.

The hypothesis is a sign over a region: for all k, l != y and all 0 <= t <= s <= T

.. math:: \langle v_k, \Sigma_t^{(\lambda^2-1)/2}\, \Sigma_s^{-(3+\lambda^2)/2}\, v_l \rangle \ge 0,
   \qquad \Sigma_s = e^{-2s} \Sigma + (1 - e^{-2s}) I.

It is decided by exact and interval arithmetic. Source: docs/theory.md, T1-Sigma.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement

import fokker_planck as fp
from fokker_planck import GaussianMixture, ReverseProcess
from proofs_check.claims.hypotheses import COMMON, OU, movers
from proofs_check.claims.pathwise import path_evidence
from proofs_check.claims.proofs import proof_evidence
from proofs_check.claims.t1 import cap_of, confirm, path_statements, path_test
from proofs_check.evidence import Evidence
from proofs_check.registry import Case, Claim, Condition, Context, Hypothesis, Level
from sde_compare import regions as rg

#: name -> (means, covariance, target)
MODELS = {
    "aligned": ([[0.0, 0.0], [-1.5, -0.5], [-0.5, -1.5]], [[1.0, 0.0], [0.0, 0.25]], 0),
    "crossed": ([[0.0, 0.0], [-2.0, -1.0], [-2.0, 0.25]], [[1.0, 0.0], [0.0, 0.5]], 0),
    "turned": ([[0.0, 0.0], [-2.0, -1.0], [-1.0, -2.0]], [[1.0, 0.3], [0.3, 0.6]], 0),
    "two-thin": ([[0.0, 0.0], [-1.0, 1.0]], [[1.0, 0.0], [0.0, 0.3]], 0),
}


def model_case(name: str, strength: float, level: float) -> Case:
    """Return a case of a model by name; ``level`` is the noise level."""
    means, covariance, target = MODELS[name]
    weights = [1 / len(means)] * len(means)
    mixture = GaussianMixture(weights, means, covariance)
    process = fp.reverse_process(mixture, target, strength=strength, noise_level=level)
    return Case(f"{name}-lambda{level:g}-eta{strength:g}", process)


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table."""
    table = [model_case("turned", 3, 1.0), model_case("crossed", 3, 0.0)]
    table += [model_case("two-thin", 4, 1.0)]
    if level == "full":
        names = MODELS
        table += [
            model_case(name, eta, lam) for name in names for lam in (0, 0.5, 1) for eta in (1, 16)
        ]
    return table


def powers(process: ReverseProcess) -> tuple[Fraction, Fraction]:
    """Return the exponents of Sigma_t and Sigma_s."""
    square = Fraction(process.noise_level) ** 2
    return (square - 1) / 2, -(3 + square) / 2


def directions(process: ReverseProcess) -> list[tuple[rg.Expr, dict[tuple[int, int], rg.Expr]]]:
    """Return eigenvalues of Sigma and, for every pair, <v_k, P v_l> with the eigenprojection P.

    Exact: fractions where Sigma is diagonal, square roots of fractions in the plane. Empty where
    neither is so.
    """
    mixture, d = process.mixture, process.dimension
    own = [[Fraction(float(x)) for x in row] for row in mixture.covariances[process.target]]
    v = movers(process)
    pairs = list(combinations_with_replacement(sorted(v), 2))
    if all(own[i][j] == 0 for i in range(d) for j in range(d) if i != j):
        return [
            (rg.number(own[i][i]), {(k, m): rg.number(v[k][i] * v[m][i]) for k, m in pairs})
            for i in range(d)
        ]
    if d != 2:
        return []
    (a, b), (_, c) = own
    half, root = (a + c) / 2, rg.sqrt(rg.number((a - c) ** 2 / 4 + b * b))
    found = []
    for sign in (1, -1):
        products = {}
        for k, m in pairs:
            whole = sum((x * y for x, y in zip(v[k], v[m], strict=True)), Fraction(0))
            bent = sum(
                (v[k][i] * own[i][j] * v[m][j] for i in range(2) for j in range(2)), Fraction(0)
            )
            # P = (Sigma - other eigenvalue) / (difference of the two)
            products[k, m] = (bent - whole * (half - sign * root)) * sign / (2 * root)
        found.append((half + sign * root, products))
    return found


@cache
def decided(process: ReverseProcess) -> tuple[rg.Decision, ...]:
    """Decide the condition for every pair."""
    early, late = powers(process)
    s, share = rg.variables("s q")
    found = directions(process)

    def log_at(value: rg.Expr, time: rg.Expr) -> rg.Expr:
        fade = rg.exp(-2 * time)
        return rg.log(fade * value + (1 - fade))

    # t = q s, or from the stop on
    region: dict[str, tuple[float, float]] = {"s": (0.0, float(process.horizon)), "q": (0.0, 1.0)}
    if process.stop:
        stop = rg.number(process.stop)
        region["s"] = (float(process.stop), float(process.start_time))
        earlier = stop + share * (s - stop)
    else:
        earlier = share * s
    if len(movers(process)) == 1 and not found:
        return (any_covariance(process.dimension, rg.number(early), rg.number(late)),)
    out = []
    for k, m in found[0][1] if found else ():
        terms = []
        for value, products in found:
            exponent = rg.number(late) * log_at(value, s)
            if early:
                exponent = exponent + rg.number(early) * log_at(value, earlier)
            terms.append(products[k, m] * rg.exp(exponent))
        out.append(rg.decide(rg.total(terms), region, name=f"<v_{k}, ... v_{m}>"))
    return tuple(out)


def any_covariance(dimension: int, early: rg.Expr, late: rg.Expr) -> rg.Decision:
    """Decide the condition for one vector v and every covariance.

    The two powers have common eigenvectors, along which v has any components c_i; the logarithms of
    the eigenvalues of Sigma_t and Sigma_s are any numbers.
    """
    axes = range(dimension)
    c, p, q = (rg.variables([f"{n}{i}" for i in axes]) for n in ("c", "p", "q"))
    f = rg.total([c[i] ** 2 * rg.exp(early * p[i] + late * q[i]) for i in axes])
    names = [v.value for v in (*c, *p, *q)]
    return rg.decide(f, dict.fromkeys(names, ("-inf", "inf")), name="<v, ... v>")


def _condition(process: ReverseProcess) -> Condition:
    if not movers(process):
        return Condition("proved", "no rival has another mean")
    found = decided(process)
    if not found:
        return Condition("undecided", "the covariance is neither diagonal nor plane")
    for one in found:
        if one.status == "refuted":
            point = ", ".join(f"{n} = {float(x):.6g}" for n, x in (one.witness or {}).items())
            return Condition("refuted", f"{one.part['name']} = {one.value:.6g} < 0 at {point}")
    for one in found:
        if one.status == "undecided":
            return Condition("undecided", one.reason)
    return Condition("proved", "; ".join(dict.fromkeys(one.how for one in found)))


KERNEL = Hypothesis(
    "kernel condition",
    "<v_k, Sigma_t^((lambda^2-1)/2) Sigma_s^(-(3+lambda^2)/2) v_l> >= 0 for all k, l and t <= s",
    _condition,
)


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the proof of the hypothesis, and the rise on coupled paths."""
    process = item.process
    test = path_test(process, context, process.strength, 0.0)
    name = "least rise of log P(y)/P(k)"
    found = [path_evidence(name, test, context, cap_of(process))]
    if movers(process):
        text = f"{KERNEL.text}; t = q s, or from the stop on"
        found.append(proof_evidence("kernel condition", text, decided(process)))
    return found


CLAIM = Claim(
    id="T1-Sigma",
    title="Confidence, path by path, common covariance",
    statement=(
        "With a common covariance Sigma and <v_k, Sigma_t^((lambda^2-1)/2) "
        "Sigma_s^(-(3+lambda^2)/2) v_l> >= 0 for all k, l and t <= s, v_k = mu_y - mu_k, the "
        "guided sampler has at every reverse time at least the posterior P(y|x) of the unguided "
        "one that starts at the same point and sees the same noise."
    ),
    latex=(
        r"\langle v_k,\, \Sigma_t^{(\lambda^2-1)/2} \Sigma_s^{-(3+\lambda^2)/2}\, v_l \rangle \ge 0"
        r"\ \ \forall k,l,\ t\le s \;\Longrightarrow\; "
        r"P_t(y\,|\,x^{\eta}_\tau) \ge P_t(y\,|\,x^{0}_\tau)"
    ),
    status="theorem",
    hypotheses=(COMMON, OU, KERNEL),
    cases=cases,
    gather=gather,
    confirm=confirm,
    statements=path_statements,
    cost=4.0,
    note="The hypothesis is decided over all t <= s; the conclusion is tested on paths.",
)
