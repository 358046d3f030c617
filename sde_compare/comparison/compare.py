"""The front door: two processes, an order and a region, and the theorem that orders them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fokker_planck.model import GaussianMixture, atoms
from fokker_planck.model.checks import one_of, real_array, shown, whole_number
from sde_compare.comparison.hypotheses import Hypothesis, nonnegative, rank_of
from sde_compare.comparison.linear import identity
from sde_compare.comparison.order import Order, make_order
from sde_compare.comparison.paths import Conclusion, conclude, is_whole
from sde_compare.comparison.sampled import Sampler
from sde_compare.comparison.start import Laws, ordered_start
from sde_compare.comparison.steps import exact_steps
from sde_compare.comparison.system import Evaluated, StepMap
from sde_compare.comparison.theorems import THEOREMS, Setting, Theorem, hypotheses, misfit
from sde_compare.comparison.views import Described, View, described, plain_view, ratio_view
from sde_compare.regions import Expr, Region, derivative, proof_of, variables
from sde_compare.rules import RULES, time_nodes

MAX_BOXES = 100_000
MODES = ("auto", *THEOREMS)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison theorem says of two processes: hypotheses and conclusion apart.

    Attributes
    ----------
    theorem : Theorem or None
        The theorem whose hypotheses are listed; None if none speaks about the pair or a
        hypothesis of each is refuted.
    reasons : dict of str to str
        Why theorems do not apply, by id.
    hypotheses : tuple of Hypothesis
        Of the theorem, or of the one that came closest.
    conclusion : Conclusion or None
        Evidence from coupled paths; None if none were asked for.
    order, region
        What was compared, and where.
    """

    theorem: Theorem | None
    reasons: dict[str, str]
    hypotheses: tuple[Hypothesis, ...]
    conclusion: Conclusion | None
    order: Order
    region: Region
    title: str = field(repr=False, default="")

    @property
    def applies(self) -> bool:
        """Whether all hypotheses of the theorem are proved."""
        return self.theorem is not None and all(h.status == "proved" for h in self.hypotheses)

    def hypothesis(self, name: str) -> Hypothesis:
        """Return the hypothesis of that name.

        Raises
        ------
        ValueError
            If there is none.
        """
        for one in self.hypotheses:
            if one.name == name:
                return one
        names = tuple(h.name for h in self.hypotheses)
        raise ValueError(f"name must be one of {', '.join(names)}, got {shown(name)}")

    def proof(self) -> dict[str, Any]:
        """Return the proof of all hypotheses as data, which ``regions.replay`` checks.

        Raises
        ------
        ValueError
            If the theorem does not apply, naming the first hypothesis that is not proved.
        """
        open_ = [h for h in self.hypotheses if h.status != "proved"]
        if self.theorem is None or open_:
            name = open_[0].name if open_ else "theorem"
            raise ValueError(f"hypotheses must be proved for a proof, got {name!r} not proved")
        words = "; ".join(f"{h.statement} ({h.detail})" for h in self.hypotheses if not h.decisions)
        decisions = [d for h in self.hypotheses for d in h.decisions]
        return proof_of(f"{self.title} by {self.theorem.name}", words, decisions)

    def __str__(self) -> str:
        lines = [f"order: {self.order}; region: {self.region}"]
        if self.theorem is not None:
            word = "applies" if self.applies else "not known to apply"
            lines.append(f"theorem: {self.theorem}: {word}")
        else:
            lines.append("theorem: none applies")
            lines += [f"  {name}: {why}" for name, why in self.reasons.items()]
        lines += ["hypotheses:", *(f"  {h}" for h in self.hypotheses)] if self.hypotheses else []
        lines.append(f"conclusion on paths: {self.conclusion or 'not tested'}")
        return "\n".join(lines)


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
    a, b = _pair(lower, upper)
    names, time = a.names, a.time
    found = make_order(order, lower, upper, names, time)
    if equals is not None and len(equals) != len(found.rows):
        raise ValueError(f"equals must have {len(found.rows)} forms, got {len(equals)}")
    whole = _region(region, names, time, lower.horizon)
    discrete = a.discrete or theorem == "step-map"
    laws = _laws(starts, lower, upper)
    reasons: dict[str, str] = {}
    best: tuple[Theorem | None, tuple[Hypothesis, ...]] = (None, ())
    turned, monotone = _by_coordinate(found, names, whole, max_boxes)
    if turned is None:
        reasons["any"] = "a function of the state is tested on paths alone: " + (
            "it is not monotone" if len(names) == 1 else "the space has more than one dimension"
        )
    else:
        limits = (modulus, max_boxes)
        setting = _setting(a, b, turned, whole, discrete, laws, equals, rule, n_steps, limits)
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


