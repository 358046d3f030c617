r"""Values and slopes of a function over a box, node by node, in interval arithmetic on ends.

The slope of node f in variable k over a box X holds every quotient
:math:`(f(x) - f(x')) / (x_k - x'_k)` of points of X that differ in variable k alone. It exists
where a derivative does not (a root at 0 has an unbounded one), and is what the mean value form
and monotonicity need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flint import arb

from sde_compare.regions.replay import ends
from sde_compare.regions.replay.balls import NIL, ball
from sde_compare.regions.replay.ends import Interval
from sde_compare.regions.replay.form import Node
from sde_compare.regions.replay.signs import Range

Product = list[tuple[int, int]]  # numbers of nodes and how often each occurs
Slope = dict[int, Interval]  # by variable; a variable that is absent does not matter


class Evaluator:
    """A function over boxes.

    Parameters
    ----------
    nodes : list of Node
    names : sequence of str
        Variables in the order of the boxes' ranges.
    certain : list of Range or None
        What the rules of signs say of every node on all boxes together.
    """

    def __init__(
        self, nodes: Sequence[Node], names: Sequence[str], certain: Sequence[Range | None]
    ) -> None:
        self.nodes, self.names = list(nodes), list(names)
        self.place = {name: k for k, name in enumerate(names)}
        self.constants = [
            (ball(value).lower(), ball(value).upper()) if rule == "const" else ends.UNIT
            for rule, _, value in nodes
        ]
        self.signs = [0 if r is None else r.positive - r.negative for r in certain]
        self.products = [_powers(args) if rule == "mul" else [] for rule, args, _ in nodes]
        #: for every factor what is left of the product without one of it
        self.rests = [
            [(i, n, [(j, m - (i == j)) for j, m in product if m > (i == j)]) for i, n in product]
            for product in self.products
        ]

    def values(self, box: Sequence[Interval]) -> list[Interval]:
        """Return the range of every node; raises UndefinedError."""
        v: list[Interval] = []
        for k, (rule, args, value) in enumerate(self.nodes):
            if rule == "var":
                v.append(box[self.place[value]])
            elif rule == "const":
                v.append(self.constants[k])
            elif rule == "add":
                out = v[args[0]]
                for i in args[1:]:
                    out = ends.add(out, v[i])
                v.append(out)
            elif rule == "mul":
                v.append(_product(v, self.products[k]))
            elif rule == "div":
                v.append(ends.mul(v[args[0]], ends.inverse(v[args[1]], self.signs[args[1]])))
            elif rule == "pow":
                v.append(ends.power(v[args[0]], value))
            elif rule == "exp":
                v.append(ends.exp(v[args[0]]))
            elif rule == "log":
                v.append(ends.log(v[args[0]], self.signs[args[0]]))
            elif rule == "sqrt":
                v.append(ends.sqrt(v[args[0]]))
            elif rule == "tanh":
                v.append(ends.tanh(v[args[0]]))
            elif rule == "lse":
                v.append(ends.lse([v[i] for i in args]))
            else:
                v.append(ends.share([v[i] for i in args], value))
        return v

    def slopes(self, v: Sequence[Interval], box: Sequence[Interval]) -> Slope:
        """Return the slopes of the function from the ranges of its nodes."""
        d: list[Slope] = []
        for k, (rule, args, value) in enumerate(self.nodes):
            if rule == "var":
                own = self.place[value]
                d.append({} if box[own][0] == box[own][1] else {own: ends.UNIT})
            elif rule == "const":
                d.append({})
            elif rule == "add":
                d.append(_sum([d[i] for i in args]))
            elif rule == "mul":
                d.append(_product_slope(v, d, self.rests[k]))
            elif rule == "div":
                i, j = args
                down = _times(_minus(d[i], _times(d[j], v[k])), ends.inverse(v[j], self.signs[j]))
                d.append(down)
            elif rule == "lse":
                d.append(_lse_slope(v, d, args))
            elif rule == "share":
                d.append(_share_slope(v[k], d, args, value))
            else:
                inner = d[args[0]]
                d.append(_times(inner, self._outer(rule, v, k)) if inner else {})
        return d[-1]

    def _outer(self, rule: str, v: Sequence[Interval], k: int) -> Interval:
        """Return the slope of a rule of one argument with respect to it."""
        (i,), n = self.nodes[k][1], self.nodes[k][2]
        if rule == "pow":
            return ends.mul((arb(n), arb(n)), ends.power(v[i], n - 1))
        if rule == "exp":
            return v[k]
        if rule == "log":
            return ends.inverse(v[i], self.signs[i])
        if rule == "tanh":
            low, high = ends.sub(ends.UNIT, ends.power(v[k], 2))
            return low if low >= NIL else NIL, high
        # sqrt: unbounded at 0, and never negative
        low, high = v[k]
        least = NIL if high.is_zero() else (ends.HALF / high).lower()
        return least, (ends.HALF / low).upper() if low > NIL else ends.UP


def _powers(args: Sequence[int]) -> Product:
    return list(Counter(args).items())


def _product(v: Sequence[Interval], factors: Product) -> Interval:
    out: Interval | None = None
    for i, n in factors:
        one = v[i] if n == 1 else ends.power(v[i], n)  # x x is a square
        out = one if out is None else ends.mul(out, one)
    return out if out is not None else ends.UNIT


def _sum(parts: Sequence[Slope]) -> Slope:
    out: Slope = {}
    for part in parts:
        for k, slope in part.items():
            out[k] = ends.add(out[k], slope) if k in out else slope
    return out


def _times(slope: Slope, factor: Interval) -> Slope:
    return {k: ends.mul(one, factor) for k, one in slope.items()}


def _minus(a: Slope, b: Slope) -> Slope:
    return _sum([a, {k: (-high, -low) for k, (low, high) in b.items()}])


def _product_slope(
    v: Sequence[Interval], d: Sequence[Slope], rests: Sequence[tuple[int, int, Product]]
) -> Slope:
    parts = []
    for i, n, rest in rests:
        if not d[i]:
            continue
        factor = _product(v, rest)
        parts.append(_times(d[i], ends.mul((arb(n), arb(n)), factor) if n > 1 else factor))
    return _sum(parts)


def _lse_slope(v: Sequence[Interval], d: Sequence[Slope], args: Sequence[int]) -> Slope:
    """Return the mean of the arguments' slopes with their shares as weights."""
    terms = [v[i] for i in args]
    shares = [ends.share(terms, n) for n in range(len(args))]
    out = _sum([_times(d[i], s) for i, s in zip(args, shares, strict=True)])
    for k, (low, high) in out.items():
        a, b = ends.hull([d[i].get(k, (NIL, NIL)) for i in args])
        out[k] = low if low >= a else a, high if high <= b else b
    return out


def _share_slope(s: Interval, d: Sequence[Slope], args: Sequence[int], own: int) -> Slope:
    """Return s (1 - s) times a mean of the differences of slopes."""
    mine = d[args[own]]
    gaps = [_minus(mine, d[i]) for n, i in enumerate(args) if n != own and i != args[own]]
    if not gaps:
        return {}
    if len(gaps) < len(args) - 1:
        gaps.append({})
    weight = ends.spread(s)
    found = {k for gap in gaps for k in gap}
    return {k: ends.mul(weight, ends.hull([g.get(k, (NIL, NIL)) for g in gaps])) for k in found}
