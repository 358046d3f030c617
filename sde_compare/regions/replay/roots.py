"""Polynomials in one variable: nonnegative on an interval, by exact counting of roots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from flint import fmpq, fmpq_poly

from sde_compare.regions.replay.form import End, Node, Region, RejectedError

MOST_DEGREE = 500


def polynomial(nodes: Sequence[Node]) -> tuple[fmpq_poly, str | None]:
    """Return a function as a polynomial and the name of its variable.

    Raises
    ------
    RejectedError
        If it is not a polynomial in one variable.
    """
    names = {value for rule, _, value in nodes if rule == "var"}
    if len(names) > 1:
        raise RejectedError("roots: the function has more than one variable")
    made: list[fmpq_poly] = []
    for rule, args, value in nodes:
        inner = [made[i] for i in args]
        if rule == "var":
            out = fmpq_poly([0, 1])
        elif rule == "const":
            out = fmpq_poly([fmpq(value.numerator, value.denominator)])
        elif rule == "add":
            out = sum(inner[1:], inner[0])
        elif rule == "mul":
            out = inner[0]
            for other in inner[1:]:
                _check_degree(out.degree() + other.degree())
                out = out * other
        elif rule == "pow":
            _check_degree(inner[0].degree() * value)
            out = inner[0] ** value
        elif rule == "div" and inner[1].degree() == 0:  # 0 has degree -1
            out = inner[0] / inner[1].coeffs()[0]
        else:
            raise RejectedError(f"roots: {rule} does not make a polynomial")
        made.append(out)
    return made[-1], next(iter(names), None)


def _check_degree(degree: int) -> None:
    if degree > MOST_DEGREE:
        raise RejectedError(f"roots: a degree above {MOST_DEGREE}")


def check_roots(nodes: Sequence[Node], region: Region) -> None:
    """Check that a polynomial is nonnegative on its variable's range.

    Raises
    ------
    RejectedError
        If it is negative somewhere or no polynomial.
    """
    f, name = polynomial(nodes)
    low: End = Fraction(0)
    high: End = Fraction(0)
    if name is not None:
        k = region.names.index(name)
        low, high = region.lows[k], region.highs[k]
    if not nonnegative(f, low, high):
        raise RejectedError("roots: the polynomial is negative somewhere")


def nonnegative(f: fmpq_poly, low: End, high: End) -> bool:
    """Whether a polynomial is >= 0 on [low, high]: no change of sign inside, and one value."""
    if f.degree() <= 0:
        return bool(f(0) >= 0)
    if low == high:
        return bool(f(_exact(low)) >= 0)
    if _roots_inside(_crossing(f), low, high):
        return False
    # no change of sign: any point inside that is no root shows the sign
    for x in _points(low, high, f.degree() + 1):
        value = f(x)
        if value != 0:
            return bool(value > 0)
    return False


def _exact(x: End) -> fmpq:
    value = Fraction(x)
    return fmpq(value.numerator, value.denominator)


def _crossing(f: fmpq_poly) -> fmpq_poly:
    """Return the product of the factors of odd multiplicity, where f changes sign."""
    out = fmpq_poly([1])
    for factor, power in f.factor_squarefree()[1]:
        if power % 2:
            out = out * factor
    return out


def _points(low: End, high: End, count: int) -> list[fmpq]:
    if low == -math.inf:
        end = Fraction(0) if high == math.inf else Fraction(high)
        return [_exact(end - k) for k in range(1, count + 1)]
    if high == math.inf:
        return [_exact(Fraction(low) + k) for k in range(1, count + 1)]
    a, b = Fraction(low), Fraction(high)
    return [_exact(a + (b - a) * k / (count + 1)) for k in range(1, count + 1)]


def _roots_inside(h: fmpq_poly, low: End, high: End) -> int:
    """Return how many roots a squarefree polynomial has strictly between, by Sturm's theorem."""
    for end in (low, high):
        if not isinstance(end, float) and h(_exact(end)) == 0:
            h = h // fmpq_poly([-_exact(end), 1])
    if h.degree() <= 0:
        return 0
    chain = [h, h.derivative()]
    while chain[-1].degree() > 0:
        rest = -(chain[-2] % chain[-1])
        scale = abs(rest.leading_coefficient()) if rest.degree() >= 0 else 1
        chain.append(rest / scale)  # a positive factor changes no sign
    return _changes(chain, low) - _changes(chain, high)


def _changes(chain: Sequence[fmpq_poly], at: End) -> int:
    signs = []
    for p in chain:
        if isinstance(at, float):
            value = p.leading_coefficient() * (1 if at > 0 or p.degree() % 2 == 0 else -1)
        else:
            value = p(_exact(at))
        if value != 0:
            signs.append(value > 0)
    return sum(a != b for a, b in pairwise(signs))
