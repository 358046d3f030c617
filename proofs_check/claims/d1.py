r"""D1: the strength above which the steps of a sampler swing about the centre of three classes.

The threshold is located from the slope of the production step map; that no step swings below it and
one does above it is then decided over all times and strengths at once. Source: docs/theory.md, D1.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import fokker_planck as fp
from fokker_planck import GaussianMixture, ReverseProcess
from proofs_check.claims.hypotheses import ISOTROPIC, OU, UNIT, WHOLE, rivals
from proofs_check.claims.proofs import replayed_witness
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Condition, Context, Hypothesis, Level
from sde_compare import regions as rg
from sde_compare.thresholds import linear_threshold

#: how far below and above the located strength the two statements are made, relatively
GAP = 1e-3


def centre_process(weight: float, m: float, sampler: str, horizon: float = 5.0) -> ReverseProcess:
    """Return the sampler of classes (-m, 0, m) with weights (w, 1 - 2 w, w), target the centre."""
    mixture = GaussianMixture([weight, 1 - 2 * weight, weight], [-m, 0.0, m])
    return fp.reverse_process(mixture, 1, strength=1.0, sampler=sampler, horizon=horizon)


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table: weights, separations, step sizes, both samplers."""
    shapes = [(1 / 3, 3.0, 0.05), (0.2, 3.0, 0.1)]
    if level == "full":
        shapes += [
            (w, m, h) for w in (0.1, 0.17, 0.25, 0.4) for m in (2.8, 5.0) for h in (0.02, 0.3)
        ]
    return [
        Case(f"w{w:.3g}-m{m:g}-h{h:g}-{s}", centre_process(w, m, s), {"h": h})
        for w, m, h in shapes
        for s in ("ode", "sde")
    ]


def _symmetric(process: ReverseProcess) -> Condition:
    mixture, y = process.mixture, process.target
    if process.dimension != 1 or float(mixture.means[y, 0]) != 0:
        return Condition("refuted", "the target's mean is not 0 in dimension one")
    found: dict[float, Fraction] = {}
    for k in rivals(process):
        place = float(mixture.means[k, 0])
        found[place] = found.get(place, Fraction(0)) + Fraction(float(mixture.weights[k]))
    if not found:
        return Condition("refuted", "there is no rival")
    if any(found.get(-place) != weight for place, weight in found.items()):
        return Condition("refuted", "the mixture is not symmetric about the target's mean")
    return Condition("proved", "means and weights are mirror images, to the bit")


SYMMETRIC = Hypothesis(
    "symmetric about the target",
    "the mixture is its mirror image about the target's mean, 0",
    _symmetric,
)


def slope(process: ReverseProcess, h: rg.Expr) -> rg.Expr:
    r"""Return 1 plus the slope at x = 0 of the Euler step from t, in the variables t and theta.

    With theta = h eta: 2 - lambda^2 h + (1 + lambda^2) theta d^2/dx^2 log P_t(y|x).
    """
    mixture, y = process.mixture, process.target
    level = rg.number(Fraction(process.noise_level) ** 2)
    x, t, theta = rg.variables("x t theta")
    r, terms = rg.exp(-t), []
    for k in [y, *rivals(process)]:
        weight = rg.log(rg.number(float(mixture.weights[k])))
        mean = rg.number(float(mixture.means[k, 0]))
        terms.append(weight + r * mean * x - r**2 * mean**2 / 2)  # the quadratics in x cancel
    bend = rg.derivative(rg.derivative(terms[0] - rg.lse(*terms), "x"), "x")
    return 2 - level * h + (1 + level) * theta * bend


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Locate the threshold, then decide below and above it."""
    process, h = item.process, float(item.options["h"])
    found = linear_threshold(process, h)
    eta = float(found.strength.value)
    f = slope(process, rg.number(h))
    low, high = (h * eta * (1 + sign * GAP) for sign in (-1, 1))
    at_centre = {"x": (0, 0)}
    # a step of length h starts at t >= h
    below = rg.decide(
        f,
        {**at_centre, "t": (h, process.horizon), "theta": (0, low)},
        name="slope + 1, below",
    )
    above = rg.decide(
        f,
        {**at_centre, "t": (found.t, found.t), "theta": (high, high)},
        name="slope + 1, above",
    )
    text = (
        f"steps h = {h:g}: for theta = h eta <= {low:.6g} no step from any time swings "
        f"about 0, at theta = {high:.6g} the one from t = {found.t:.4g} does"
    )
    details = {
        "strength": eta,
        "strength_error": float(found.strength.error),
        "t": found.t,
        "boxes": below.boxes,
        "how": [below.how or below.reason, above.how or above.reason],
    }
    decided = below.status == "proved" and above.status == "refuted"
    why = "" if decided else f"below: {below.status}; above: {above.status}"
    proof = rg.proof_of("linear threshold", text, [below, above]) if decided else None
    return [
        Evidence(
            "no swing below the threshold, swing above",
            "proof",
            0.0 if decided else float("nan"),
            {},
            kind="bound",
            details=details,
            decision="proved" if decided else "undecided",
            proof=proof,
            why=why,
        )
    ]


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Evaluate again in Arb."""
    return replayed_witness(failed)


def _step(item: Case) -> Condition:
    if "h" in item.options:
        return Condition("proved", f"h = {item.options['h']:g}")
    return Condition("refuted", "no step size is given")


STEP = Hypothesis("step size", "a step size of the Euler rule", _step, of_case=True)

CLAIM = Claim(
    id="D1",
    title="Where the centre starts to swing",
    statement=(
        "Three classes symmetric about the target: the Euler steps of length h do not swing about "
        "the centre at any time below a critical strength, and do above it. The strength is "
        "located from the step map, and both sides are decided within a thousandth of it."
    ),
    latex=(
        r"\inf_t M_t'(0) \ge -1 \;\Longleftrightarrow\; \eta \le \eta_c,\qquad "
        r"\eta_c^{ODE} = \frac{1}{h\,W},\quad \eta_c^{SDE} = \frac{1-h/2}{2\,h\,W}"
    ),
    status="theorem",
    hypotheses=(ISOTROPIC, OU, UNIT, WHOLE, SYMMETRIC, STEP),
    cases=cases,
    gather=gather,
    confirm=confirm,
    proves=True,
    note="The formula with Lambert's W is compared with the located strength by the tests alone.",
)
