r"""A function evaluated on many boxes at once: range, gradient, and where it is undefined.

Ranges are natural interval extensions, node by node. Gradients go forward: those of shares and of
log-sum-exp use :math:`d\,s_i = s_i \sum_{j \ne i} s_j (du_i - du_j)` and
:math:`d\,\mathrm{lse} = \sum_j s_j\, du_j`. Formulas: docs/theory.md, R1.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sde_compare.regions.expression import UNARY, Function
from sde_compare.regions.intervals import Interval, library
from sde_compare.regions.region import above, below

Array = NDArray[np.float64]
Gradient = dict[int, Any]


@dataclass(frozen=True)
class Enclosure:
    """What is known of a function on n boxes.

    Attributes
    ----------
    low, high : ndarray, shape (n,)
        All values lie between; meaningless where undefined.
    defined : ndarray of bool, shape (n,)
        Whether the function is known to be defined in the whole box.
    slope_low, slope_high : ndarray, shape (d, n), or None
        Ranges of the partial derivatives.
    """

    low: Array
    high: Array
    defined: NDArray[np.bool_]
    slope_low: Array | None = None
    slope_high: Array | None = None


class Tape:
    """A function made ready for evaluation on arrays of boxes.

    Parameters
    ----------
    function : Function
        With ``variables`` in the order of the boxes' axes.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.nodes = function.nodes
        self.axis = {name: i for i, name in enumerate(function.variables)}
        self.constants = {
            k: (below(Fraction(value)), above(Fraction(value)))
            for k, (rule, _, value) in enumerate(self.nodes)
            if rule == "const"
        }

    def ranges(self, low: Array, high: Array) -> list[Any]:
        """Return the range of every node over one box, as intervals of one element."""
        kept: list[Any] = []
        self.enclose(low[:, None], high[:, None], kept=kept)
        return kept

    def enclose(
        self, low: Array, high: Array, slopes: bool = False, kept: list[Any] | None = None
    ) -> Enclosure:
        """Return ranges over boxes ``[low, high]``, each of shape (d, n); with gradients if asked.

        ``kept`` takes the range of every node.
        """
        n = low.shape[1]
        defined = np.ones(n, dtype=bool)
        values: list[Any] = [] if kept is None else kept
        grads: list[Gradient] = []
        shares: dict[tuple[int, ...], list[Any]] = {}
        with np.errstate(all="ignore"):
            for k, (rule, args, value) in enumerate(self.nodes):
                if rule == "var":
                    i = self.axis[value]
                    values.append(Interval(low[i].copy(), high[i].copy()))
                    grads.append({i: 1.0})
                    continue
                if rule == "const":
                    a, b = self.constants[k]
                    values.append(Interval(np.full(n, a), np.full(n, b)))
                    grads.append({})
                    continue
                inner = [values[i] for i in args]
                out, bad = _value(rule, args, inner, value, shares)
                if bad is not None:
                    defined &= ~bad
                values.append(_whole(out))
                if slopes:
                    slope = [grads[i] for i in args]
                    grads.append(_slope(rule, args, inner, slope, values[-1], value, shares))
        out = values[-1]
        if not slopes:
            return Enclosure(out.lo, out.hi, defined)
        below_, above_ = np.zeros((len(self.axis), n)), np.zeros((len(self.axis), n))
        for i, found in grads[-1].items():
            found = _whole(found) if not isinstance(found, float) else found
            below_[i] = found if isinstance(found, float) else found.lo
            above_[i] = found if isinstance(found, float) else found.hi
        return Enclosure(out.lo, out.hi, defined, below_, above_)


def _whole(x: Any) -> Any:
    """Return intervals with empty or undefined ones replaced by the whole line."""
    if np.isnan(x.lo).any() or np.isnan(x.hi).any():
        bad = np.isnan(x.lo) | np.isnan(x.hi)
        return Interval(np.where(bad, -np.inf, x.lo), np.where(bad, np.inf, x.hi))
    return x


