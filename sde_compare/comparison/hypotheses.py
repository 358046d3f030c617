"""Hypotheses of a theorem, each decided: proved, refuted with a witness, or undecided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from sde_compare.comparison.collect import collected
from sde_compare.regions import (
    Decision,
    Expr,
    Function,
    Region,
    decide,
    derivative,
    number,
    product,
)
from sde_compare.regions.tape import Tape

Status = Literal["proved", "refuted", "undecided"]
#: a condition: its label, the function that is to be >= 0, and another form of it or None
Condition = tuple[str, Expr, Expr | None]
NEEDS_EXPRESSION = "given as a function only; hand in an expression to have it decided"


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One hypothesis and what is known of it.

    Attributes
    ----------
    name, statement : str
        A short name, and the hypothesis in words.
    status : {"proved", "refuted", "undecided"}
    detail : str
        How it is proved, where it fails, or why it is undecided.
    decisions : tuple of Decision
        Those of regions/, one per function whose sign was asked for.
    witness : dict of str to number, or None
        A point at which it fails.
    """

    name: str
    statement: str
    status: Status
    detail: str
    decisions: tuple[Decision, ...] = ()
    witness: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"[{self.status}] {self.name}: {self.statement} -- {self.detail}"

    def weakened(self, reason: str) -> Hypothesis:
        """Return the hypothesis as undecided, for a failure that does not refute it."""
        return replace(self, status="undecided", detail=reason, witness=None)


def point_text(witness: dict[str, Any]) -> str:
    """Return a point in words."""
    return ", ".join(f"{name} = {float(value):.9g}" for name, value in witness.items())


def from_decisions(
    name: str, statement: str, labelled: Sequence[tuple[str, Decision]], remark: str = ""
) -> Hypothesis:
    """Return the hypothesis that holds if all decisions are proved."""
    every = tuple(d for _, d in labelled)
    for status in ("refuted", "undecided"):
        label, d = next(((n, d) for n, d in labelled if d.status == status), ("", None))
        if d is None:
            continue
        if status == "refuted":
            point = dict(d.witness or {})
            text = f"{label} = {d.value:.6g} at {point_text(point)}"
            if d.searches and d.searches[-1].box is not None:
                text += f" ({d.searches[-1].examined} boxes)"
            return Hypothesis(name, statement, "refuted", text, every, point)
        return Hypothesis(name, statement, "undecided", f"{label}: {d.reason}", every)
    ways = list(dict.fromkeys(d.how for d in every))
    text = "; ".join(ways) if ways else "nothing to show"
    return Hypothesis(name, statement, "proved", f"{text}{remark}", every)


def _decided(f: Expr, region: Region, equals: Expr | None, name: str, max_boxes: int) -> Decision:
    """Decide f >= 0; what cancels in a difference is cancelled first, and the identity checked."""
    short = collected(f) if equals is None else None
    if short is None:
        return decide(f, region, equals=equals, name=name, max_boxes=max_boxes)
    hint = decide(short, region, name=name, max_boxes=max_boxes)
    if hint.status == "proved":
        found = decide(f, region, equals=short, name=name, max_boxes=max_boxes)
        # an identity that the replay finds too large to check: without it, then
        return found if found else decide(f, region, name=name, max_boxes=max_boxes)
    if hint.status == "refuted" and hint.witness:
        # the function as given, at the point itself
        point = {n: (hint.witness[n], hint.witness[n]) for n in region.names}
        here = decide(f, point, name=name, max_boxes=max_boxes)
        return here if here.status == "refuted" else hint
    return hint


def joined(parts: Sequence[Hypothesis]) -> Hypothesis:
    """Return proved parts of one hypothesis as one."""
    detail = "; ".join(dict.fromkeys(part.detail for part in parts))
    return replace(parts[0], detail=detail, decisions=tuple(d for p in parts for d in p.decisions))


def nonnegative(
    name: str, statement: str, conditions: Sequence[Condition], region: Region, max_boxes: int
) -> Hypothesis:
    """Decide that functions are >= 0 on a region; stops at the first that is not."""
    found = []
    for label, f, equals in conditions:
        one = _decided(f, region, equals, f"{name}: {label} >= 0", max_boxes)
        found.append((label, one))
        if one.status == "refuted":
            break
    return from_decisions(name, statement, found)


def vanishing(
    name: str, statement: str, functions: Sequence[tuple[str, Expr]], region: Region, max_boxes: int
) -> Hypothesis:
    """Decide that functions are identically zero on a region, by exact identities."""
    found: list[tuple[str, Decision]] = []
    for label, f in functions:
        for sign, text in ((1, label), (-1, f"-({label})")):
            if f.rule == "const" and f.value == 0 and sign < 0:
                continue
            one = decide(
                product([sign, f]),
                region,
                equals=number(0),
                name=f"{name}: {text} >= 0",
                max_boxes=max_boxes,
            )
            found.append((text, one))
            if one.status == "refuted":
                return from_decisions(name, statement, found)
    return from_decisions(name, statement, found)


def upper_bound(e: Expr, region: Region) -> Fraction | None:
    """Return a number just above the range of an expression, None if it is not bounded above."""
    low, high = (np.array(ends)[:, None] for ends in region.outer())
    found = Tape(Function(e, region.names)).enclose(low, high)
    top = float(found.high[0])
    if not found.defined[0] or not np.isfinite(top):
        return None
    if e.rule == "const":
        return Fraction(e.value)
    return Fraction(f"{top + 1e-3 * abs(top) + 1e-9:.6g}") if top else Fraction(0)


def bounded(
    name: str, statement: str, functions: Sequence[tuple[str, Expr]], region: Region, max_boxes: int
) -> Hypothesis:
    """Decide that functions are bounded above by a constant, or at least finite everywhere.

    The constant is read off interval arithmetic and then proved; where there is none, that the
    function is defined on the whole region makes it bounded on every compact part.
    """
    found, largest, local = [], None, False
    for label, f in functions:
        top = upper_bound(f, region)
        if top is not None:
            margin = number(top) - f
            one = decide(margin, region, name=f"{name}: {label} <= {top}", max_boxes=max_boxes)
            largest = top if largest is None else max(largest, top)
        if top is None or one.status != "proved":
            one = decide(f**2, region, name=f"{name}: {label} is finite", max_boxes=max_boxes)
            local = True
        found.append((label, one))
    remark = "" if largest is None else f"; constant {float(largest):.6g}"
    if local:
        remark = "; finite everywhere, so that the bound is local"
    made = from_decisions(name, statement, found, remark)
    return made.weakened("no bound was found") if made.status == "refuted" else made


def jacobian(terms: Sequence[Expr], names: Sequence[str]) -> list[list[Expr]]:
    """Return the partial derivatives, row i for term i."""
    return [[derivative(e, n) for n in names] for e in terms]


def rank_of(hypotheses: Sequence[Hypothesis]) -> tuple[int, int]:
    """Return a key: fewest refuted first, then fewest undecided."""
    status = [h.status for h in hypotheses]
    return status.count("refuted"), status.count("undecided")
