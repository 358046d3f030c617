r"""Midpoint-radius arithmetic, real or complex, vectorised: every result contains the truth.

A ball is a set {z : |z - mid| <= rad}; an operation returns a ball that contains its result for
all members of the operands, rounding included. Elementary functions of numpy are taken to be
right to ``ULPS`` units in the last place. A result that may be anything has an infinite radius.
Formulas: docs/theory.md, N7b.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

EPS = float(np.finfo(float).eps)
#: trusted accuracy of numpy's elementary functions, in units in the last place
ULPS = 8
TINY = 1e-300


def _widened(mid: Any, rad: Any) -> Ball:
    """Return a ball whose radius covers the rounding of the radius itself."""
    return Ball(mid, rad * (1 + 16 * EPS) + TINY)


class Ball:
    """An array of balls: midpoints (real or complex) and radii, broadcast against each other."""

    __slots__ = ("mid", "rad")
    __array_priority__ = 100

    def __init__(self, mid: Any, rad: Any = 0.0) -> None:
        self.mid: NDArray[Any] = np.asarray(mid)
        self.rad: NDArray[np.float64] = np.asarray(rad, dtype=float)

    @staticmethod
    def of(value: Any) -> Ball:
        """Return ``value`` itself if it is a ball, else the exact numbers as balls."""
        return value if isinstance(value, Ball) else Ball(value)

    @property
    def size(self) -> NDArray[np.float64]:
        """An upper bound of the absolute values."""
        out = (np.abs(self.mid) + self.rad) * (1 + 4 * EPS)
        return np.where(np.isnan(out), np.inf, out)

    @property
    def upper(self) -> NDArray[np.float64]:
        """An upper bound of the real parts."""
        out = np.real(self.mid) + self.rad
        return np.where(np.isnan(out), np.inf, out + EPS * np.abs(out) + TINY)

    @property
    def lower(self) -> NDArray[np.float64]:
        """A lower bound of the real parts."""
        return -(-self).upper

    def __getitem__(self, index: Any) -> Ball:
        mid, rad = np.broadcast_arrays(self.mid, self.rad)
        return Ball(mid[index], rad[index])

    def __neg__(self) -> Ball:
        return Ball(-self.mid, self.rad)

    def __add__(self, other: Any) -> Ball:
        b = Ball.of(other)
        mid = self.mid + b.mid
        return _widened(mid, self.rad + b.rad + EPS * np.abs(mid))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Ball:
        return self + (-Ball.of(other))

    def __rsub__(self, other: Any) -> Ball:
        return Ball.of(other) + (-self)

    def __mul__(self, other: Any) -> Ball:
        b = Ball.of(other)
        mid = self.mid * b.mid
        size, other_size = np.abs(self.mid), np.abs(b.mid)
        with np.errstate(invalid="ignore"):
            rad = size * b.rad + self.rad * (other_size + b.rad) + 4 * EPS * (size * other_size)
        return _widened(mid, np.where(np.isnan(rad), np.inf, rad))

    __rmul__ = __mul__

    def inverse(self) -> Ball:
        """Return 1/z; unbounded where the ball contains zero."""
        size = np.abs(self.mid)
        gap = size * (1 - 4 * EPS) - self.rad
        with np.errstate(all="ignore"):
            mid = 1 / self.mid
            rad = np.where(gap > 0, self.rad / (gap * size), np.inf) + 4 * EPS / size
        good = np.isfinite(rad)
        return _widened(np.where(good, mid, 0.0), np.where(good, rad, np.inf))

    def __truediv__(self, other: Any) -> Ball:
        return self * Ball.of(other).inverse()

    def __rtruediv__(self, other: Any) -> Ball:
        return Ball.of(other) * self.inverse()

    def __pow__(self, n: int) -> Ball:
        out = self
        for _ in range(n - 1):
            out = out * self
        return out

    def _lipschitz(self, mid: Any, growth: Any) -> Ball:
        """Return f(z) from its midpoint and a bound of |f(z) - f(mid)|."""
        rad = growth + ULPS * EPS * np.abs(mid)
        good = np.isfinite(rad) & np.isfinite(mid)
        return _widened(np.where(good, mid, 0.0), np.where(good, rad, np.inf))

    def exp(self) -> Ball:
        """Return e^z: |e^z - e^m| <= |e^m| (e^r - 1)."""
        with np.errstate(all="ignore"):
            mid = np.exp(self.mid)
            return self._lipschitz(mid, np.abs(mid) * np.expm1(self.rad) * (1 + ULPS * EPS))

    def expm1(self) -> Ball:
        """Return e^z - 1, small balls near zero staying small."""
        with np.errstate(all="ignore"):
            mid = np.expm1(self.mid)
            growth = np.abs(mid + 1) * np.expm1(self.rad) * (1 + ULPS * EPS)
            # a complex e^z - 1 is summed from parts: its error is relative to them
            return self._lipschitz(mid, growth + ULPS * EPS * np.abs(self.mid))

    def sqrt(self) -> Ball:
        """Return the principal root; unbounded where the ball leaves the right half plane."""
        with np.errstate(all="ignore"):
            mid = np.sqrt(self.mid + 0.0)
            # both roots lie within 45 degrees of the real axis: |a + b| >= |a|
            growth = np.where(np.real(self.mid) > self.rad, self.rad / np.abs(mid), np.inf)
            return self._lipschitz(mid, growth * (1 + ULPS * EPS))

    def sin(self) -> Ball:
        """Return sin z: |sin(m + h) - sin m| <= cosh(Im m) sinh r + |sin m| (cosh r - 1)."""
        with np.errstate(all="ignore"):
            mid = np.sin(self.mid)
            steep = np.cosh(np.imag(self.mid)) * np.sinh(self.rad)
            growth = steep + np.abs(mid) * (np.cosh(self.rad) - 1)
            return self._lipschitz(mid, growth * (1 + ULPS * EPS))


def total(balls: list[Ball]) -> Ball:
    """Return the sum of balls."""
    out = balls[0]
    for ball in balls[1:]:
        out = out + ball
    return out


def ellipse_cover(rho: float, n: int, upper_half: bool = False) -> Ball:
    """Return balls that cover the closed Bernstein ellipse of parameter rho around [-1, 1].

    The bounding rectangle, of half-axes (rho + 1/rho)/2 and (rho - 1/rho)/2, is cut into
    rectangles of which about ``n`` lie along the longer side; those off the ellipse are dropped.

    Parameters
    ----------
    upper_half : bool
        Cover only Im z >= 0: enough where f(conj z) = conj f(z).
    """
    a, b = 0.5 * (rho + 1 / rho), 0.5 * (rho - 1 / rho)
    rows = max(1, int(np.ceil(n * b / a)))
    x = np.linspace(-a, a, n + 1)
    y = np.linspace(-b, b, rows + 1)
    re, im = np.meshgrid(0.5 * (x[1:] + x[:-1]), 0.5 * (y[1:] + y[:-1]), indexing="ij")
    dx, dy = a / n, b / rows
    nearest_x = np.maximum(np.abs(re) - dx, 0.0) / a
    nearest_y = np.maximum(np.abs(im) - dy, 0.0) / b
    keep = nearest_x**2 + nearest_y**2 <= 1 + 1e-9
    if upper_half:
        keep &= im + dy >= -1e-12
    centre = re[keep] + 1j * im[keep]
    return Ball(centre, np.full(centre.size, np.hypot(dx, dy) * (1 + 1e-9)))
