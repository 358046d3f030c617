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

from sde_compare.regions.expression import Expr, Function, lift

#: an atom is a number in the table of an :class:`Algebra`
Monomial = tuple[tuple[int, Fraction], ...]
Polynomial = dict[Monomial, Fraction]
Frozen = tuple[tuple[Monomial, Fraction], ...]
Quotient = tuple[Frozen, tuple[tuple[Frozen, int], ...]]
#: more terms than this are not worth it: the sizes that occur here stay far below
MOST_TERMS = 200_000
ONE: Polynomial = {(): Fraction(1)}


class TooLargeError(ValueError):
    """An expression with too many terms."""


def frozen(p: Mapping[Monomial, Fraction]) -> Frozen:
    """Return data equal for equal polynomials."""
    return tuple(sorted(p.items()))


def plus(p: Polynomial, q: Polynomial, scale: Fraction = Fraction(1)) -> Polynomial:
    """Return p + scale * q."""
    out = dict(p)
    for m, c in q.items():
        _add(out, m, scale * c)
    return out


def _add(p: Polynomial, m: Monomial, c: Fraction) -> None:
    value = p.get(m, Fraction(0)) + c
    if value:
        p[m] = value
    else:
        p.pop(m, None)


def _times_monomial(a: Monomial, b: Monomial) -> Monomial:
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, Fraction(0)) + power
    return tuple(sorted((k, v) for k, v in powers.items() if v))


class Ratio:
    """A quotient of polynomials; the denominator as powers of polynomials."""

    def __init__(self, top: Polynomial, bottom: dict[Frozen, int] | None = None) -> None:
        self.top, self.bottom = top, bottom or {}

    def frozen(self) -> Quotient:
        """Return data equal for quotients of equal form."""
        return (frozen(self.top), tuple(sorted(self.bottom.items())))


class Algebra:
    """Arithmetic of quotients over one table of atoms.

    Atoms are numbered as they occur, by kind and content: what is nested deep is written once.
    """

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, Any], int] = {}
        self.kinds: list[str] = []
        self.contents: list[Any] = []

    def number(self, kind: str, content: Any) -> int:
        """Return the number of an atom."""
        if (kind, content) not in self.numbers:
            self.numbers[kind, content] = len(self.kinds)
            self.kinds.append(kind)
            self.contents.append(content)
        return self.numbers[kind, content]

    def atom(self, kind: str, content: Any) -> Ratio:
        """Return an atom as a quotient."""
        return Ratio({((self.number(kind, content), Fraction(1)),): Fraction(1)})

    def times_polynomial(self, p: Polynomial, q: Polynomial) -> Polynomial:
        """Return the product."""
        if len(p) * len(q) > MOST_TERMS:
            raise TooLargeError(f"an identity with more than {MOST_TERMS} terms")
        out: Polynomial = {}
        for a, x in p.items():
            for b, y in q.items():
                for m, c in self.reduced(_times_monomial(a, b), x * y).items():
                    _add(out, m, c)
        return out

    def reduced(self, m: Monomial, c: Fraction) -> Polynomial:
        """Return a monomial with squares of square roots replaced by what is under the root."""
        for atom, power in m:
            if self.kinds[atom] == "sqrt" and (power >= 2 or power < 0):
                whole = power // 2
                if whole < 0:
                    raise TooLargeError("an identity with a root in a denominator")
                rest = tuple(pair for pair in m if pair[0] != atom)
                if power - 2 * whole:
                    rest = _times_monomial(rest, ((atom, power - 2 * whole),))
                out = {rest: c}
                for _ in range(int(whole)):
                    out = self.times_polynomial(out, dict(self.contents[atom]))
                return out
        return {m: c}

    def over(self, r: Ratio, bottom: dict[Frozen, int]) -> Polynomial:
        """Return the numerator of a quotient over a multiple of its denominator."""
        top = r.top
        for factor, power in bottom.items():
            for _ in range(power - r.bottom.get(factor, 0)):
                top = self.times_polynomial(top, dict(factor))
        return top

    def plus(self, r: Ratio, other: Ratio, scale: Fraction = Fraction(1)) -> Ratio:
        """Return r + scale * other."""
        names = r.bottom.keys() | other.bottom.keys()
        both = {f: max(r.bottom.get(f, 0), other.bottom.get(f, 0)) for f in sorted(names)}
        return Ratio(plus(self.over(r, both), self.over(other, both), scale), both)

    def times(self, r: Ratio, other: Ratio) -> Ratio:
        """Return the product."""
        both = dict(r.bottom)
        for factor, power in other.bottom.items():
            both[factor] = both.get(factor, 0) + power
        return Ratio(self.times_polynomial(r.top, other.top), both)

    def inverse(self, r: Ratio) -> Ratio:
        """Return 1 / r."""
        if not r.top:
            raise ZeroDivisionError("division by an expression that is identically zero")
        top = ONE
        for factor, power in r.bottom.items():
            for _ in range(power):
                top = self.times_polynomial(top, dict(factor))
        if len(r.top) == 1:  # a single term goes upstairs, exponentials with negative powers
            ((m, c),) = r.top.items()
            if all(self.kinds[atom] == "exp" for atom, _ in m):
                flipped = tuple((atom, -power) for atom, power in m)
                return Ratio(self.times_polynomial(top, {flipped: 1 / c}))
        return Ratio(top, {frozen(r.top): 1})

    def exponential(self, u: Ratio) -> Ratio:
        """Return exp(u)."""
        if u.bottom:
            return self.atom("exp", u.frozen())
        powers = sorted((self.number("exp", m), c) for m, c in u.top.items())
        return Ratio({tuple(powers): Fraction(1)})

    def rule(self, rule: str, inner: list[Ratio], value: Any) -> Ratio:
        """Return a node of a function from its arguments."""
        if rule == "const":
            return Ratio({(): Fraction(value)} if value else {})
        if rule == "var":
            return self.atom("var", value)
        if rule in ("add", "mul"):
            out = inner[0]
            for other in inner[1:]:
                out = self.plus(out, other) if rule == "add" else self.times(out, other)
            return out
        if rule == "div":
            return self.times(inner[0], self.inverse(inner[1]))
        if rule == "pow":
            if value > MOST_TERMS:
                raise TooLargeError(f"a power above {MOST_TERMS}")
            out = inner[0]
            for _ in range(value - 1):
                out = self.times(out, inner[0])
            return out
        if rule == "exp":
            return self.exponential(inner[0])
        if rule == "sqrt" and not inner[0].bottom:
            return self.atom("sqrt", frozen(inner[0].top))
        if rule in ("lse", "share"):
            terms = [self.exponential(u) for u in inner]
            total = terms[0]
            for other in terms[1:]:
                total = self.plus(total, other)
            if rule == "lse":
                return self.atom("log", total.frozen())
            return self.times(terms[value], self.inverse(total))
        return self.atom(rule, inner[0].frozen())

    def ratio(self, expression: Expr) -> Ratio:
        """Return an expression as a quotient of polynomials in its atoms.

        Raises
        ------
        TooLargeError, ZeroDivisionError
        """
        found: list[Ratio] = []
        for rule, args, value in Function(lift(expression)).nodes:
            found.append(self.rule(rule, [found[i] for i in args], value))
        return found[-1]


def identical(left: Expr, right: Expr) -> bool:
    """Whether two expressions are equal as quotients of polynomials in their atoms.

    False says only that this does not show it.
    """
    algebra = Algebra()
    try:
        return not algebra.plus(algebra.ratio(left), algebra.ratio(right), Fraction(-1)).top
    except (TooLargeError, ZeroDivisionError):
        return False