def _share_list(args: tuple[int, ...], inner: list[Any], shares: dict[Any, list[Any]]) -> list[Any]:
    """Return all shares of a list of exponents; each is monotone in every one of them."""
    if args not in shares:
        found = []
        for i, own in enumerate(inner):
            total: Any = Interval(np.ones_like(own.lo), np.ones_like(own.lo))
            for j, other in enumerate(inner):
                if j != i:
                    total = total + library.exp(other - own)
            found.append(1.0 / total)
        shares[args] = [_whole(x) for x in found]
    return shares[args]


def _value(
    rule: str, args: tuple[int, ...], inner: list[Any], value: Any, shares: dict[Any, list[Any]]
) -> tuple[Any, Any]:
    """Return a node's range, and where it is not known to be defined (None: nowhere)."""
    x = inner[0]
    if rule == "add":
        for other in inner[1:]:
            x = x + other
        return x, None
    if rule == "mul":
        for other in inner[1:]:
            x = x * other
        return x, None
    if rule == "div":
        y = inner[1]
        return x / y, (y.lo <= 0) & (y.hi >= 0)
    if rule == "pow":
        return library.pown(x, value), None
    if rule in UNARY:
        bad = {"log": x.lo <= 0, "sqrt": x.lo < 0}.get(rule)
        return getattr(library, rule)(x), bad
    if rule == "lse":
        # a shift by a point keeps the range exact and the exponentials finite
        top = np.maximum.reduce([u.hi for u in inner])
        top = np.where(np.isfinite(top), top, np.maximum.reduce([u.lo for u in inner]))
        top = np.where(np.isfinite(top), top, 0.0)
        total = library.exp(inner[0] - top)
        for other in inner[1:]:
            total = total + library.exp(other - top)
        return library.log(total) + top, None
    return _share_list(args, inner, shares)[value], None


def _plus(a: Any, b: Any) -> Any:
    return b if a is None else a + b


def _slope(
    rule: str,
    args: tuple[int, ...],
    inner: list[Any],
    slope: list[Gradient],
    out: Any,
    value: Any,
    shares: dict[Any, list[Any]],
) -> Gradient:
    """Return the gradient of a node from those of its arguments; absent entries are zero."""
    found: Gradient = {}
    if rule == "add":
        for g in slope:
            for i, s in g.items():
                found[i] = _plus(found.get(i), s)
        return found
    if rule == "mul":
        for place, g in enumerate(slope):
            if not g:
                continue
            rest = None
            for j, other in enumerate(inner):
                if j != place:
                    rest = other if rest is None else rest * other
            for i, s in g.items():
                found[i] = _plus(found.get(i), s if rest is None else rest * s)
        return found
    if rule == "div":
        x, y = inner
        for i in slope[0].keys() | slope[1].keys():
            top = slope[0][i] / y if i in slope[0] else None
            if i in slope[1]:
                top = _plus(top, -(out / y) * slope[1][i])
            found[i] = top
        return found
    if rule == "pow":
        x = inner[0]
        factor = x * float(value) if value == 2 else library.pown(x, value - 1) * float(value)
        return {i: factor * s for i, s in slope[0].items()}
    if rule in UNARY:
        if rule == "exp":
            factor = out
        elif rule == "log":
            factor = 1.0 / inner[0]
        elif rule == "sqrt":
            factor = 0.5 / out
        else:
            factor = 1.0 - library.pown(out, 2)
        return {i: factor * s for i, s in slope[0].items()}
    all_shares = _share_list(args, inner, shares)
    axes = sorted(set().union(*slope))
    for i in axes:
        terms: list[Any] = [g.get(i) for g in slope]
        if rule == "lse":
            for s, term in zip(all_shares, terms, strict=True):
                if term is not None:
                    found[i] = _plus(found.get(i), s * term)
            continue
        own = terms[value]
        for j, (s, term) in enumerate(zip(all_shares, terms, strict=True)):
            if j == value or (own is None and term is None):
                continue
            if own is None:
                change = -term
            else:
                change = own if term is None else own - term
            found[i] = _plus(found.get(i), s * change)
        if i in found:
            found[i] = out * found[i]
    return found
