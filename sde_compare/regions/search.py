r"""Branch and bound: is f >= 0 on a whole box? Proved by boxes, refuted by a point, or undecided.

Every box gets a lower bound: the larger of the natural interval extension's and of the mean value
form's,

.. math:: f(x) \ge \underline{f}(c) + \sum_i \min_{x_i, g \in \partial_i f(X)} g\,(x_i - c_i),

with c chosen by Baumann's rule, which makes the form's bound as high as it can be; where f is
monotone in a variable, c is the end at which it is least. Boxes that stay open are cut in two
along the variable that f varies most with, ``|d_i f| width_i`` (smear). Infinite ranges are cut at
0 and by doubling; on what is left of them only ranges and monotonicity can decide.
Formulas: docs/theory.md, R1.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sde_compare.regions.region import Region
from sde_compare.regions.tape import Enclosure, Tape

Array = NDArray[np.float64]
#: boxes per call: small enough for a second-level cache, large enough for NumPy's overhead
BATCH = 4096
MAX_BOXES = 400_000
#: an infinite range is not cut beyond this: ranges and monotonicity decide there, or nothing does
FARTHEST = 1e6
#: points tried at random before giving up
POINTS = 20_000
#: a box thinner than this many units in the last place of its ends is not cut further
THINNEST = 64


@dataclass(frozen=True, eq=False)
class Witness:
    """A point with f < 0: its exact coordinates, an upper bound of f, and its box, (d, 2)."""

    point: dict[str, Fraction]
    value: float
    box: Array


@dataclass(frozen=True)
class Search:
    """What branch and bound found.

    Attributes
    ----------
    status : {"proved", "refuted", "undecided"}
    low, high : ndarray, shape (d, n)
        The boxes that were proved; with status "proved" they tile the root.
    bound : float
        Least lower bound over them.
    witness, value, box
        A point of the region with f < 0, an upper bound of f there, and the box, (d, 2), in which
        it was found; None and nan otherwise.
    examined : int
        Boxes that were evaluated.
    depth : int
        Largest number of cuts.
    reason : str
        Why it stayed undecided.
    """

    status: Literal["proved", "refuted", "undecided"]
    low: Array
    high: Array
    bound: float
    examined: int
    depth: int
    witness: dict[str, Fraction] | None = None
    value: float = np.nan
    box: Array | None = None
    reason: str = ""


def centre(low: Array, high: Array, found: Enclosure) -> Array:
    """Return Baumann's centre of every box, finite also where a box is not."""
    a, b = found.slope_low, found.slope_high
    assert a is not None and b is not None
    with np.errstate(all="ignore"):
        mixed = (b * low - a * high) / (b - a)
        middle = 0.5 * low + 0.5 * high
    c = np.where(a >= 0, low, np.where(b <= 0, high, mixed))
    near = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high, 0.0))
    c = np.where(np.isfinite(c), c, np.where(np.isfinite(middle), middle, near))
    return np.clip(c, low, high)


def mean_value_bound(low: Array, high: Array, c: Array, at: Array, found: Enclosure) -> Array:
    """Return the mean value form's lower bound, from the lower bound ``at`` of f(c)."""
    a, b = found.slope_low, found.slope_high
    assert a is not None and b is not None
    with np.errstate(all="ignore"):
        up = np.nextafter(high - c, np.inf)
        down = np.nextafter(low - c, -np.inf)
        # the least of a product is at an end of the slope: lowest rightwards, highest leftwards
        right = np.where((a >= 0) | (high == c), 0.0, a * up)
        left = np.where((b <= 0) | (low == c), 0.0, b * down)
        fall = np.minimum(np.nextafter(right, -np.inf), np.nextafter(left, -np.inf))
        fall = np.where((right == 0) & (left == 0), 0.0, fall)
        total = at.copy()
        for part in fall:
            total = np.where(part == 0, total, np.nextafter(total + part, -np.inf))
    return np.where(np.isnan(total), -np.inf, total)


