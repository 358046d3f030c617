r"""T1-discrete: the step rules themselves keep T1; X6: the Euler SDE does not, with steps above 1.

One step of a rule is :math:`x' = A x + (\text{no strength, no point}) + \eta B \sum_k P(k|x) v_k`.
T1 holds for the chain where A >= 0 at every step, which is decided exactly; the chain itself is
then run, with no discretisation to doubt. Source: docs/theory.md, T1-discrete.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

import sde_compare as sc
from proofs_check.claims.hypotheses import (
    GRAM,
    ISOTROPIC,
    LINE,
    OU,
    SDE,
    TWO,
    UNIT,
    WHOLE,
    rivals,
)
from proofs_check.claims.pathwise import EPS, SIZES
from proofs_check.claims.proofs import proof_evidence, replayed_witness
from proofs_check.claims.rises import Rise
from proofs_check.claims.tables import case
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Condition, Context, Hypothesis, Level
from sde_compare import regions as rg
from sde_compare.rules import step_table

#: operations of a step, each of which may round
OPERATIONS = 16


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table: few steps, where a chain is far from its limit."""
    table = [
        case("two", 8, "sde", rule="euler", n_steps=5),
        case("two", 8, "ode", rule="euler", n_steps=4),
        case("three-extreme", 8, "sde", rule="exponential", n_steps=8),
        case("three-extreme", 8, "ode", rule="ddim", n_steps=6),
        case("plane-orthogonal", 6, "sde", rule="ddpm", n_steps=6),
    ]
    if level == "full":
        for n in (5, 20, 50):
            table += [case("two-unequal", 16, "sde", rule=r, n_steps=n) for r in ("euler", "ddpm")]
            table += [case("two-unequal", 16, "ode", rule=r, n_steps=n) for r in ("euler", "ddim")]
    return [
        Case(f"{c.id}-{c.options['rule']}{c.options['n_steps']}", c.process, c.options)
        for c in table
    ]


