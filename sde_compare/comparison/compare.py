"""The front door: two processes, an order and a region, and the theorem that orders them."""

from __future__ import annotations

from typing import Any

from fokker_planck.model.checks import one_of, whole_number
from sde_compare.comparison.hypotheses import Hypothesis, nonnegative, rank_of
from sde_compare.comparison.inputs import checked_laws, checked_pair, checked_region
from sde_compare.comparison.linear import identity
from sde_compare.comparison.order import Order, make_order
from sde_compare.comparison.paths import conclude, is_whole
from sde_compare.comparison.result import Comparison
from sde_compare.comparison.setting import make_setting
from sde_compare.comparison.theorems import THEOREMS, Setting, Theorem, hypotheses, misfit
from sde_compare.regions import Region, derivative
from sde_compare.rules import RULES

MAX_BOXES = 100_000
MODES = ("auto", *THEOREMS)


def compare(
    lower: Any,
    upper: Any,
    *,
    order: Any = None,
    region: Any = None,
    theorem: str = "auto",
    starts: Any = None,
    equals: Any = None,
    modulus: str | None = None,
    n_paths: int = 2000,
    n_steps: int = 200,
    refine: int = 2,
    rule: str = "euler",
    seed: int = 0,
    max_boxes: int = MAX_BOXES,
    threads: int | None = None,
) -> Comparison:
    r"""Decide the hypotheses of a comparison theorem, and test its conclusion on coupled paths.

    Parameters
    ----------
    lower, upper : process
        A system or step map made of expressions (:func:`system`, :func:`step_map`), a
        ``ReverseProcess``, or any ``fp.Process``, whose functions can be refuted but not proved.
    order : optional
        None or "componentwise"; the name or number of a coordinate; vectors w_i, meaning
        :math:`\langle w_i, y - x \rangle \ge 0` for all i; "log-ratios" for two reverse processes
        of one mixture; or a function of the state (an ``Expr``).
    region : mapping of str to (low, high), optional
        Ranges of coordinates; those left out are unbounded. Time is the whole interval.
    theorem : str
        "auto", or the id of one: scalar-ode, kamke-mueller, ikeda-watanabe, geiss-manthey,
        step-map. The last is about the chain of step rule ``rule`` with ``n_steps`` equal steps.
    starts : pair, optional
        A law or a point for each, in place of the initial laws.
    equals : sequence of Expr, optional
        Other forms of the rows of W (upper drift - lower drift) that exhibit their sign.
    modulus : {"lipschitz", "hoelder-1/2"}, optional
        Modulus of continuity of a noise that depends on the state; by default the first that holds.
    n_paths, n_steps, refine, rule, seed, threads
        Of the coupled run, see :func:`sde_compare.couple`; ``n_paths=0`` runs none.
    max_boxes : int
        Boxes to examine for each condition before giving up.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If a field is out of range or the two do not fit, naming the field and its value.

    Notes
    -----
    Proofs hold on the stated region: where it is not the whole space, the conclusion is about
    paths as long as both stay in it. Source: docs/theory.md, C2, C3 and C7.
    """
    one_of("theorem", theorem, MODES)
    one_of("rule", rule, RULES)
    n_paths = whole_number("n_paths", n_paths, minimum=0)
    refine = whole_number("refine", refine, minimum=2)
    max_boxes = whole_number("max_boxes", max_boxes, minimum=1)
    a, b = checked_pair(lower, upper)
    names, time = a.names, a.time
    found = make_order(order, lower, upper, names, time)
    if equals is not None and len(equals) != len(found.rows):
        raise ValueError(f"equals must have {len(found.rows)} forms, got {len(equals)}")
    whole = checked_region(region, names, time, lower.horizon)
    discrete = a.discrete or theorem == "step-map"
    laws = checked_laws(starts, lower, upper)
    reasons: dict[str, str] = {}
    best: tuple[Theorem | None, tuple[Hypothesis, ...]] = (None, ())
    turned, monotone = _by_coordinate(found, names, whole, max_boxes)
    if turned is None:
        reasons["any"] = "a function of the state is tested on paths alone: " + (
            "it is not monotone" if len(names) == 1 else "the space has more than one dimension"
        )
    else:
        limits = (modulus, max_boxes)
        setting = make_setting(a, b, turned, whole, discrete, laws, equals, rule, n_steps, limits)
        if isinstance(setting, str):
            reasons["any"] = setting
        else:
            best = _best(setting, theorem, reasons, monotone)
    conclusion = None
    if n_paths:
        above = "the chain" if discrete else "every path"
        while_ = "" if is_whole(whole, names) else ", as long as both stay in the region"
        conclusion = conclude(
            f"{found} of upper stays >= that of lower on {above}{while_}",
            *(a, b, laws, found.gap(names, time), whole),
            discrete=discrete,
            n_paths=n_paths,
            n_steps=n_steps,
            refine=refine,
            seed=seed,
            rule=rule,
            threads=threads,
        )
    return Comparison(best[0], reasons, best[1], conclusion, found, whole, f"order of {found}")


def _by_coordinate(
    order: Order, names: tuple[str, ...], region: Region, max_boxes: int
) -> tuple[Order | None, list[Hypothesis]]:
    """Return the order itself, or that of the coordinate of which a function is monotone."""
    if order.function is None:
        return order, []
    if len(names) > 1:
        return None, []
    slope = derivative(order.function, names[0])
    for sign, word in ((1, "nondecreasing"), (-1, "nonincreasing")):
        text = f"the function {order} is {word} in {names[0]}"
        found = nonnegative("monotone", text, [("slope", sign * slope, None)], region, max_boxes)
        if found.status == "proved":
            row = [[sign * x for x in identity(1)[0]]]
            return Order("coordinates" if sign == 1 else "cone", row, order.labels), [found]
    return None, []


def _best(
    setting: Setting, theorem: str, reasons: dict[str, str], more: list[Hypothesis]
) -> tuple[Theorem | None, tuple[Hypothesis, ...]]:
    """Return the first theorem whose hypotheses are proved, or the one that comes closest."""
    best: tuple[Theorem, tuple[Hypothesis, ...]] | None = None
    for one in THEOREMS.values() if theorem == "auto" else [THEOREMS[theorem]]:
        if why := misfit(one, setting):
            reasons[one.id] = why
            continue
        if theorem == "auto" and best is not None:
            continue
        best = (one, (*more, *hypotheses(one, setting)))
        refuted = [h for h in best[1] if h.status == "refuted"]
        if refuted:
            reasons[one.id] = f"refuted: {refuted[0].name}"
    if best is None:
        return None, ()
    return (best[0] if rank_of(best[1])[0] == 0 else None), best[1]
