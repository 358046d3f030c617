"""Polynomials in one variable over the rationals, and where one is negative.

Sturm's theorem: the number of distinct roots in (a, b] is the difference of the sign changes of
the Sturm sequence at a and b. All arithmetic is exact. Formulas: docs/theory.md, R1.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from sde_compare.regions.expression import Expr
from sde_compare.regions.region import End

MOST_DEGREE = 200


class Polynomial:
    """A polynomial by its coefficients, lowest first, without leading zeros."""

    def __init__(self, coefficients: Sequence[Fraction]) -> None:
        found = list(coefficients)
        while found and not found[-1]:
            found.pop()
        self.c = found

    @property
    def degree(self) -> int:
        """The degree, -1 for the zero polynomial."""
        return len(self.c) - 1

    def __call__(self, x: Fraction) -> Fraction:
        """Return the value at a point."""
        total = Fraction(0)
        for a in reversed(self.c):
            total = total * x + a
        return total

    def __add__(self, other: Polynomial) -> Polynomial:
        n = max(len(self.c), len(other.c))
        a = self.c + [Fraction(0)] * (n - len(self.c))
        b = other.c + [Fraction(0)] * (n - len(other.c))
        return Polynomial([x + y for x, y in zip(a, b, strict=True)])

    def __mul__(self, other: Polynomial) -> Polynomial:
        if not self.c or not other.c:
            return Polynomial([])
        out = [Fraction(0)] * (len(self.c) + len(other.c) - 1)
        for i, a in enumerate(self.c):
            for j, b in enumerate(other.c):
                out[i + j] += a * b
        return Polynomial(out)

    def derivative(self) -> Polynomial:
        """Return the derivative."""
        return Polynomial([k * a for k, a in enumerate(self.c)][1:])

    def divided(self, other: Polynomial) -> tuple[Polynomial, Polynomial]:
        """Return quotient and remainder."""
        rest, n = list(self.c), other.degree
        quotient = [Fraction(0)] * max(0, len(rest) - n)
        for k in range(len(rest) - 1, n - 1, -1):
            factor = rest[k] / other.c[-1]
            quotient[k - n] = factor
            for i, b in enumerate(other.c):
                rest[k - n + i] -= factor * b
        return Polynomial(quotient), Polynomial(rest[:n] if n > 0 else [])

    def square_free(self) -> Polynomial:
        """Return the polynomial with every root once."""
        a, b = self, self.derivative()
        while b.degree >= 0:
            a, b = b, a.divided(b)[1]
        return self.divided(a)[0] if a.degree > 0 else self

    def sturm(self) -> list[Polynomial]:
        """Return the Sturm sequence of a square-free polynomial."""
        chain = [self, self.derivative()]
        while chain[-1].degree > 0:
            rest = chain[-2].divided(chain[-1])[1]
            if rest.degree < 0:
                break
            chain.append(Polynomial([-a for a in rest.c]))
        return chain

    def root_bound(self) -> Fraction:
        """Return a number that no root exceeds in size (Cauchy)."""
        return 1 + max((abs(a / self.c[-1]) for a in self.c[:-1]), default=Fraction(0))

    def negative_point(self, low: End, high: End) -> Fraction | None:
        """Return a point of [low, high] where the polynomial is negative, None if there is none."""
        if self.degree <= 0:
            negative = self.degree == 0 and self.c[0] < 0
            return _finite(low, high) if negative else None
        reach = self.root_bound()
        a = low if isinstance(low, Fraction) else min(-reach, _less(high))
        b = high if isinstance(high, Fraction) else max(reach, _more(low))
        points = [a, b]
        if a < b:  # between neighbouring roots the sign is constant: one point in each gap
            free = self.square_free()
            roots = _isolate(free, free.sturm(), a, b)
            ends = [a, *(x for pair in roots for x in pair), b]
            points += [(x + y) / 2 for x, y in pairwise(ends)] + ends
        return min((x for x in points if self(x) < 0), key=self, default=None)


def _less(x: End) -> Fraction:
    return x - 1 if isinstance(x, Fraction) else Fraction(0)


def _more(x: End) -> Fraction:
    return x + 1 if isinstance(x, Fraction) else Fraction(0)


def _finite(low: End, high: End) -> Fraction:
    if isinstance(low, Fraction):
        return low
    return high if isinstance(high, Fraction) else Fraction(0)


def _changes(chain: Sequence[Polynomial], x: Fraction) -> int:
    signs = [v > 0 for p in chain if (v := p(x)) != 0]
    return sum(a != b for a, b in pairwise(signs))


def _isolate(
    p: Polynomial, chain: Sequence[Polynomial], low: Fraction, high: Fraction
) -> list[tuple[Fraction, Fraction]]:
    """Return intervals with one root each of those in (low, high], whose ends are no roots.

    A root that is hit exactly is given as a small interval around it.
    """
    found: list[tuple[Fraction, Fraction]] = []
    todo = [(low, high, _changes(chain, low), _changes(chain, high))]
    while todo:
        a, b, at_a, at_b = todo.pop()
        if at_a == at_b:
            continue
        if at_a - at_b == 1 and p(a) != 0 and p(b) != 0:
            found.append((a, b))
            continue
        middle = (a + b) / 2
        while p(middle) == 0:  # off the root by an odd share: one that is rational is met once
            middle = a + (middle - a) * Fraction(5, 7)
        if b - a < Fraction(1, 2**400):
            raise ArithmeticError("roots too close to be told apart")
        if at_a - at_b == 1 and p(b) == 0 and p(a) != 0:
            # the only root is the end itself: shrink until nothing else matters
            found.append(((a + b) / 2, b))
            continue
        if at_a - at_b == 1 and p(a) == 0:
            at_middle = _changes(chain, middle)
            todo += [(middle, b, at_middle, at_b), (a, middle, at_a, at_middle)]
            continue
        at_middle = _changes(chain, middle)
        todo += [(middle, b, at_middle, at_b), (a, middle, at_a, at_middle)]
    return sorted(found)


def one_variable(e: Expr) -> tuple[Polynomial, str] | None:
    """Return an expression as a polynomial with its variable's name, None if it is not one."""
    name: list[str] = []

    def walk(item: Expr, depth: int = 0) -> Polynomial | None:
        if depth > 200:
            return None
        if item.rule == "const":
            return Polynomial([Fraction(item.value)])
        if item.rule == "var":
            if name and name[0] != item.value:
                return None
            name[:] = [item.value]
            return Polynomial([Fraction(0), Fraction(1)])
        if item.rule not in ("add", "mul", "pow"):
            return None
        parts = [walk(arg, depth + 1) for arg in item.args]
        out = parts[0]
        rest = parts[1:] if item.rule != "pow" else parts * (item.value - 1)
        for other in rest:
            if out is None or other is None:
                return None
            out = out + other if item.rule == "add" else out * other
            if out.degree > MOST_DEGREE:
                return None
        return out

    found = walk(e)
    return (found, name[0]) if found is not None and name else None
