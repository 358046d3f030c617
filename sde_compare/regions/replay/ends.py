"""Interval arithmetic on ends that are exact Arb numbers: tight, and right on infinite ranges.

An interval (low, high) stands for the real numbers between its ends; an infinite end is never a
value itself, so that 0 times an infinite interval is 0. Arb rounds each end outwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from flint import arb

from sde_compare.regions.replay import balls
from sde_compare.regions.replay.balls import NIL, ONE, UndefinedError

Interval = tuple[arb, arb]
UP, DOWN = arb.pos_inf(), arb.neg_inf()
QUARTER, HALF = arb(0.25), arb(0.5)
UNKNOWN: Interval = (DOWN, UP)
UNIT: Interval = (ONE, ONE)


def _times(x: arb, y: arb) -> arb:
    """Return the product of two ends, 0 times infinity being 0."""
    out = x * y
    if out.is_nan():
        if x.is_nan() or y.is_nan():
            raise UndefinedError("not a number")
        return NIL
    return out


def add(a: Interval, b: Interval) -> Interval:
    """Return a + b."""
    return (a[0] + b[0]).lower(), (a[1] + b[1]).upper()


def sub(a: Interval, b: Interval) -> Interval:
    """Return a - b."""
    return (a[0] - b[1]).lower(), (a[1] - b[0]).upper()


def mul(a: Interval, b: Interval) -> Interval:
    """Return a b, from the products of the ends that can be extreme."""
    a0, a1 = a
    b0, b1 = b
    if a0 >= NIL:
        low = _times(a0 if b0 >= NIL else a1, b0)
        high = _times(a0 if b1 <= NIL else a1, b1)
    elif a1 <= NIL:
        low = _times(a1 if b1 <= NIL else a0, b1)
        high = _times(a1 if b0 >= NIL else a0, b0)
    elif b0 >= NIL:
        low, high = _times(a0, b1), _times(a1, b1)
    elif b1 <= NIL:
        low, high = _times(a1, b0), _times(a0, b0)
    else:
        x, y = _times(a0, b1).lower(), _times(a1, b0).lower()
        low = y if x >= y else x
        x, y = _times(a0, b0).upper(), _times(a1, b1).upper()
        high = x if x >= y else y
    return low.lower(), high.upper()


def inverse(a: Interval, sign: int = 0) -> Interval:
    """Return 1 / a; ``sign`` says that a is known to be > 0 or < 0 though an end may be 0."""
    low, high = a
    if low > NIL or (sign > 0 and low >= NIL and high > NIL):
        return (ONE / high).lower(), UP if low.is_zero() else (ONE / low).upper()
    if high < NIL or (sign < 0 and high <= NIL and low < NIL):
        return DOWN if high.is_zero() else (ONE / high).lower(), (ONE / low).upper()
    raise UndefinedError("division by a number that may be 0")


def power(a: Interval, n: int) -> Interval:
    """Return a**n."""
    if n == 0:
        return UNIT
    low, high = balls.power(a[0], n), balls.power(a[1], n)
    if n % 2 == 1 or a[0] >= NIL:
        return low.lower(), high.upper()
    if a[1] <= NIL:
        return high.lower(), low.upper()
    low, high = low.upper(), high.upper()
    return NIL, high if high >= low else low


def exp(a: Interval) -> Interval:
    """Return exp(a), never below 0."""
    low = a[0].exp().lower()
    return low if low >= NIL else NIL, a[1].exp().upper()


def log(a: Interval, sign: int = 0) -> Interval:
    """Return log(a); ``sign`` > 0 says that a is known to be > 0 though its low end may be 0."""
    low, high = a
    if low > NIL:
        return low.log().lower(), high.log().upper()
    if sign > 0 and low >= NIL and high > NIL:
        return DOWN, high.log().upper()
    raise UndefinedError("log of a number that may be <= 0")


def sqrt(a: Interval) -> Interval:
    """Return the square root of a."""
    if not a[0] >= NIL:
        raise UndefinedError("sqrt of a number that may be < 0")
    return a[0].sqrt().lower(), a[1].sqrt().upper()


def tanh(a: Interval) -> Interval:
    """Return tanh(a), never outside [-1, 1]."""
    low, high = a[0].tanh().lower(), a[1].tanh().upper()
    return low if low >= -ONE else -ONE, high if high <= ONE else ONE


def _weight(of: arb, others: Sequence[arb]) -> arb:
    """Return the share of one exponential among others, at ends: infinite ones settle it."""
    total = ONE
    for u in others:
        if (u == DOWN and of != DOWN) or (of == UP and u != UP):
            continue
        if u == UP or of == DOWN:
            return NIL
        total = total + (u - of).exp()
    # an exponential beyond Arb's exponents is unbounded: then nothing is known but 0 <= share <= 1
    return ONE / total if total >= ONE else arb(0.5, 0.5)


def share(terms: Sequence[Interval], own: int) -> Interval:
    """Return a share: it rises with its own logarithm and falls with every other."""
    others = [u for k, u in enumerate(terms) if k != own]
    if not others:
        return UNIT
    low = _weight(terms[own][0], [u[1] for u in others]).lower()
    high = _weight(terms[own][1], [u[0] for u in others]).upper()
    return low if low >= NIL else NIL, high if high <= ONE else ONE


def _joint(terms: Sequence[arb]) -> arb:
    """Return the log of a sum of exponentials of ends."""
    finite = [u for u in terms if u.is_finite()]
    if any(u == UP for u in terms):
        return UP
    return balls.lse(finite) if finite else DOWN


def lse(terms: Sequence[Interval]) -> Interval:
    """Return the log of a sum of exponentials: it rises with every argument."""
    if len(terms) == 1:
        return terms[0]
    return _joint([u[0] for u in terms]).lower(), _joint([u[1] for u in terms]).upper()


def hull(parts: Sequence[Interval]) -> Interval:
    """Return the smallest interval that holds all."""
    low, high = parts[0]
    for a, b in parts[1:]:
        low, high = a if a <= low else low, b if b >= high else high
    return low, high


def spread(s: Interval) -> Interval:
    """Return s (1 - s) for s in [0, 1]: it rises up to one half, then falls."""
    low, high = (x * (ONE - x) for x in s)
    a, b = low.lower(), high.lower()
    least = a if a <= b else b
    if s[0] <= HALF and s[1] >= HALF:
        most = QUARTER
    else:
        most = high.upper() if s[1] <= HALF else low.upper()
    return least if least >= NIL else NIL, most if most >= NIL else NIL
