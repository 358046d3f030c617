r"""Exact identities: two expressions as rational functions of atoms, compared term by term.

Atoms are variables, and exp, log, sqrt and tanh of what they are applied to. Exponentials obey
:math:`e^{a+b} = e^a e^b`: the exponential of a polynomial :math:`\sum_m c_m m` is the product of
:math:`(e^m)^{c_m}` over its monomials m, with rational powers. A share is a quotient of
exponentials, lse the logarithm of their sum, and :math:`\sqrt u^{\,2} = u`. Coefficients are
fractions, so that "equal" is meant literally. Formulas: docs/theory.md, R1.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from sde_compare.regions.expression import Expr, lift

Atom = tuple[Any, ...]
Monomial = tuple[tuple[Atom, Fraction], ...]
Polynomial = dict[Monomial, Fraction]
#: more terms than this are not worth it: the sizes that occur here stay far below
MOST_TERMS = 200_000
ONE: Polynomial = {(): Fraction(1)}


class TooLargeError(ValueError):
    """An expression with too many terms."""


def _frozen(p: Mapping[Monomial, Fraction]) -> tuple[Any, ...]:
    return tuple(sorted(p.items(), key=repr))


def _times_monomial(a: Monomial, b: Monomial) -> Monomial:
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, Fraction(0)) + power
    return tuple(sorted(((k, v) for k, v in powers.items() if v), key=repr))


def _plus(p: Polynomial, q: Polynomial, scale: Fraction = Fraction(1)) -> Polynomial:
    out = dict(p)
    for m, c in q.items():
        value = out.get(m, Fraction(0)) + scale * c
        if value:
            out[m] = value
        else:
            out.pop(m, None)
    return out


def _times(p: Polynomial, q: Polynomial) -> Polynomial:
    if len(p) * len(q) > MOST_TERMS:
        raise TooLargeError(f"an identity with more than {MOST_TERMS} terms")
    out: Polynomial = {}
    for a, x in p.items():
        for b, y in q.items():
            for m, c in _reduced(_times_monomial(a, b), x * y).items():
                value = out.get(m, Fraction(0)) + c
                if value:
                    out[m] = value
                else:
                    out.pop(m, None)
    return out


def _reduced(m: Monomial, c: Fraction) -> Polynomial:
    """Return a monomial with squares of square roots replaced by what is under the root."""
    for atom, power in m:
        if atom[0] == "sqrt" and (power >= 2 or power < 0):
            whole = power // 2
            rest = tuple(pair for pair in m if pair[0] != atom)
            left = power - 2 * whole
            if left:
                rest = _times_monomial(rest, ((atom, left),))
            if whole < 0:
                raise TooLargeError("an identity with a root in a denominator")
            out = {rest: c}
            for _ in range(int(whole)):
                out = _times(out, dict(atom[1]))
            return out
    return {m: c}


class Ratio:
    """A quotient of polynomials; the denominator as powers of polynomials."""

    def __init__(self, top: Polynomial, bottom: dict[tuple[Any, ...], int] | None = None) -> None:
        self.top, self.bottom = top, bottom or {}

    def over(self, bottom: dict[tuple[Any, ...], int]) -> Polynomial:
        """Return the numerator over a multiple of the denominator."""
        top = self.top
        for factor, power in bottom.items():
            for _ in range(power - self.bottom.get(factor, 0)):
                top = _times(top, dict(factor))
        return top

    def plus(self, other: Ratio, scale: Fraction = Fraction(1)) -> Ratio:
        """Return self + scale * other."""
        names = self.bottom.keys() | other.bottom.keys()
        both = {f: max(self.bottom.get(f, 0), other.bottom.get(f, 0)) for f in names}
        return Ratio(_plus(self.over(both), other.over(both), scale), both)

    def times(self, other: Ratio) -> Ratio:
        """Return the product."""
        both = dict(self.bottom)
        for factor, power in other.bottom.items():
            both[factor] = both.get(factor, 0) + power
        return Ratio(_times(self.top, other.top), both)

    def inverse(self) -> Ratio:
        """Return 1 / self."""
        if not self.top:
            raise ZeroDivisionError("division by an expression that is identically zero")
        top = ONE
        for factor, power in self.bottom.items():
            for _ in range(power):
                top = _times(top, dict(factor))
        if len(self.top) == 1:  # a single term goes upstairs, exponentials with negative powers
            ((m, c),) = self.top.items()
            if all(atom[0] == "exp" for atom, _ in m):
                flipped = tuple((atom, -power) for atom, power in m)
                return Ratio(_times(top, {flipped: 1 / c}))
        return Ratio(top, {_frozen(self.top): 1})

    def frozen(self) -> tuple[Any, ...]:
        """Return data equal for quotients of equal form."""
        return (_frozen(self.top), tuple(sorted(self.bottom.items(), key=repr)))


def ratio(expression: Expr) -> Ratio:
    """Return an expression as a quotient of polynomials in its atoms.

    Raises
    ------
    TooLargeError, ZeroDivisionError
    """
    known: dict[int, Ratio] = {}
    root = lift(expression)
    todo = [root]
    while todo:
        item = todo[-1]
        if id(item) in known:
            todo.pop()
            continue
        missing = [arg for arg in item.args if id(arg) not in known]
        if missing:
            todo.extend(missing)
            continue
        known[id(item)] = _rule(item, [known[id(arg)] for arg in item.args])
        todo.pop()
    return known[id(root)]


def _atom(*parts: Any) -> Ratio:
    return Ratio({((tuple(parts), Fraction(1)),): Fraction(1)})


def _exponential(u: Ratio) -> Ratio:
    if u.bottom:
        return _atom("exp", u.frozen())
    powers = tuple(sorted(((("exp", m), c) for m, c in u.top.items()), key=repr))
    return Ratio({powers: Fraction(1)})


def _rule(e: Expr, inner: list[Ratio]) -> Ratio:
    if e.rule == "const":
        value = Fraction(e.value)
        return Ratio({(): value} if value else {})
    if e.rule == "var":
        return _atom("var", e.value)
    if e.rule == "add":
        out = inner[0]
        for other in inner[1:]:
            out = out.plus(other)
        return out
    if e.rule == "mul":
        out = inner[0]
        for other in inner[1:]:
            out = out.times(other)
        return out
    if e.rule == "div":
        return inner[0].times(inner[1].inverse())
    if e.rule == "pow":
        out = inner[0]
        for _ in range(e.value - 1):
            out = out.times(inner[0])
        return out
    if e.rule == "exp":
        return _exponential(inner[0])
    if e.rule == "sqrt" and not inner[0].bottom:
        return _atom("sqrt", _frozen(inner[0].top))
    if e.rule in ("lse", "share"):
        terms = [_exponential(u) for u in inner]
        total = terms[0]
        for other in terms[1:]:
            total = total.plus(other)
        if e.rule == "lse":
            return _atom("log", total.frozen())
        return terms[e.value].times(total.inverse())
    return _atom(e.rule, inner[0].frozen())


def identical(left: Expr, right: Expr) -> bool:
    """Whether two expressions are equal as rational functions of their atoms.

    False says only that this does not show it.
    """
    try:
        return not ratio(left).plus(ratio(right), Fraction(-1)).top
    except (TooLargeError, ZeroDivisionError):
        return False