def broken_cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table of X6: two Euler steps longer than 1."""
    steps = (1.25, 1.02) if level == "quick" else (1.25, 1.02, 1.001, 2.0)
    return [
        Case(f"{c.id}-h{h:g}", c.process, {"rule": "euler", "n_steps": 2})
        for h in steps
        for c in [case("two", 8, "sde", horizon=2 * h)]
    ]


def factor(item: Case) -> list[rg.Decision]:
    """Decide A >= 0 for equal steps of the case's rule, whatever the time t at a step's start."""
    process, rule = item.process, str(item.options["rule"])
    level = rg.number(Fraction(process.noise_level) ** 2)
    h = Fraction(process.horizon) / int(item.options["n_steps"])
    (u,) = rg.variables("u")  # t = u + h, so that the step ends at forward time u
    if rule == "euler":
        a = 1 - level * rg.number(h)
    elif rule == "exponential":
        a = 1 + level - level * rg.exp(rg.number(h))
    elif rule == "ddpm":  # r / r'
        a = rg.exp(-rg.number(h))
    else:  # ddim: r r' + sigma sigma'
        r, r_end = rg.exp(-u - rg.number(h)), rg.exp(-u)
        a = r * r_end + rg.sqrt((1 - r) * (1 + r)) * rg.sqrt((1 - r_end) * (1 + r_end))
    last = Fraction(process.start_time) - h
    return [rg.decide(a, {"u": (process.stop, last)}, name=f"A of {rule}, h = {float(h):g}")]


def _condition(item: Case) -> Condition:
    if "rule" not in item.options:
        return Condition("refuted", "no step rule is given")
    (found,) = factor(item)
    if found.status == "proved":
        return Condition("proved", f"{found.part['name']}: {found.how}")
    if found.status == "refuted":
        return Condition("refuted", f"{found.part['name']} = {found.value:.6g} < 0")
    return Condition("undecided", found.reason)


STEP = Hypothesis("step condition", "A >= 0 at every step", _condition, of_case=True)


def chain_paths(item: Case, context: Context) -> sc.CoupledPaths:
    """Run the chain at both strengths from one start with one noise."""
    process, n_steps = item.process, int(item.options["n_steps"])
    return sc.couple(
        process,
        process.with_strength(0),
        SIZES[context.level][0],
        n_steps,
        seed=context.seed,
        rule=str(item.options["rule"]),
        observables=[],
        times=np.linspace(0.0, process.horizon, n_steps + 1),
        threads=1,
    )


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the least rise over the chain, where only rounding is in doubt, and the proof."""
    paths = chain_paths(item, context)
    rise, tau = Rise(item.process), paths.times[1:]
    value = rise(paths.states_a[1:], paths.states_b[1:], tau)
    size = np.maximum(np.abs(paths.states_a[1:]), np.abs(paths.states_b[1:])).max(axis=-1)
    steps = np.arange(1, paths.n_steps + 1)[:, None]
    rounding = OPERATIONS * EPS * steps * rise.sensitivity(tau) * (1 + size)
    surely = value + rounding < 0
    worst = np.unravel_index(
        np.argmin(value + rounding if surely.any() else value - rounding), value.shape
    )
    bad = int(surely.any(axis=0).sum())
    limit = sc.clopper_pearson_limits(bad, paths.n_paths, 1 - context.share, "upper")[1]
    found = Evidence(
        "least rise of log P(y)/P(k) over the chain",
        "paths",
        float(value[worst]),
        {"rounding": float(rounding[worst])},
        units="log-ratio",
        details={
            "n_paths": paths.n_paths,
            "n_steps": paths.n_steps,
            "rule": paths.rule,
            "violating": bad,
            "violating_share_below": limit,
            "confidence": 1 - context.share,
            "worst_path": int(worst[1]),
        },
        remedy="arithmetic with more digits",
    )
    text = f"A >= 0 for {paths.n_steps} equal steps of the {paths.rule} rule"
    return [found, proof_evidence("step condition", text, factor(item))]


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    r"""Follow the gap of the worst path by itself: no difference of two large numbers.

    With x the unguided path the gap obeys :math:`\delta' = A \delta + \eta B \sum_k
    P(k|x + \delta) v_k`, and a log-ratio rises by :math:`r \langle v_l, \delta \rangle`.
    """
    process, path = item.process, int(failed.details["worst_path"])
    paths = chain_paths(item, context)
    base = sc.replay(paths, [path]).path_b[0]
    table = step_table(process, paths.tau, paths.rule)
    r = np.asarray(process.schedule.signal(process.forward_time(paths.tau)))
    others = rivals(process)
    v = process.mixture.means[process.target] - process.mixture.means[others]
    gap, rises = np.zeros(process.dimension), []
    for k, x in enumerate(base[:-1]):
        point = (x + gap)[None] if process.dimension > 1 else x + gap
        ratios = np.asarray(process.log_ratios(point, float(paths.tau[k])))[others]
        masses = np.exp(process.log_posterior(point, float(paths.tau[k])) - ratios)[:, 0]
        a, b = table.linear[k] - table.score[k], table.score[k] * r[k]
        gap = a * gap + process.strength * b * (masses @ v)
        rises.append(float(r[k + 1] * (v @ gap).min()))
    error = OPERATIONS * EPS * paths.n_steps * float(np.abs(rises).max(initial=0.0))
    again = Evidence(
        failed.name,
        "paths",
        min(rises),
        {"rounding": error},
        units="log-ratio",
        details={"method": "recurrence of the gap"},
    )
    return Witness({"path": path, "seed": context.seed}, again)


def statements(item: Case) -> int:
    """Return 1: the share of paths that could still violate."""
    return 1


