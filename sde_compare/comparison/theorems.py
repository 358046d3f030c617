"""The comparison theorems: which hypotheses each has, and how each is decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sde_compare.comparison import sampled
from sde_compare.comparison.described import SIDES, Described
from sde_compare.comparison.hypotheses import (
    NEEDS_EXPRESSION,
    Hypothesis,
    bounded,
    joined,
    nonnegative,
    rank_of,
    vanishing,
)
from sde_compare.comparison.noise import modulus, own_noise, same_noise
from sde_compare.comparison.order import Order
from sde_compare.comparison.views import Side, View
from sde_compare.regions import Region


@dataclass(frozen=True)
class Theorem:
    """A comparison theorem.

    Attributes
    ----------
    id, name, reference : str
        A short name, the usual name, and where it is stated and proved.
    """

    id: str
    name: str
    reference: str

    def __str__(self) -> str:
        return f"{self.name} [{self.id}; {self.reference}]"


DOCS = "docs/theory.md"
THEOREMS = {
    one.id: one
    for one in (
        Theorem("scalar-ode", "scalar comparison", f"{DOCS} C2, with C4 for additive noise"),
        Theorem("kamke-mueller", "Kamke-Mueller", f"{DOCS} C3 and C7, with C4 for additive noise"),
        Theorem("ikeda-watanabe", "Ikeda-Watanabe", f"{DOCS} C7; Ikeda and Watanabe 1977"),
        Theorem("geiss-manthey", "Geiss-Manthey", f"{DOCS} C7; Geiss and Manthey 1994"),
        Theorem("step-map", "nondecreasing step maps", f"{DOCS} C7, T1-discrete"),
    )
}


@dataclass(frozen=True, eq=False)
class Setting:
    """All that hypotheses are about."""

    lower: Described
    upper: Described
    order: Order
    view: View
    region: Region
    discrete: bool
    start: Hypothesis
    numeric: tuple[sampled.Drift, sampled.Drift]
    sampler: Callable[[], sampled.Sampler]
    modulus: str | None
    max_boxes: int

    @property
    def scalar(self) -> bool:
        """Whether the order is that of one number."""
        return len(self.order.rows) == 1

    @property
    def state_noise(self) -> bool:
        """Whether the noise depends on the state, or differs between the coordinates."""
        return any(own_noise(d) for d in (self.lower, self.upper))


def misfit(theorem: Theorem, s: Setting) -> str:
    """Return why a theorem does not speak about a setting, "" if it does."""
    if s.discrete != (theorem.id == "step-map"):
        kind = "a step map" if s.discrete else "a process in continuous time"
        return f"it is not about {kind}"
    if theorem.id in ("scalar-ode", "ikeda-watanabe") and not s.scalar:
        return f"the order has {len(s.order.rows)} rows, not one"
    if theorem.id in ("ikeda-watanabe", "geiss-manthey"):
        if s.order.kind != "coordinates" or len(s.order.rows) != len(s.lower.names):
            return "with noise that depends on the state the order must be that of the coordinates"
        if s.lower.amplitude is None or s.upper.amplitude is None:
            return f"the noise is {NEEDS_EXPRESSION}"
    elif s.state_noise:
        return "the noise depends on the state"
    return ""


def hypotheses(theorem: Theorem, s: Setting) -> tuple[Hypothesis, ...]:
    """Return the hypotheses of a theorem that speaks about the setting, each decided."""
    found = [s.start, same_noise(s.lower, s.upper, s.region, s.max_boxes)]
    if theorem.id in ("ikeda-watanabe", "geiss-manthey"):
        found += modulus(s.lower, s.region, s.modulus, s.max_boxes)
    if s.view.abstract is not None and s.order.kind == "log-ratios":
        text = "the log-ratios obey a system of their own: W b(x) = F(W x)"
        brief = s.view.abstract
        found.append(vanishing("closed", text, brief.links, brief.region, s.max_boxes))
    return (*found, _drifts(s), *_carrier(theorem, s))


def _drifts(s: Setting) -> Hypothesis:
    what = "step maps" if s.discrete else "drifts"
    statement = f"the {what} are ordered, {s.order}: lower <= upper"
    if s.view.gap is None:
        return sampled.ordered(statement, *s.numeric, s.order, s.sampler())
    brief = s.view.abstract
    if brief is not None:
        parts = [
            nonnegative("ordered", statement, brief.gap, brief.region, s.max_boxes),
            nonnegative("ordered", statement, brief.signs, brief.times, s.max_boxes),
        ]
        if all(part.status == "proved" for part in parts):
            return joined(parts)
    return nonnegative("ordered", statement, s.view.gap, s.view.region, s.max_boxes)


def _carrier(theorem: Theorem, s: Setting) -> list[Hypothesis]:
    """Return what one of the two processes must satisfy, for the one that does it better."""
    best: list[Hypothesis] | None = None
    for name, numeric, d in zip(SIDES, s.numeric, (s.lower, s.upper), strict=True):
        side = s.view.sides[name]
        if side is not None:
            found = _of_side(name, side, s)
        else:
            found = _unknown(name, numeric, d, s)
        if best is None or rank_of(found) < rank_of(best):
            best = found
        if rank_of(best) == (0, 0):
            break
    assert best is not None
    return best


def _unknown(name: str, numeric: Any, d: Described, s: Setting) -> list[Hypothesis]:
    """Return the hypotheses on a process without expressions, or with dependent rows."""
    why = "the vectors of the order are dependent" if d.terms is not None else NEEDS_EXPRESSION
    out = []
    if s.discrete or not s.scalar or len(s.lower.names) > 1:
        label = "nondecreasing" if s.discrete else "quasi-monotone"
        statement = f"the {name} process is {label} in the order"
        if d.terms is None:
            out.append(sampled.quasi_monotone(statement, numeric, s.order, s.sampler(), s.discrete))
        else:
            out.append(Hypothesis(label, statement, "undecided", why))
    if not s.discrete:
        statement = f"the {name} drift is one-sided Lipschitz"
        out.append(Hypothesis("Lipschitz", statement, "undecided", why))
    return out


def _of_side(name: str, side: Side, s: Setting) -> list[Hypothesis]:
    labels, m, out = s.order.labels, len(side.slopes), []
    region, limit = s.view.region, s.max_boxes
    if side.feed:
        text = f"rows of the {name} process depend on the order's coordinates alone"
        out.append(vanishing("feed", text, side.feed, region, limit))
    pairs = [(i, j) for i in range(m) for j in range(m) if s.discrete or i != j]
    entries = [(f"d({labels[i]})/d({labels[j]})", side.slopes[i][j], None) for i, j in pairs]
    if s.discrete:
        text = f"the {name} step map is nondecreasing: all slopes >= 0"
        out.append(nonnegative("nondecreasing", text, entries, region, limit))
        return [_softened(h, s) for h in out]
    if m > 1:
        text = f"the {name} drift is quasi-monotone: slopes off the diagonal >= 0"
        out.append(nonnegative("quasi-monotone", text, entries, region, limit))
    if any(h.status == "refuted" for h in out):
        return [_softened(h, s) for h in out]
    slopes = [
        (f"d({labels[i]})/d({labels[j]})", side.slopes[i][j]) for i in range(m) for j in range(m)
    ]
    text = f"the {name} drift is one-sided Lipschitz: slopes bounded above"
    out.append(bounded("Lipschitz", text, slopes, region, limit))
    return [_softened(h, s) for h in out]


def _softened(h: Hypothesis, s: Setting) -> Hypothesis:
    if h.status == "refuted" and not s.view.refutable:
        return h.weakened(
            "it fails in these coordinates, whose vectors are dependent; others may do"
        )
    return h
