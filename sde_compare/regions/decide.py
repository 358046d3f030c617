"""The front door: is a function >= 0 on a whole region? Proved, refuted with a point, or undecided.

In this order: the rules of signs; factors, so that a margin that vanishes at infinity or at
strength 0 is split off and never chased by bisection; an identity that exhibits the sign, if one
is given; the roots of a polynomial in one variable; and branch and bound. A proof is data
(:mod:`sde_compare.regions.proof`), and counts only once the replay in Arb has accepted it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from fokker_planck.model.checks import whole_number
from sde_compare.regions.expression import Expr, Function, Number, lift, product
from sde_compare.regions.identity import identical
from sde_compare.regions.polynomial import Polynomial, one_variable
from sde_compare.regions.proof import Data, document, end
from sde_compare.regions.region import Region, above, below
from sde_compare.regions.search import MAX_BOXES, Search, search
from sde_compare.regions.structure import NONNEGATIVE, Signs, common_factor
from sde_compare.regions.tape import Tape

Status = Literal["proved", "refuted", "undecided"]


@dataclass(frozen=True, eq=False)
class Decision:
    """What is known of "f >= 0 on the region".

    Attributes
    ----------
    status : {"proved", "refuted", "undecided"}
        "proved" only if the replay accepted the proof, "refuted" only if it accepted the witness.
    how : str
        The argument in words, such as "rules of signs, no box" or "1043 boxes".
    boxes : int
        Boxes in the proof; 0 where none was needed.
    part : dict
        The part of a proof file, see :mod:`sde_compare.regions.proof`; empty if undecided.
    witness : dict of str to Fraction, or None
        A point of the region with f < 0.
    value : float
        An upper bound of f there; 0 where f is nearer to it than the arithmetic can tell.
    reason : str
        Why it is undecided.
    searches : tuple of Search
        The branch and bound runs, for figures.
    """

    status: Status
    function: Function
    region: Region
    how: str = ""
    boxes: int = 0
    part: Data = field(default_factory=dict)
    witness: dict[str, Fraction] | None = None
    value: float = float("nan")
    reason: str = ""
    searches: tuple[Search, ...] = ()

    def __bool__(self) -> bool:
        return self.status == "proved"


@dataclass
class _Found:
    """A proof under construction, or what stopped it."""

    how: Data | None = None
    words: str = ""
    boxes: int = 0
    witness: dict[str, Fraction] | None = None
    reason: str = ""


class _Prover:
    """Builds the proof of one function."""

    def __init__(self, region: Region, max_boxes: int, ranges: bool) -> None:
        self.region, self.max_boxes = region, max_boxes
        self.signs, self.rules = Signs(region), Signs(region, ranges=ranges)
        self.searches: list[Search] = []

    def prove(self, f: Expr) -> _Found:
        """Return a proof of f >= 0, by the first argument that gives one."""
        if self.rules.sign(f) in NONNEGATIVE:
            return _Found({"kind": "manifest"}, "rules of signs, no box")
        if self.signs.sign(f) in NONNEGATIVE:
            return self._boxes(f)
        split = self._split(f)
        if split is not None:
            return split
        poly = one_variable(f)
        if poly is not None:
            return self._roots(*poly)
        return self._boxes(f)

    def with_form(self, f: Expr, form: Expr | None) -> _Found:
        """Return a proof of f >= 0, through another form of f where one is given and equal."""
        note = ""
        if form is not None:
            if not self.signs.defined(f):
                note = "the rules of signs do not show the function to be defined"
            elif not identical(f, form):
                note = "the form given in equals is not shown to be equal"
            else:
                inner = self.prove(form)
                if inner.how is not None:
                    how = {
                        "kind": "identity",
                        "function": Function(form).spec(),
                        "proof": inner.how,
                    }
                    return _Found(how, f"exact identity, {inner.words}", inner.boxes)
        found = self.prove(f)
        if note and found.reason:
            found.reason = f"{note}; {found.reason}"
        return found

    def _split(self, f: Expr) -> _Found | None:
        """Prove every factor of a product, after taking common factors out of a sum."""
        if f.rule == "mul":
            return self._factors(f)
        common = common_factor(f)
        if common is None or not self.signs.defined(f):
            return None
        factored = product(list(common))
        if not identical(f, factored):
            return None
        inner = self.prove(factored)
        if inner.how is None:
            return None
        how = {"kind": "identity", "function": Function(factored).spec(), "proof": inner.how}
        return _Found(how, f"common factor taken out, {inner.words}", inner.boxes)

    def _factors(self, f: Expr) -> _Found | None:
        found = []
        for factor in f.args:
            one = self.prove(factor)
            if one.how is None:
                return None
            found.append(one)
        hard = [one for one in found if one.how != {"kind": "manifest"}]
        words = "; ".join(one.words for one in hard)
        return _Found(
            {"kind": "factors", "factors": [one.how for one in found]},
            f"{len(found) - len(hard)} factors by the rules of signs; {words}",
            sum(one.boxes for one in found),
        )

    def _roots(self, poly: Polynomial, name: str) -> _Found:
        low, high = self.region.ranges[name]
        point = poly.negative_point(low, high)
        if point is None:
            return _Found({"kind": "roots"}, "roots of a polynomial, no box")
        rest = {n: _member(*ends) for n, ends in self.region.ranges.items()}
        return _Found(witness={**rest, name: point})

    def _boxes(self, f: Expr) -> _Found:
        run = search(Tape(Function(f, self.region.names)), self.region, self.max_boxes)
        self.searches.append(run)
        if run.status == "refuted":
            return _Found(witness=run.witness)
        if run.status == "undecided":
            return _Found(reason=run.reason)
        sides = (
            np.stack([run.low, run.high], axis=-1).transpose(1, 0, 2).reshape(run.low.shape[1], -1)
        )
        boxes = [[end(x) for x in row] for row in sides.tolist()]
        # the replay need not reach a bound to the last digit
        bound = 0.9 * run.bound if np.isfinite(run.bound) else 0.0
        how = {"kind": "boxes", "bound": bound, "boxes": boxes}
        many = "1 box" if len(boxes) == 1 else f"{len(boxes)} boxes"
        return _Found(how, f"{many}, margin above {bound:.3g}", len(boxes))


def _upper(function: Function, region: Region, point: Mapping[str, Fraction]) -> float:
    """Return an upper bound of a function that is negative at a point."""
    lows, highs = (np.array([[end(point[n])] for n in region.names]) for end in (below, above))
    return min(float(Tape(function).enclose(lows, highs).high[0]), 0.0)


def _member(low: Any, high: Any) -> Fraction:
    """Return a finite number of an interval."""
    if isinstance(low, Fraction):
        return low
    return high if isinstance(high, Fraction) else Fraction(0)


def decide(
    function: Expr | Number,
    region: Region | Mapping[str, Sequence[Any]],
    *,
    equals: Expr | Number | None = None,
    name: str = "",
    max_boxes: int = MAX_BOXES,
) -> Decision:
    """Decide whether a function is >= 0 at every point of a region.

    Parameters
    ----------
    function : Expr
        Built from variables and exact numbers, see :mod:`sde_compare.regions.expression`.
    region : Region or mapping of str to (low, high)
        A range for every variable; ends may be infinite.
    equals : Expr, optional
        Another form of the function that exhibits its sign, such as a sum of squares. That the two
        are equal is checked in exact arithmetic; if it is not so, this form is not used.
    name : str
        Of the condition, for proofs and messages.
    max_boxes : int
        Boxes to examine before giving up.

    Returns
    -------
    Decision
        Proved or refuted only with the word of the replay, which shares no code with the search.

    Raises
    ------
    ValueError
        If a variable has no range, or a field is out of range, naming it.
    """
    from sde_compare.regions.replay import replay

    region = region if isinstance(region, Region) else Region(region)
    max_boxes = whole_number("max_boxes", max_boxes, minimum=1)
    f = lift(function)
    made = Function(f, region.names)
    head = {"name": name or made.text(), "region": region.spec(), "function": made.spec()}
    common: dict[str, Any] = {"function": made, "region": region}
    reason, searches = "", []
    # the replay has sign rules of its own: what it does not see is shown by a box instead
    for ranges in (True, False):
        prover = _Prover(region, max_boxes, ranges)
        found = prover.with_form(f, None if equals is None else lift(equals))
        searches += prover.searches
        common["searches"] = tuple(searches)
        if found.how is not None:
            part = {**head, "claim": "nonnegative", "proof": found.how}
            word = replay(document(name, "", [part]))
            if word.accepted:
                return Decision("proved", how=found.words, boxes=found.boxes, part=part, **common)
            reason = f"the replay rejects it: {word.reason}"
            continue
        if found.witness is not None:
            point = {n: str(x) for n, x in found.witness.items()}
            part = {**head, "claim": "negative somewhere", "witness": point}
            word = replay(document(name, "", [part]))
            value = _upper(made, region, found.witness)
            if word.accepted:
                return Decision(
                    *("refuted", made, region, "a point", 0, part, found.witness, value),
                    searches=tuple(searches),
                )
            found.reason = f"the replay rejects it: {word.reason}"
        reason = reason or found.reason
        break
    return Decision("undecided", reason=reason, **common)


def proof_of(title: str, statement: str, decisions: Sequence[Decision]) -> Data:
    """Return one proof file's data from decisions, all of them proved or refuted.

    Raises
    ------
    ValueError
        If one is undecided, naming it.
    """
    for one in decisions:
        if not one.part:
            raise ValueError(f"decisions must be decided, got {one.function.text()}: {one.reason}")
    return document(title, statement, [one.part for one in decisions])
