"""Polynomials on panels: nodes, exact evaluation matrices, and what interpolation leaves out.

Interpolation nodes and evaluation points are floating-point numbers, taken as exact; the matrices
that carry values at nodes to values and derivatives at points are computed in 80 digits and
rounded once. Formulas: docs/theory.md, N7c.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fokker_planck.residual.balls import EPS

Array = NDArray[np.float64]
DIGITS = 80


@lru_cache(maxsize=64)
def lobatto(degree: int) -> Array:
    """Return the Chebyshev-Lobatto nodes of [-1, 1], increasing, symmetric, ends exact."""
    j = np.arange(degree + 1)
    nodes = np.sin(0.5 * np.pi * (2 * j - degree) / degree)
    nodes.flags.writeable = False
    return nodes


@lru_cache(maxsize=64)
def gauss(n: int) -> tuple[Array, Array]:
    """Return the Gauss-Legendre nodes and weights of [-1, 1], correctly rounded."""
    guess = np.polynomial.legendre.leggauss(n)[0]
    nodes, weights = np.zeros(n), np.zeros(n)
    with localcontext() as context:
        context.prec = DIGITS
        for i in range(n):
            x = Decimal(float(guess[i]))
            for _ in range(3):
                before, value = Decimal(1), x
                for k in range(2, n + 1):
                    before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
                slope = n * (before - x * value) / (1 - x * x) if n > 1 else Decimal(1)
                x -= value / slope
            nodes[i], weights[i] = float(x), float(2 / ((1 - x * x) * slope * slope))
    for array in (nodes, weights):
        array.flags.writeable = False
    return nodes, weights


def lagrange(nodes: Array, points: Array) -> tuple[Array, Array, Array]:
    """Return the matrices of value, first and second derivative, shape (points, nodes).

    Entries are right to one unit in the last place for the nodes and points as given.
    """
    return _lagrange(tuple(map(float, nodes)), tuple(map(float, points)))


@lru_cache(maxsize=256)
def _lagrange(nodes: tuple[float, ...], points: tuple[float, ...]) -> tuple[Array, Array, Array]:
    with localcontext() as context:
        context.prec = DIGITS
        x = [Decimal(node) for node in nodes]
        scale = []
        for j, a in enumerate(x):
            product = Decimal(1)
            for k, b in enumerate(x):
                if k != j:
                    product *= a - b
            scale.append(1 / product)
        out = np.zeros((3, len(points), len(nodes)))
        for i, point in enumerate(points):
            t = Decimal(point)
            # at a node itself the formulas divide by zero: move by far less than one rounding
            if point in nodes:
                t += Decimal(10) ** -24
            gaps = [1 / (t - a) for a in x]
            whole = Decimal(1)
            for a in x:
                whole *= t - a
            first = sum(gaps, Decimal(0))
            second = sum((g * g for g in gaps), Decimal(0))
            for j, g in enumerate(gaps):
                value = whole * scale[j] * g
                rest = first - g
                out[0, i, j] = value
                out[1, i, j] = value * rest
                out[2, i, j] = value * (rest * rest - (second - g * g))
    out.flags.writeable = False
    return out[0], out[1], out[2]


def left_out(rho: float, degree: int) -> float:
    """Return sup|f - S f| / sup|f| on the ellipse, S the Chebyshev series cut at ``degree``."""
    return 2.0 * rho**-degree / (rho - 1) * (1 + 64 * EPS)


def left_out_twice(rhos: tuple[float, float], degrees: tuple[int, int]) -> float:
    """Return the same for a double series on a product of two ellipses."""
    (r1, r2), (n1, n2) = rhos, degrees
    first = r1**-n1 / (r1 - 1) * r2 / (r2 - 1)
    second = r2**-n2 / (r2 - 1) * r1 / (r1 - 1)
    return 4.0 * (first + second) * (1 + 64 * EPS)


def rounding_count(n: int) -> float:
    """Return a factor c with |fl(sum of n products) - sum| <= c * sum of absolute products."""
    return (n + 8) * EPS