def cut(low: Array, high: Array, found: Enclosure) -> tuple[NDArray[np.intp], Array]:
    """Return the axis and the place at which every box is cut; place nan: too thin to cut."""
    a, b = found.slope_low, found.slope_high
    assert a is not None and b is not None
    width = high - low
    with np.errstate(all="ignore"):
        steep = np.maximum(np.abs(a), np.abs(b))
        smear = np.where(width == 0, 0.0, steep * width)
    spread = np.abs(low) + np.abs(high)
    thin = width <= THINNEST * np.spacing(np.where(np.isfinite(spread), spread, 1.0))
    infinite = ~np.isfinite(width)
    # with an unknown slope the widest side is cut, infinite ones first
    unknown = ~np.isfinite(smear)
    score = np.where(unknown, 1e300, smear)
    score = np.where(unknown.any(axis=0), np.where(infinite, np.inf, width), score)
    score = np.where(thin & ~infinite, -1.0, score)
    axis = np.argmax(score, axis=0)
    pick = (axis, np.arange(low.shape[1]))
    a, b = low[pick], high[pick]
    with np.errstate(all="ignore"):
        place = 0.5 * a + 0.5 * b
        place = np.where(np.isinf(a) & np.isinf(b), 0.0, place)
        outwards = np.where(a < 0, 0.0, np.maximum(1.0, 2 * a))
        place = np.where(np.isfinite(a) & np.isinf(b), outwards, place)
        outwards = np.where(b > 0, 0.0, np.minimum(-1.0, 2 * b))
        place = np.where(np.isinf(a) & np.isfinite(b), outwards, place)
        place = np.where(np.isinf(b - a) & (np.abs(place) > FARTHEST), np.nan, place)
    bad = (score[pick] < 0) | ~(place > a) | ~(place < b) | ~np.isfinite(place)
    return axis, np.where(bad, np.nan, place)


def search(
    tape: Tape,
    region: Region,
    max_boxes: int = MAX_BOXES,
) -> Search:
    """Decide whether f >= 0 on a region, by branch and bound over boxes of doubles.

    Parameters
    ----------
    tape : Tape
        The function, with the region's variables in their order.
    region : Region
    max_boxes : int
        Boxes to evaluate before giving up.

    Returns
    -------
    Search
        "proved" only if every box of a tiling has a lower bound >= 0 and f is defined in it.
    """
    lows, highs = region.outer()
    todo = [(np.array(lows)[:, None], np.array(highs)[:, None], np.zeros(1, dtype=int))]
    kept_low: list[Array] = []
    kept_high: list[Array] = []
    bound, examined, deepest = np.inf, 0, 0

    def done(witness: Witness | None = None, reason: str = "") -> Search:
        """Return what was found: a proof, if there is neither a witness nor a reason against it."""
        d = len(lows)
        low = np.concatenate(kept_low, axis=1) if kept_low else np.empty((d, 0))
        high = np.concatenate(kept_high, axis=1) if kept_high else np.empty((d, 0))
        head = (low, high, float(bound), examined, deepest)
        if witness is not None:
            return Search("refuted", *head, witness.point, witness.value, witness.box)
        return Search("undecided" if reason else "proved", *head, reason=reason)

    def open_at(index: int, why: str) -> Search:
        """Return the end of a search that some box withstands, after a last look for a witness."""
        box = _named(region, low[:, index], high[:, index], float(lower[index]))
        return done(_scattered(tape, region, lows, highs), f"{why}: {box}")

    while todo:
        low, high, depth = _batch(todo)
        examined += low.shape[1]
        deepest = max(deepest, int(depth.max()))
        found = tape.enclose(low, high, slopes=True)
        c = centre(low, high, found)
        at = tape.enclose(c, c)
        lower = np.maximum(
            found.low, mean_value_bound(low, high, c, np.where(at.defined, at.low, -np.inf), found)
        )
        proved = found.defined & (lower >= 0)
        witness = _witness(tape, region, low, high, c, at, ~proved)
        if witness is not None:
            return done(witness)
        if proved.any():
            kept_low.append(low[:, proved])
            kept_high.append(high[:, proved])
            bound = min(bound, float(lower[proved].min()))
        if proved.all():
            continue
        axis, place = cut(low, high, found)
        open_ = ~proved
        if np.isnan(place[open_]).any():
            index = int(np.flatnonzero(open_ & np.isnan(place))[0])
            return open_at(index, "a box too thin to cut stays open")
        if examined >= max_boxes:
            index = int(np.flatnonzero(open_)[np.argmin(lower[open_])])
            return open_at(index, f"{examined} boxes were not enough; open")
        chosen = np.flatnonzero(open_)
        left_high, right_low = high[:, chosen].copy(), low[:, chosen].copy()
        column = np.arange(chosen.size)
        left_high[axis[chosen], column] = place[chosen]
        right_low[axis[chosen], column] = place[chosen]
        todo.append(
            (
                np.concatenate([low[:, chosen], right_low], axis=1),
                np.concatenate([left_high, high[:, chosen]], axis=1),
                np.tile(depth[chosen] + 1, 2),
            )
        )
    return done()


