"""Regions: an interval for every variable, with exact ends that may be infinite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from fokker_planck.model.checks import shown
from sde_compare.regions.expression import exact

End = Fraction | float  # a float only where it is infinite


def _end(name: str, value: Any) -> End:
    if isinstance(value, (float, np.floating)) and math.isinf(value):
        return float(value)
    if isinstance(value, str) and value in ("inf", "-inf"):
        return float(value)
    return exact(name, value)


def below(value: End) -> float:
    """Return the largest double that is not above a number."""
    if isinstance(value, float):
        return value
    try:
        near = float(value)
    except OverflowError:
        near = math.inf if value > 0 else -math.inf
    if math.isinf(near):
        return near if near < 0 else float(np.finfo(float).max)
    return near if Fraction(near) <= value else math.nextafter(near, -math.inf)


def above(value: End) -> float:
    """Return the smallest double that is not below a number."""
    return -below(-value)


class Region:
    """A box of real numbers: for every variable the interval in which it lies.

    Parameters
    ----------
    ranges : mapping of str to (low, high)
        Numbers as :func:`~sde_compare.regions.expression.exact` takes them, or infinities
        (``float("inf")`` or ``"inf"``), which mean every real number on that side.

    Raises
    ------
    ValueError
        If a range is empty or an end is nan, naming the variable.
    """

    def __init__(self, ranges: Mapping[str, Sequence[Any]]) -> None:
        if not isinstance(ranges, Mapping) or not ranges:
            raise ValueError(f"region must map names to (low, high), got {shown(ranges)}")
        self.ranges: dict[str, tuple[End, End]] = {}
        for name, ends in ranges.items():
            if not isinstance(name, str) or not name:
                raise ValueError(f"region must be named by words, got {shown(name)}")
            if isinstance(ends, str) or not isinstance(ends, Sequence) or len(ends) != 2:
                raise ValueError(f"region[{name!r}] must be (low, high), got {shown(ends)}")
            low, high = (_end(f"region[{name!r}]", end) for end in ends)
            if low > high or low == math.inf or high == -math.inf:
                raise ValueError(f"region[{name!r}] must have low <= high, got {shown(ends)}")
            self.ranges[name] = (low, high)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(self.ranges)

    def outer(self) -> tuple[list[float], list[float]]:
        """Return the ends of the smallest box of doubles that holds the region."""
        lows = [below(low) for low, _ in self.ranges.values()]
        highs = [above(high) for _, high in self.ranges.values()]
        return lows, highs

    def contains(self, point: Mapping[str, Fraction]) -> bool:
        """Whether a point with exact coordinates lies in the region."""
        return all(low <= point[name] <= high for name, (low, high) in self.ranges.items())

    def spec(self) -> list[list[str]]:
        """Return ``[name, low, high]`` for every variable, numbers as text, exactly."""
        return [[name, str(low), str(high)] for name, (low, high) in self.ranges.items()]

    def __repr__(self) -> str:
        parts = [f"{n} in [{_text(a)}, {_text(b)}]" for n, (a, b) in self.ranges.items()]
        return ", ".join(parts)


def _text(end: End) -> str:
    return f"{below(end):g}"
