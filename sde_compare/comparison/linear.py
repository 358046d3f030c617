"""Exact linear algebra over the rationals, for orders given by vectors."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from sde_compare.regions import Expr, total

Matrix = list[list[Fraction]]


def identity(n: int) -> Matrix:
    """Return the identity."""
    return [[Fraction(int(i == j)) for j in range(n)] for i in range(n)]


def transpose(a: Matrix) -> Matrix:
    """Return the transpose."""
    return [list(column) for column in zip(*a, strict=True)]


def times(a: Matrix, b: Matrix) -> Matrix:
    """Return the product."""
    columns = transpose(b)
    return [
        [sum((x * y for x, y in zip(r, c, strict=True)), Fraction(0)) for c in columns] for r in a
    ]


def reduced(a: Matrix) -> tuple[Matrix, list[int]]:
    """Return the reduced row echelon form and its pivot columns."""
    m: Matrix = [list(row) for row in a]
    pivots: list[int] = []
    for column in range(len(m[0]) if m else 0):
        row = len(pivots)
        found = next((i for i in range(row, len(m)) if m[i][column]), None)
        if found is None:
            continue
        m[row], m[found] = m[found], m[row]
        lead = m[row][column]
        m[row] = [x / lead for x in m[row]]
        for i in range(len(m)):
            if i != row and m[i][column]:
                factor = m[i][column]
                m[i] = [x - factor * p for x, p in zip(m[i], m[row], strict=True)]
        pivots.append(column)
    return m, pivots


def rank(a: Matrix) -> int:
    """Return the rank."""
    return len(reduced(a)[1])


def null_space(a: Matrix) -> Matrix:
    """Return a basis of the vectors that the rows annihilate, one per row of the result."""
    m, pivots = reduced(a)
    width = len(a[0])
    out = []
    for free in (j for j in range(width) if j not in pivots):
        vector = [Fraction(int(j == free)) for j in range(width)]
        for row, pivot in zip(m, pivots, strict=False):
            vector[pivot] = -row[free]
        out.append(vector)
    return out


def solve(a: Matrix, b: list[Fraction]) -> list[Fraction] | None:
    """Return one solution of a x = b, None if there is none."""
    joined = [[*row, value] for row, value in zip(a, b, strict=True)]
    m, pivots = reduced(joined)
    width = len(a[0])
    if width in pivots:
        return None
    out = [Fraction(0)] * width
    for row, pivot in zip(m, pivots, strict=False):
        out[pivot] = row[width]
    return out


def right_inverse(w: Matrix) -> Matrix:
    r"""Return :math:`W^+ = W^T (W W^T)^{-1}` of a matrix of full row rank, shape (d, m)."""
    wt = transpose(w)
    gram = times(w, wt)
    m = len(w)
    columns = [solve(gram, unit) for unit in identity(m)]
    assert all(c is not None for c in columns)
    return times(wt, transpose([c for c in columns if c is not None]))


def parallel(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction | None:
    """Return c > 0 with a = c b, None if there is none."""
    i = next((i for i, x in enumerate(b) if x), None)
    if i is None or a[i] / b[i] <= 0:
        return None
    c = a[i] / b[i]
    return c if all(x == c * y for x, y in zip(a, b, strict=True)) else None


def combination(weights: Sequence[Fraction], items: Sequence[Any]) -> Expr:
    """Return the sum of weight times expression; terms of weight 0 are left out."""
    terms = [w * e if w != 1 else e for w, e in zip(weights, items, strict=True) if w]
    return total(
        [x for x in terms if not (isinstance(x, Expr) and x.rule == "const" and x.value == 0)]
        or [0]
    )
