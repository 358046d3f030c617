r"""What a theorem looks at: two drifts or step maps in the coordinates of an order.

In the rows of W a state is q = W x. With W of full row rank, right inverse W^+ and null space N,
the drift f is one of q alone if W (grad f) N = 0, and its slopes there are
:math:`\Lambda = W\,(\nabla f)\,W^+`. Where grad f is a multiple of the identity, it is that
multiple for any W. Source: docs/theory.md, C7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fokker_planck.model import ReverseProcess
from sde_compare.comparison.described import SIDES, Described
from sde_compare.comparison.hypotheses import Condition, jacobian
from sde_compare.comparison.linear import (
    combination,
    null_space,
    rank,
    right_inverse,
    transpose,
)
from sde_compare.comparison.order import Order
from sde_compare.comparison.strengths import Abstract, abstracted
from sde_compare.regions import Expr, Region, number, variables
from sde_compare.regions.structure import key
from sde_compare.symbolic import clock, fraction, isotropic, pull, single


@dataclass(frozen=True, eq=False)
class Side:
    """One process in the coordinates of the order.

    Attributes
    ----------
    slopes : list of list of Expr
        Lambda: how row i of W f changes with coordinate j of the order.
    feed : list of (str, Expr)
        What must vanish for W f to be a function of the order's coordinates.
    """

    slopes: list[list[Expr]]
    feed: list[tuple[str, Expr]]


@dataclass(frozen=True, eq=False)
class View:
    """Both processes in the coordinates of the order, on a region.

    Without expressions ``gap`` is None; ``refutable`` is whether every point is a state.
    """

    region: Region
    gap: list[Condition] | None
    sides: dict[str, Side | None]
    refutable: bool = True
    abstract: Abstract | None = None


def _multiple_of_identity(j: list[list[Expr]]) -> bool:
    d = len(j)
    off = [j[i][k] for i in range(d) for k in range(d) if i != k]
    if any(not (e.rule == "const" and e.value == 0) for e in off):
        return False
    return all(key(j[i][i]) == key(j[0][0]) for i in range(d))


def plain_side(terms: tuple[Expr, ...], names: tuple[str, ...], order: Order) -> Side | None:
    """Return slopes and feed of a drift in the rows of W; None if its rows are dependent."""
    w, j = order.rows, jacobian(terms, names)
    m = len(w)
    if _multiple_of_identity(j):
        zero = number(0)
        return Side([[j[0][0] if a == b else zero for b in range(m)] for a in range(m)], [])
    if rank(w) < m:
        return None
    lift_, free = right_inverse(w), null_space(w)
    wj = [[combination(row, column) for column in zip(*j, strict=True)] for row in w]
    slopes = [[combination(c, row) for c in transpose(lift_)] for row in wj]
    feed = [
        (f"slope of {label} off the order", combination(n, row))
        for label, row in zip(order.labels, wj, strict=True)
        for n in free
    ]
    return Side(slopes, feed)


def plain_view(
    lower: Described, upper: Described, order: Order, region: Region, equals: Any
) -> View:
    """Return the view in the coordinates of the state."""
    gap = None
    if lower.terms is not None and upper.terms is not None:
        rise = [h - f for f, h in zip(lower.terms, upper.terms, strict=True)]
        forms = equals if equals is not None else [None] * len(order.rows)
        gap = [
            (f"rise of {label}", combination(row, rise), form)
            for label, row, form in zip(order.labels, order.rows, forms, strict=True)
        ]
    sides = {
        name: None if d.terms is None else plain_side(d.terms, d.names, order)
        for name, d in zip(SIDES, (lower, upper), strict=True)
    }
    brief = None
    a = lower.process
    if equals is None and isinstance(a, ReverseProcess) and lower.terms and not lower.stepped:
        tau = variables([lower.time])[0]
        c = clock(a, fraction(a.stop) + fraction(a.horizon) - tau)
        times = Region({lower.time: region.ranges[lower.time]})
        if isotropic(a) and single(a) is not None:
            brief = abstracted(a, upper.process, order, pull(a, c)[1], times)
    return View(region, gap, sides, abstract=brief)