def _pair(lower: Any, upper: Any) -> tuple[Described, Described]:
    for field_, process in (("lower", lower), ("upper", upper)):
        if not all(hasattr(process, name) for name in ("dimension", "horizon", "initial")):
            raise ValueError(f"{field_} must be a process, got {shown(process)}")
    for name in ("dimension", "horizon"):
        p, q = getattr(lower, name), getattr(upper, name)
        if p != q:
            raise ValueError(f"{name} must be the same for both processes, got {p} and {q}")
    if isinstance(lower, StepMap) != isinstance(upper, StepMap):
        raise ValueError(f"upper must be a step map if lower is one, got {shown(upper)}")
    given = [p for p in (lower, upper) if hasattr(p, "terms")]
    names = given[0].names if given else None
    time = given[0].time if given else "tau"
    a, b = described(lower, names, time), described(upper, names, time)
    if (a.names, a.time) != (b.names, b.time):
        raise ValueError(
            f"names must be the same for both, got {(*a.names, a.time)} and {(*b.names, b.time)}"
        )
    return a, b


def _region(given: Any, names: tuple[str, ...], time: str, horizon: float) -> Region:
    """Return ranges for all coordinates and the whole time interval."""
    own = Region(given).ranges if given else {}
    if extra := [n for n in own if n not in names]:
        raise ValueError(
            f"region must bound coordinates {names} (time is 0..{horizon:g}), got {extra[0]!r}"
        )
    full: dict[str, Any] = {n: own.get(n, ("-inf", "inf")) for n in names}
    return Region({**full, time: (0, horizon)})


def _laws(starts: Any, lower: Any, upper: Any) -> Laws:
    if starts is None:
        return lower.initial, upper.initial
    wanted = (
        f"starts must be two laws or points in dimension {lower.dimension}, got {shown(starts)}"
    )
    try:
        pair = list(starts)
    except TypeError:
        raise ValueError(wanted) from None
    laws = [
        s
        if isinstance(s, GaussianMixture)
        else atoms(np.atleast_1d(real_array("starts", s))[None], [1.0])
        for s in pair
    ]
    if len(laws) != 2 or any(law.dimension != lower.dimension for law in laws):
        raise ValueError(wanted)
    return laws[0], laws[1]


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


def _setting(
    a: Described,
    b: Described,
    order: Order,
    region: Region,
    discrete: bool,
    laws: Laws,
    equals: Any,
    rule: str,
    n_steps: int,
    limits: tuple[str | None, int],
) -> Setting | str:
    """Return what hypotheses are about, or why there is nothing that they could be about."""
    stepped = discrete and not a.discrete
    numeric = [Evaluated(d.terms, d.names, d.time) if d.terms else d.process.drift for d in (a, b)]
    view_region = region
    if stepped:
        nodes = time_nodes(a.process, n_steps)
        short, long = exact_steps(nodes.tolist())
        if order.kind == "log-ratios":
            ends = a.process.forward_time(nodes[1:])
            view_region = Region({"u": (min(ends), max(ends)), "h": (short, long)})
        elif rule != "euler":
            return f"rule must be euler for the order of coordinates, got {rule!r}"
        else:
            free = next(n for n in ("h", "step", "step_size") if n not in (*a.names, a.time))
            view_region = Region({**region.ranges, free: (short, long)})
            numeric = [_euler(f, float(short)) for f in numeric]
            a, b = (_stepped(d, free) for d in (a, b))
    if order.kind == "log-ratios":
        if not is_whole(region, a.names):
            raise ValueError(f"region must be left out for order 'log-ratios', got {region}")
        if a.terms is None or b.terms is None:
            return a.why or b.why
        times_ = view_region if stepped else Region({"tau": region.ranges[a.time]})
        made: View = ratio_view(a.process, b.process, order, times_, rule if stepped else None)
    else:
        made = plain_view(a, b, order, view_region, equals)
    return Setting(
        *(a, b, order, made, region, discrete, ordered_start(laws, order)),
        numeric=(numeric[0], numeric[1]),
        sampler=lambda: Sampler(region, a.names, a.time, laws[0]),
        modulus=limits[0],
        max_boxes=limits[1],
    )


def _euler(f: Any, h: float) -> Any:
    return lambda x, tau: x + h * np.asarray(f(x, tau))


def _stepped(d: Described, free: str) -> Described:
    """Return the Euler step map of a drift, with the step size as a variable."""
    if d.terms is None:
        return d
    h, *x = variables([free, *d.names])
    terms: tuple[Expr, ...] = tuple(xi + h * f for xi, f in zip(x, d.terms, strict=True))
    return Described(d.process, d.names, d.time, terms, d.amplitude, stepped=True)
