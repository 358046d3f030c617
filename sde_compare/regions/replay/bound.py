"""Whether a function is defined and not below a bound in one box: four attempts, then cuts.

Balls, ranges, fixing what is monotone, the mean value form (docs/theory.md, R2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from flint import arb

from sde_compare.regions.replay import balls, ends
from sde_compare.regions.replay.balls import NIL, UndefinedError
from sde_compare.regions.replay.ends import DOWN, UP, Interval
from sde_compare.regions.replay.form import Node, Region, above, below
from sde_compare.regions.replay.signs import ranges
from sde_compare.regions.replay.slopes import Evaluator, Slope

#: a box whose own bound is too low is cut into at most this many pieces before it is rejected
MOST_PIECES = 2000
#: the ball path is left out of use while it settles less than one box in this many
BALLS_WORTH = 8
#: where a function falls in a variable without end, its least values lie beyond this
FAR = arb(2) ** 200
FIRST = arb(1)


class Checker:
    """One function and one bound, to be shown in box after box.

    Attributes
    ----------
    cuts : int
        How often a box was cut in two, since its own bound did not suffice.
    why : str
        What was missing in the last box that is not shown.
    """

    def __init__(self, nodes: Sequence[Node], region: Region, limit: arb) -> None:
        self.limit, self.cuts, self.why = limit, 0, ""
        outer = Region(
            region.names,
            tuple(_end(below(end)) for end in region.lows),
            tuple(_end(above(end)) for end in region.highs),
        )
        self.evaluator = Evaluator(nodes, region.names, ranges(nodes, outer))
        self.ball_value = balls.prepared(nodes, region.names)
        self.seen, self.tried, self.settled = 0, 0, 0

    def shows(self, row: Sequence[float]) -> bool:
        """Whether the function is shown to be defined and not below the bound in a box."""
        box = [(arb(low), arb(high)) for low, high in zip(row[::2], row[1::2], strict=True)]
        self.seen += 1
        worth = self.tried < 50 or self.settled * BALLS_WORTH >= self.tried
        if worth or self.seen % 100 == 0:  # now and then they get another chance
            self.tried += 1
            if self._ball_shows(box):
                self.settled += 1
                return True
        return self._pieces_show(box)

    def _ball_shows(self, box: Sequence[Interval]) -> bool:
        if not all(low.is_finite() and high.is_finite() for low, high in box):
            return False
        try:
            return bool(self.ball_value([a.union(b) for a, b in box]) >= self.limit)
        except UndefinedError:
            return False

    def _pieces_show(self, box: list[Interval]) -> bool:
        todo = [box]
        pieces, first = 1, ""
        while todo:
            piece = todo.pop()
            slope = self._shown(piece)
            if slope is None:
                continue
            first = first or self.why  # of the whole box
            halves = _halves(piece, slope, box) if pieces < MOST_PIECES else None
            if halves is None:
                self.why = first
                return False
            self.cuts += 1
            pieces += 1
            todo.extend(halves)
        return True

    def _shown(self, box: list[Interval]) -> Slope | None:
        """Return None if the bound is shown, else the slopes by which to cut, as far as known."""
        first: Slope | None = None
        settled: set[int] = set()
        try:
            while True:
                v = self.evaluator.values(box)
                if v[-1][0] >= self.limit:
                    return None
                slope = self.evaluator.slopes(v, box)
                first = slope if first is None else first
                face = list(box)
                for k, (low, high) in enumerate(box):
                    if k in settled or low == high:
                        continue
                    side = _side(slope.get(k))
                    if side:
                        face[k] = _least_end(low, high, side)
                        settled.add(k)
                if all(a is b for a, b in zip(face, box, strict=True)):
                    break
                box = face
            self.why = f"the lower bound {float(v[-1][0]):.6g} is below {float(self.limit):.6g}"
            return None if self._mean_value(box, slope) else first
        except UndefinedError as problem:
            self.why = str(problem)
            return first if first is not None else {}

    def _mean_value(self, box: list[Interval], slope: Slope) -> bool:
        """Whether the mean value form at Baumann's centre shows the bound."""
        at = list(box)
        fall = NIL
        for k, (a, b) in slope.items():
            low, high = box[k]
            if low == high or not (a < NIL and b > NIL):
                continue  # fixed, or a far end where the value's own range is taken
            if not (low.is_finite() and high.is_finite() and a.is_finite() and b.is_finite()):
                return False
            c = ((b * low - a * high) / (b - a)).mid()
            if not (low <= c and c <= high):
                c = low
            at[k] = (c, c)
            right, left = (a * (high - c)).lower(), (b * (low - c)).lower()
            fall = (fall + (left if right >= left else right)).lower()
        return bool((self._low_value(at) + fall).lower() >= self.limit)

    def _low_value(self, at: Sequence[Interval]) -> arb:
        """Return a lower bound of the function at a point, which is a ball's unless it fails."""
        if all(low.is_finite() and low == high for low, high in at):
            try:
                return self.ball_value([low for low, _ in at]).lower()
            except UndefinedError:  # an end at 0 may do all the same, by the rules of signs
                pass
        return self.evaluator.values(at)[-1][0]


def _end(value: float) -> Fraction | float:
    return Fraction(value) if math.isfinite(value) else value


def _side(slope: Interval | None) -> int:
    """Return -1 where the least value is at the low end, 1 at the high end, 0 if unknown."""
    if slope is None or slope[0] >= NIL:
        return -1
    return 1 if slope[1] <= NIL else 0


def _least_end(low: arb, high: arb, side: int) -> Interval:
    """Return an end, or all that is far out where it is infinite."""
    if side < 0:
        if low.is_finite():
            return low, low
        return DOWN, -FAR if high >= -FAR else high
    if high.is_finite():
        return high, high
    return FAR if low <= FAR else low, UP


def _halves(
    box: list[Interval], slope: Slope, whole_box: Sequence[Interval]
) -> list[list[Interval]] | None:
    """Cut a box across the variable that the function varies most with; None if it is too thin."""
    best, axis = -1.0, -1
    for k, (low, high) in enumerate(box):
        if low == high:
            continue
        width = float(high - low)
        a, b = slope.get(k, (NIL, NIL)) if slope else ends.UNKNOWN
        steep = max(abs(float(a)), abs(float(b)))
        score = width * steep
        if not math.isfinite(score):  # then by size alone, infinite ranges before all
            full = float(whole_box[k][1] - whole_box[k][0])
            score = 1e300 * (width / full if math.isfinite(full) else 2.0 + math.isinf(width))
        if score > best:
            best, axis = score, k
    if axis < 0:
        return None
    low, high = box[axis]
    place = _middle(low, high)
    if not (low < place and place < high):
        return None
    left, right = list(box), list(box)
    left[axis], right[axis] = (low, place), (place, high)
    return [left, right]


def _middle(low: arb, high: arb) -> arb:
    if low.is_finite() and high.is_finite():
        return ((low + high) / 2).mid()
    if high.is_finite():
        return -_middle(-high, UP)
    if low.is_finite():
        return FIRST if low < FIRST else (low * 4).mid()
    return arb(0)