def two_steps(item: Case) -> rg.Decision:
    r"""Decide the rise of the log-ratio over two Euler steps, as a function of start and noise.

    Two components on the line, variance 1, at the output r = 1:
    :math:`v \cdot [A\, B_0 P_0(x_0) + B_1 P_1(x_1^\eta)] v \eta`, where P is the rival's posterior.
    """
    process = item.process
    mixture, y = process.mixture, process.target
    (k,) = rivals(process)
    own, other = (rg.number(float(mixture.means[i, 0])) for i in (y, k))
    weight = rg.log(rg.number(float(mixture.weights[k])) / rg.number(float(mixture.weights[y])))
    eta, h = rg.number(process.strength), rg.number(Fraction(process.horizon) / 2)
    x, noise = rg.variables("x noise")  # the start, and the noise that the first step adds
    v = own - other

    def rival(point: rg.Expr, r: rg.Expr) -> rg.Expr:
        ratio = r * v * point - r**2 * (own**2 - other**2) / 2  # log P(y)/P(k) but for weights
        return rg.shares(weight - ratio, 0)[0]

    r0, r1 = rg.exp(-2 * h), rg.exp(-h)
    first = (1 - h) * x + 2 * h * r0 * own + noise
    push = 2 * h * r0 * eta * rival(x, r0) * v
    rise = v * ((1 - h) * push + 2 * h * r1 * eta * rival(first + push, r1) * v)
    everywhere = {"x": ("-inf", "inf"), "noise": ("-inf", "inf")}
    return rg.decide(rise, everywhere, name="rise over two Euler steps", max_boxes=50_000)


def gather_broken(item: Case, context: Context) -> Sequence[Evidence]:
    """Decide the rise over all starts and all noise of the first step."""
    text = "the rise of the log-ratio is >= 0 after two Euler steps"
    return [proof_evidence("rise over two Euler steps", text, [two_steps(item)])]


def confirm_broken(item: Case, context: Context, failed: Evidence) -> Witness:
    """Evaluate the point again in Arb."""
    return replayed_witness(failed)


def _long(item: Case) -> Condition:
    h = Fraction(item.process.horizon) / 2
    words = f"two Euler steps of {float(h):g}: A = {float(1 - h):g}"
    return Condition("proved" if h > 1 else "refuted", words)


LONG = Hypothesis(
    "step condition dropped", "A = 1 - h < 0 for two Euler steps", _long, of_case=True
)

CLAIM = Claim(
    id="T1-discrete",
    title="Confidence along the chain of steps",
    statement=(
        "Under the hypotheses of T1 with covariance I, a chain of euler, exponential, ddim or ddpm "
        "steps has at every step at least the posterior P(y|x) of the unguided chain with the same "
        "start and noise, if A >= 0: always for the ODE and for ddpm, for the Euler SDE with steps "
        "at most 1, for the exponential SDE with steps at most log 2."
    ),
    latex=r"A \ge 0 \;\Longrightarrow\; P(y\,|\,x^{\eta}_n) \ge P(y\,|\,x^{0}_n)\quad\forall\, n",
    status="theorem",
    hypotheses=(ISOTROPIC, UNIT, GRAM, OU, STEP),
    cases=cases,
    gather=gather,
    confirm=confirm,
    statements=statements,
)

X6 = Claim(
    id="X6",
    title="T1 for Euler steps of any length (false above 1)",
    statement=(
        "Two steps of the Euler SDE, however long, never end with a lower posterior P(y|x) than "
        "the unguided steps with the same start and noise."
    ),
    latex=r"P(y\,|\,x^{\eta}_2) \ge P(y\,|\,x^{0}_2)\quad\text{for every step size } h",
    status="counterexample",
    hypotheses=(ISOTROPIC, UNIT, LINE, TWO, SDE, OU, WHOLE, LONG),
    cases=broken_cases,
    gather=gather_broken,
    confirm=confirm_broken,
    note="The witness is a start and a noise, evaluated in interval arithmetic and again in Arb.",
)
