"""The replay on its own: tilings, and arithmetic on the ends of intervals."""

import math
import random
from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from sde_compare.regions.expression import variables as made
from sde_compare.regions.replay import balls, ends
from sde_compare.regions.replay.form import RejectedError, above, below
from sde_compare.regions.replay.tiling import check_tiling

NAMES = ("x", "y")
x, y = made("x y")


# --- tilings -------------------------------------------------------------------------------------


def partition(rng, low, high, cuts):
    """A random tiling by repeated cuts at arbitrary planes, flat and infinite ranges included."""
    boxes = [(list(low), list(high))]
    for _ in range(cuts):
        k, axis = rng.randrange(len(boxes)), rng.randrange(len(low))
        a, b = boxes[k][0][axis], boxes[k][1][axis]
        inner = sorted((max(a, -1e3), min(b, 1e3)))
        place = rng.choice((0.5 * sum(inner), rng.uniform(*inner), round(rng.uniform(*inner))))
        if not a < place < b:
            continue
        left, right = boxes.pop(k), None
        right = (left[0].copy(), left[1].copy())
        left[1][axis] = right[0][axis] = float(place)
        boxes += [left, right]
    rng.shuffle(boxes)
    return boxes


def tiles(boxes, low, high):
    lows, highs = (np.array([box[i] for box in boxes], dtype=float) for i in (0, 1))
    try:
        check_tiling(lows, highs, low, high)
    except RejectedError:
        return False
    return True


ROOTS = [
    ([0.0], [1.0]),
    ([0.0, -math.inf], [1.0, math.inf]),
    ([-2.0, 3.0, 0.0], [2.0, 3.0, math.inf]),
    ([-1.0, -1.0, -1.0, -1.0], [1.0, 1.0, 1.0, 1.0]),
    ([2.0, 3.0], [2.0, 3.0]),
]


@given(st.integers(0, 2**32), st.sampled_from(ROOTS), st.integers(0, 120))
@settings(max_examples=150, deadline=None)
def test_every_tiling_by_cuts_is_accepted_and_no_edited_one(seed, root, cuts):
    rng = random.Random(seed)
    low, high = root
    boxes = partition(rng, low, high, cuts)
    assert tiles(boxes, low, high)
    k, axis, side = rng.randrange(len(boxes)), rng.randrange(len(low)), rng.randrange(2)
    assert not tiles([*boxes, boxes[k]], low, high)
    if len(boxes) > 1:
        assert not tiles(boxes[:k] + boxes[k + 1 :], low, high)
    end = boxes[k][side][axis]
    for to in (math.nextafter(end, -math.inf), math.nextafter(end, math.inf), end + 1):
        if to != end:
            moved = [(list(a), list(b)) for a, b in boxes]
            moved[k][side][axis] = to
            assert not tiles(moved, low, high)


def test_a_tiling_cut_corner_by_corner_and_a_large_one():
    boxes, a = [], [0.0, 0.0]
    for n in range(400):  # each cut leaves one more box: as deep as it has boxes
        axis, b = n % 2, [1.0, 1.0]
        b[axis] = a[axis] + 0.5 * (1 - a[axis]) if n < 80 else math.nextafter(a[axis], 1)
        if b[axis] >= 1:
            break
        boxes.append((a.copy(), b))
        a[axis] = b[axis]
    boxes.append((a, [1.0, 1.0]))
    assert len(boxes) > 80 and tiles(boxes, [0, 0], [1, 1])
    boxes = partition(random.Random(1), [0, 0, 0], [1, 1, 1], 20_000)
    assert len(boxes) > 10_000 and tiles(boxes, [0, 0, 0], [1, 1, 1])
    assert not tiles(boxes[:7] + boxes[8:], [0, 0, 0], [1, 1, 1])


def test_boxes_of_the_right_volume_that_do_not_tile_are_rejected():
    twice = [([0.0, 0.0], [0.5, 1.0])] * 2
    assert not tiles(twice, [0, 0], [1, 1])
    # around a middle box, no plane parts them; without the middle there is a hole
    wheel = [([0, 0], [2, 1]), ([2, 0], [3, 2]), ([1, 2], [3, 3]), ([0, 1], [1, 3])]
    assert not tiles(wheel, [0, 0], [3, 3])
    flat = [([0.0], [1.0]), ([0.5], [0.5])]
    assert not tiles(flat, [0], [1])
    assert not tiles([([math.nan], [1.0])], [0], [1])


@given(st.fractions() | st.floats(allow_nan=False, allow_infinity=False).map(Fraction))
def test_outer_doubles_are_the_nearest_ones(value):
    low, high = below(value), above(value)
    assert Fraction(low) <= value <= Fraction(high)
    assert low == high or math.nextafter(low, math.inf) == high


