"""Signs that show themselves: the rules of signs on an expression, without a single box.

Where the rules are silent, the range of the expression by interval arithmetic over the whole
region may still tell: 1 - exp(-t) for t >= 0. :meth:`Signs.sign` returns what is certain: ">"
positive, ">=" nonnegative, "=" zero, "<=" and "<", or "?" for anything. A function that is not
shown to be defined everywhere on the region is "?".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sde_compare.regions.expression import Expr, Function, lift, product, total
from sde_compare.regions.region import Region
from sde_compare.regions.tape import Tape

NEGATED = {">": "<", ">=": "<=", "=": "=", "<=": ">=", "<": ">", "?": "?"}
NONNEGATIVE = (">", ">=", "=")


class Signs:
    """Signs of expressions on a region.

    Parameters
    ----------
    region : Region
    ranges : bool
        Whether ranges may speak where the rules are silent.
    """

    def __init__(self, region: Region, ranges: bool = True) -> None:
        self.region, self.ranges = region, ranges
        low, high = region.outer()
        self.low, self.high = np.array(low), np.array(high)
        self.known: dict[int, tuple[str, bool]] = {}
        self.kept: list[Expr] = []  # ids stay valid while the expressions live

    def sign(self, expression: Expr) -> str:
        """Return the sign, "?" also where the expression may be undefined."""
        found, defined = self._find(expression)
        return found if defined else "?"

    def defined(self, expression: Expr) -> bool:
        """Whether the rules show that the expression is defined everywhere."""
        return self._find(expression)[1]

    def _find(self, root: Expr) -> tuple[str, bool]:
        if id(root) not in self.known:
            function = Function(root, self.region.names)
            ranges = Tape(function).ranges(self.low, self.high)
            signs: list[str] = []
            defined: list[bool] = []
            for (rule, args, value), span in zip(function.nodes, ranges, strict=True):
                inner = [signs[i] for i in args]
                legal = all(defined[i] for i in args) and _legal(rule, inner)
                found = self._rule(rule, inner, value)
                if self.ranges and legal and found in ("?", ">=", "<="):
                    found = _from_range(found, float(span.lo[0]), float(span.hi[0]))
                signs.append(found)
                defined.append(legal)
            self.known[id(root)] = signs[-1], defined[-1]
            self.kept.append(root)
        return self.known[id(root)]

    def _rule(self, rule: str, signs: list[str], value: Any) -> str:
        if rule == "const":
            return ">" if value > 0 else "<" if value < 0 else "="
        if rule == "var":
            low, high = self.region.ranges[value]
            if low == high == 0:
                return "="
            if low >= 0:
                return ">" if low > 0 else ">="
            return ("<" if high < 0 else "<=") if high <= 0 else "?"
        if rule == "add":
            return _sum(signs)
        if rule in ("mul", "div"):
            return _product(signs)
        if rule == "pow":
            if value % 2 == 0:
                return ">" if signs[0] in "<>" else "=" if signs[0] == "=" else ">="
            return signs[0]
        if rule in ("exp", "share"):
            return ">"
        if rule in ("sqrt", "tanh"):
            return signs[0]
        if rule == "lse":  # above its largest argument
            if len(signs) == 1:
                return signs[0]
            return ">" if any(s in NONNEGATIVE for s in signs) else "?"
        return "?"


def _legal(rule: str, signs: list[str]) -> bool:
    if rule == "div":
        return signs[1] in (">", "<")
    if rule == "log":
        return signs[0] == ">"
    return rule != "sqrt" or signs[0] in NONNEGATIVE


def _from_range(found: str, low: float, high: float) -> str:
    """Return what a range adds to a sign."""
    if low > 0:
        return ">"
    if high < 0:
        return "<"
    if found != "?":
        return found
    return ">=" if low >= 0 else "<=" if high <= 0 else "?"


def _sum(signs: list[str]) -> str:
    found = set(signs) - {"="}
    if not found:
        return "="
    for strict, weak in ((">", ">="), ("<", "<=")):
        if found <= {strict, weak}:
            return strict if strict in found else weak
    return "?"


def _product(signs: list[str]) -> str:
    if "=" in signs:
        return "="
    if "?" in signs:
        return "?"
    negative = sum(s in ("<", "<=") for s in signs) % 2 == 1
    weak = any(len(s) == 2 for s in signs)
    found = ">=" if weak else ">"
    return NEGATED[found] if negative else found


def key(e: Expr) -> Any:
    """Return data equal for expressions of equal form."""
    return repr(Function(e).spec())


def factors(e: Expr) -> list[Expr]:
    """Return the factors of an expression, powers opened."""
    out: list[Expr] = []
    for part in e.args if e.rule == "mul" else (e,):
        out.extend([part.args[0]] * part.value if part.rule == "pow" else [part])
    return out


def common_factor(e: Expr) -> tuple[Expr, Expr] | None:
    """Return (factor, quotient) of a sum whose terms share factors other than constants."""
    if e.rule != "add":
        return None
    split = [{} for _ in e.args]  # type: list[dict[Any, list[Expr]]]
    for found, term in zip(split, e.args, strict=True):
        for part in factors(term):
            found.setdefault(key(part), []).append(part)
    shared: list[Expr] = []
    for name, parts in split[0].items():
        count = min(len(found.get(name, ())) for found in split)
        if count and parts[0].rule != "const":
            shared.extend([parts[0]] * count)
            for found in split:
                found[name] = found[name][count:]
    if not shared:
        return None
    rest = [product([p for parts in found.values() for p in parts]) for found in split]
    return product(_powers(shared)), total([product(_powers(_flat(r))) for r in rest])


def _flat(e: Expr) -> list[Expr]:
    return list(e.args) if e.rule == "mul" else [e]


def _powers(parts: list[Expr]) -> list[Expr]:
    """Return equal factors as powers, so that even ones show their sign."""
    grouped: dict[Any, list[Expr]] = {}
    for part in parts:
        grouped.setdefault(key(part), []).append(part)
    return [lift(group[0]) ** len(group) for group in grouped.values()]