def _batch(
    todo: list[tuple[Array, Array, NDArray[np.int_]]],
) -> tuple[Array, Array, NDArray[np.int_]]:
    """Take up to BATCH boxes off the front, so that depth grows evenly."""
    parts, count = [], 0
    while todo and count < BATCH:
        low, high, depth = todo.pop(0)
        room = BATCH - count
        if low.shape[1] > room:
            todo.insert(0, (low[:, room:], high[:, room:], depth[room:]))
            low, high, depth = low[:, :room], high[:, :room], depth[:room]
        parts.append((low, high, depth))
        count += low.shape[1]
    low, high, depth = (np.concatenate(side, axis=-1) for side in zip(*parts, strict=True))
    return low, high, depth


def _witness(
    tape: Tape,
    region: Region,
    low: Array,
    high: Array,
    c: Array,
    at: Enclosure,
    open_: NDArray[np.bool_],
) -> Witness | None:
    """Return a point of the region at which f is surely negative, the lowest one tried."""
    best: Witness | None = None
    for points, values in ((c, at), (_inside(low, high), None)):
        values = tape.enclose(points, points) if values is None else values
        below_zero = open_ & values.defined & (values.high < 0)
        for index in np.flatnonzero(below_zero)[np.argsort(values.high[below_zero])][:4]:
            point = {
                name: Fraction(float(x))
                for name, x in zip(region.names, points[:, index], strict=True)
            }
            value = float(values.high[index])
            if region.contains(point) and (best is None or value < best.value):
                box = np.stack([low[:, index], high[:, index]], axis=1)
                best = Witness(point, value, box)
    return best


def _scattered(tape: Tape, region: Region, lows: list[float], highs: list[float]) -> Witness | None:
    """Try points all over the region where the boxes came to no end, most of them near 0 or an end.

    The last resort: in many unbounded directions boxes are cut one direction after the other.
    """
    rng = np.random.default_rng(POINTS)
    low, high = np.array(lows)[:, None], np.array(highs)[:, None]
    far = rng.standard_cauchy((low.size, POINTS)).round(3)
    flat = np.isfinite(low) & np.isfinite(high)
    with np.errstate(all="ignore"):
        even = low + rng.random(far.shape) * (high - low)
    start = np.where(np.isfinite(low), low, 0.0)
    points = np.where(flat, even, np.where(np.isfinite(low), start + np.abs(far), far))
    points = np.where(np.isinf(low) & np.isfinite(high), high - np.abs(far), points)
    points = np.clip(points, low, high)
    values = tape.enclose(points, points)
    everywhere = np.ones(POINTS, dtype=bool)
    found = _witness(tape, region, points, points, points, values, everywhere)
    if found is None:
        return None
    return Witness(found.point, found.value, np.concatenate([low, high], axis=1))


def _inside(low: Array, high: Array) -> Array:
    """Return a finite point of every box, the middle where there is one."""
    with np.errstate(all="ignore"):
        middle = 0.5 * low + 0.5 * high
    near = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high, 0.0))
    return np.where(np.isfinite(middle), middle, near)


def _named(region: Region, low: Array, high: Array, bound: float) -> str:
    parts = [f"{n} in [{a:.9g}, {b:.9g}]" for n, a, b in zip(region.names, low, high, strict=True)]
    return f"{', '.join(parts)} (lower bound {bound:.3g})"
