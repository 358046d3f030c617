"""Rules of signs: what is certain of a node without any box, from exact rational bounds.

Each node gets an interval with rational or infinite ends and, for each end, whether it may be
attained (exp(x) > 0: the end 0 is not). A node that these rules do not show to be defined is None,
and so is all that is made of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from sde_compare.regions.replay.form import End, Node, Region

BITS = 160  # longer bounds are rounded outwards, which keeps their sign
SMALL_POWER = 64


class Range(NamedTuple):
    """All values lie between the ends; an end that is ``shut`` may be a value itself."""

    low: End
    high: End
    low_shut: bool
    high_shut: bool

    @property
    def nonnegative(self) -> bool:
        """Whether every value is >= 0."""
        return self.low >= 0

    @property
    def positive(self) -> bool:
        """Whether every value is > 0."""
        return self.low > 0 or (self.low == 0 and not self.low_shut)

    @property
    def negative(self) -> bool:
        """Whether every value is < 0."""
        return self.high < 0 or (self.high == 0 and not self.high_shut)


ZERO, ONE = Fraction(0), Fraction(1)
ANY = Range(-math.inf, math.inf, False, False)
POSITIVE = Range(ZERO, math.inf, False, False)


def _down(value: End) -> End:
    """Return a number with few digits that is not above and has the same sign."""
    if isinstance(value, float):
        return value
    p, q = value.numerator, value.denominator
    if max(p.bit_length(), q.bit_length()) <= BITS:
        return value
    shift = BITS - (p.bit_length() - q.bit_length())
    scale = Fraction(2) ** shift
    return Fraction(math.floor(value * scale)) / scale if p else ZERO


def _made(low: End, high: End, low_shut: bool, high_shut: bool) -> Range:
    a, b = _down(low), -_down(-high)
    return Range(a, b, low_shut and a == low, high_shut and b == high)


def _plus(x: End, y: End) -> End:
    if isinstance(x, float) or isinstance(y, float):  # lows are never +inf, highs never -inf
        return x if isinstance(x, float) else y
    return x + y


def _scaled(x: End, y: End) -> End:
    if x == 0 or y == 0:  # of real numbers, however large
        return ZERO
    if isinstance(x, float) or isinstance(y, float):
        return math.inf if (x > 0) == (y > 0) else -math.inf
    return x * y


def _add(a: Range, b: Range) -> Range:
    low, high = _plus(a.low, b.low), _plus(a.high, b.high)
    return _made(low, high, a.low_shut and b.low_shut, a.high_shut and b.high_shut)


def _negated(a: Range) -> Range:
    return Range(-a.high, -a.low, a.high_shut, a.low_shut)


def _times(a: Range, b: Range) -> Range:
    corners = []
    for x, x_shut in ((a.low, a.low_shut), (a.high, a.high_shut)):
        for y, y_shut in ((b.low, b.low_shut), (b.high, b.high_shut)):
            # 0 times anything that is a value is the value 0
            shut = (x_shut and y_shut) or (x == 0 and x_shut) or (y == 0 and y_shut)
            corners.append((_scaled(x, y), shut))
    low, high = min(v for v, _ in corners), max(v for v, _ in corners)
    return _made(low, high, (low, True) in corners, (high, True) in corners)


def _inverse(a: Range) -> Range | None:
    if a.negative:
        turned = _inverse(_negated(a))
        return None if turned is None else _negated(turned)
    if not a.positive:
        return None
    low: End = ZERO if a.high == math.inf else 1 / Fraction(a.high)
    high: End = math.inf if a.low == 0 else 1 / Fraction(a.low)
    return _made(low, high, a.high_shut and low != 0, a.low_shut and high != math.inf)


def _power(a: Range, n: int) -> Range:
    if n % 2 == 0 and a.low < 0:
        if a.high <= 0:
            return _power(_negated(a), n)
        top = max(-a.low, a.high)
        reach = _power(Range(ZERO, top, True, True), n)
        return Range(ZERO, reach.high, True, reach.high_shut)
    if a.low < 0 < a.high:
        low = _power(Range(ZERO, -a.low, True, a.low_shut), n)
        high = _power(Range(ZERO, a.high, True, a.high_shut), n)
        return Range(-low.high, high.high, low.high_shut, high.high_shut)
    if a.high <= 0 and a.low < 0:
        return _negated(_power(_negated(a), n))
    if n > SMALL_POWER:  # its sign alone
        return Range(ZERO, math.inf, a.low == 0 and a.low_shut, False)
    return _made(a.low**n, a.high**n, a.low_shut, a.high_shut)


def _exp(a: Range) -> Range:
    low = ONE + a.low if a.low >= 0 else ZERO  # exp(u) >= 1 + u
    high = ONE if a.high <= 0 else math.inf
    return _made(low, high, a.low == 0 and a.low_shut, a.high == 0 and a.high_shut)


def _log(a: Range) -> Range | None:
    if not a.positive:
        return None
    low, high = ZERO if a.low >= 1 else -math.inf, ZERO if a.high <= 1 else math.inf
    return Range(low, high, a.low == 1 and a.low_shut, a.high == 1 and a.high_shut)


def _sqrt(a: Range) -> Range | None:
    if not a.nonnegative:
        return None
    low, high = ONE if a.low >= 1 else ZERO, ONE if a.high <= 1 else math.inf
    low_shut = a.low in (0, 1) and a.low_shut
    return Range(low, high, low_shut, a.high in (0, 1) and a.high_shut)


def _tanh(a: Range) -> Range:
    return Range(
        ZERO if a.low >= 0 else -ONE,
        ZERO if a.high <= 0 else ONE,
        a.low == 0 and a.low_shut,
        a.high == 0 and a.high_shut,
    )


def _lse(inner: Sequence[Range]) -> Range:
    if len(inner) == 1:
        return inner[0]
    high = max(a.high for a in inner)
    return _made(max(a.low for a in inner), _plus(high, Fraction(len(inner) - 1)), False, False)


def _product(args: tuple[int, ...], known: Sequence[Range | None]) -> Range:
    out = Range(ONE, ONE, True, True)
    for i, count in Counter(args).items():  # x x is a square
        inner = known[i]
        assert inner is not None
        out = _times(out, inner if count == 1 else _power(inner, count))
    return out


def _rule(node: Node, known: Sequence[Range | None], region: Region) -> Range | None:
    rule, args, value = node
    if rule == "const":
        return Range(value, value, True, True)
    if rule == "var":
        k = region.names.index(value)
        low, high = region.lows[k], region.highs[k]
        return Range(low, high, low != -math.inf, high != math.inf)
    inner = [known[i] for i in args]
    given = [a for a in inner if a is not None]
    if len(given) < len(inner):
        return None
    first = given[0]
    if rule == "add":
        out = first
        for other in given[1:]:
            out = _add(out, other)
        return out
    if rule == "mul":
        return _product(args, known)
    if rule == "div":
        turned = _inverse(given[1])
        return None if turned is None else _times(first, turned)
    if rule == "pow":
        return _power(first, value)
    if rule == "lse":
        return _lse(given)
    if rule == "share":
        return Range(ONE, ONE, True, True) if len(given) == 1 else Range(ZERO, ONE, False, False)
    return {"exp": _exp, "log": _log, "sqrt": _sqrt, "tanh": _tanh}[rule](first)


def ranges(nodes: Sequence[Node], region: Region) -> list[Range | None]:
    """Return what is certain of every node, None where it may be undefined."""
    known: list[Range | None] = []
    for node in nodes:
        known.append(_rule(node, known, region))
    return known
