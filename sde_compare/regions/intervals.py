"""Interval arithmetic over arrays: crival where its wheels exist, else NumPy widened outwards.

The search asks two things of this module: an interval that holds every value, and speed. What it
finds is replayed in Arb (:mod:`sde_compare.regions.replay`), so no proof rests on it alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import ival
except (ImportError, OSError):  # no wheel for this platform
    ival = None

Array = NDArray[np.float64]
ENGINE = "numpy" if ival is None else "crival"
#: how far NumPy's elementary functions are trusted, in units in the last place
ULPS = 8


class Outward:
    """Intervals [lo, hi] as two arrays; results are widened by one unit in the last place."""

    __slots__ = ("hi", "lo")
    __array_priority__ = 1000

    def __init__(self, lo: Any, hi: Any = None) -> None:
        self.lo, self.hi = np.broadcast_arrays(
            np.asarray(lo, dtype=float), np.asarray(lo if hi is None else hi, dtype=float)
        )

    @staticmethod
    def of(x: Any) -> Outward:
        """Return ``x`` if it is an interval, else the numbers as intervals."""
        return x if isinstance(x, Outward) else Outward(x)

    def __getitem__(self, index: Any) -> Outward:
        return Outward(self.lo[index], self.hi[index])

    def __neg__(self) -> Outward:
        return Outward(-self.hi, -self.lo)

    def __add__(self, other: Any) -> Outward:
        o = Outward.of(other)
        return _widened(self.lo + o.lo, self.hi + o.hi)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Outward:
        return self + -Outward.of(other)

    def __rsub__(self, other: Any) -> Outward:
        return Outward.of(other) + -self

    def __mul__(self, other: Any) -> Outward:
        o = Outward.of(other)
        ends = [_times(a, b) for a in (self.lo, self.hi) for b in (o.lo, o.hi)]
        return _widened(np.minimum.reduce(ends), np.maximum.reduce(ends))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Outward:
        o = Outward.of(other)
        spans = (o.lo <= 0) & (o.hi >= 0)
        low, high = np.where(spans, 1.0, o.lo), np.where(spans, 1.0, o.hi)
        inverse = _widened(1 / high, 1 / low)
        whole = self * Outward(
            np.where(spans, -np.inf, inverse.lo), np.where(spans, np.inf, inverse.hi)
        )
        return whole

    def __rtruediv__(self, other: Any) -> Outward:
        return Outward.of(other) / self

    def __and__(self, other: Any) -> Outward:
        o = Outward.of(other)
        return Outward(np.maximum(self.lo, o.lo), np.minimum(self.hi, o.hi))


def _times(a: Array, b: Array) -> Array:
    """Return the product of two ends; an infinite end times zero is zero: ends are limits."""
    return np.where((a == 0) | (b == 0), 0.0, a * b)


def _widened(lo: Array, hi: Array, ulps: int = 1) -> Outward:
    """Return ends moved outwards; an undefined one becomes infinite."""
    lo, hi = np.where(np.isnan(lo), -np.inf, lo), np.where(np.isnan(hi), np.inf, hi)
    for _ in range(ulps):
        lo, hi = np.nextafter(lo, -np.inf), np.nextafter(hi, np.inf)
    return Outward(lo, hi)


def _rising(f: Any, x: Outward, least: float = -np.inf, most: float = np.inf) -> Outward:
    with np.errstate(all="ignore"):
        out = _widened(f(x.lo), f(x.hi), ULPS)
    return Outward(np.clip(out.lo, least, most), np.clip(out.hi, least, most))


class _Widened:
    """The functions of crival that are used, on :class:`Outward`."""

    Interval = Outward

    @staticmethod
    def exp(x: Outward) -> Outward:
        return _rising(np.exp, x, 0.0)

    @staticmethod
    def log(x: Outward) -> Outward:
        return _rising(lambda u: np.log(np.maximum(u, 0.0)), x)

    @staticmethod
    def sqrt(x: Outward) -> Outward:
        return _rising(lambda u: np.sqrt(np.maximum(u, 0.0)), x, 0.0)

    @staticmethod
    def tanh(x: Outward) -> Outward:
        return _rising(np.tanh, x, -1.0, 1.0)

    @staticmethod
    def pown(x: Outward, power: int) -> Outward:
        with np.errstate(all="ignore"):
            low, high = x.lo**power, x.hi**power
        if power % 2:
            return _widened(low, high, ULPS)
        inside = (x.lo <= 0) & (x.hi >= 0)
        out = _widened(np.where(inside, 0.0, np.minimum(low, high)), np.maximum(low, high), ULPS)
        return Outward(np.maximum(out.lo, 0.0), out.hi)


library: Any = _Widened if ival is None else ival
Interval: Any = library.Interval