def test_outer_doubles_beyond_the_largest():
    huge = Fraction(10) ** 400
    assert (below(huge), above(huge)) == (np.finfo(float).max, math.inf)
    assert (below(-huge), above(-huge)) == (-math.inf, -np.finfo(float).max)
    tiny = Fraction(1, 10**400)
    assert (below(tiny), above(tiny)) == (0, 5e-324)


# --- arithmetic on ends --------------------------------------------------------------------------

ENDS = (-math.inf, -2.0, -1.0, 0.0, 1.0, 3.0, math.inf)
INTERVALS = [(a, b) for a in ENDS for b in ENDS if a <= b and a < math.inf and b > -math.inf]


def times(a, b):
    return 0.0 if a == 0 or b == 0 else a * b


def as_floats(interval):
    return tuple(map(float, interval))


def as_ends(interval):
    return tuple(arb(end) for end in interval)


def test_products_powers_and_quotients_are_the_exact_hulls():
    for a in INTERVALS:
        for b in INTERVALS:
            corners = [times(u, v) for u in a for v in b]
            assert as_floats(ends.mul(as_ends(a), as_ends(b))) == (min(corners), max(corners))
            both = ends.add(as_ends(a), as_ends(b)), ends.sub(as_ends(a), as_ends(b))
            assert as_floats(both[0]) == (a[0] + b[0], a[1] + b[1])
            assert as_floats(both[1]) == (a[0] - b[1], a[1] - b[0])
        for n in (1, 2, 3, 4):
            found = as_floats(ends.power(as_ends(a), n))
            inner = [0.0] if a[0] < 0 < a[1] else []
            powers = [u**n for u in (*a, *inner)]
            assert found == (min(powers), max(powers))
        if a[0] > 0 or a[1] < 0:
            quotients = [1 / u for u in reversed(a)]
            assert as_floats(ends.inverse(as_ends(a))) == pytest.approx(quotients, abs=1e-15)
        else:
            with pytest.raises(balls.UndefinedError):
                ends.inverse(as_ends(a))
    nan = (arb("nan"), arb("nan"))
    for b in INTERVALS:
        with pytest.raises(balls.UndefinedError):
            ends.mul(nan, as_ends(b))


def test_what_is_known_of_a_sign_admits_an_end_at_zero_and_nothing_else():
    nil, one, minus = arb(0), arb(1), arb(-1)
    assert as_floats(ends.inverse((nil, one), 1)) == (1.0, math.inf)
    assert as_floats(ends.inverse((minus, nil), -1)) == (-math.inf, -1.0)
    assert as_floats(ends.log((nil, one), 1)) == (-math.inf, 0.0)
    for bad in ((minus, one), (nil, nil), (minus, nil)):
        for call in (lambda a: ends.inverse(a, 1), lambda a: ends.log(a, 1)):
            with pytest.raises(balls.UndefinedError):
                call(bad)


@pytest.mark.parametrize("seed", range(20))
def test_every_end_is_rounded_outwards(seed):
    rng = random.Random(seed)
    x, y = (arb(rng.uniform(0.1, 3)) * arb(2) ** rng.choice((0, -90)) for _ in range(2))
    rules = {
        "add": (lambda u, v: ends.add(u, v), lambda u, v: u + v),
        "sub": (lambda u, v: ends.sub(u, v), lambda u, v: u - v),
        "mul": (lambda u, v: ends.mul(ends.mul(u, v), v), lambda u, v: u * v * v),
        "inverse": (lambda u, v: ends.inverse(u), lambda u, v: 1 / u),
        "power": (lambda u, v: ends.power(u, 7), lambda u, v: u**7),
        "exp": (lambda u, v: ends.exp(u), lambda u, v: u.exp()),
        "log": (lambda u, v: ends.log(u), lambda u, v: u.log()),
        "sqrt": (lambda u, v: ends.sqrt(u), lambda u, v: u.sqrt()),
        "tanh": (lambda u, v: ends.tanh(u), lambda u, v: u.tanh()),
        "lse": (lambda u, v: ends.lse([u, v]), lambda u, v: (u.exp() + v.exp()).log()),
        "share": (lambda u, v: ends.share([u, v], 0), lambda u, v: 1 / (1 + (v - u).exp())),
        "spread": (
            lambda u, v: ends.spread((u[0] / 4, u[1] / 4)),
            lambda u, v: u / 4 * (1 - u / 4),
        ),
    }
    rounded = 0
    for name, (interval, exact) in rules.items():
        with flint.ctx.workprec(128):
            low, high = interval((x, x), (y, y))
        with flint.ctx.workprec(1000):
            truth = exact(x, y)
            assert low <= truth and truth <= high, name
            assert high - low < arb(2) ** -90 * (1 + abs(truth)), name
            rounded += bool(low < truth and truth < high)
    assert rounded >= 8  # otherwise nothing was rounded, and nothing tested
