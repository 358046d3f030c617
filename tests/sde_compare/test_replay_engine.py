"""The parts of the replay on their own: tilings, ends and slopes, signs, identities, roots."""

import math
import random
from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
from flint import arb
from hand_made_proofs import Nodes, part, proof
from hypothesis import given, settings
from hypothesis import strategies as st
from random_functions import random_function, values

from sde_compare.regions.expression import Function, exp, log, lse, number, shares, sqrt, tanh
from sde_compare.regions.expression import variables as made
from sde_compare.regions.replay import balls, ends, form, replay
from sde_compare.regions.replay.form import Region, RejectedError, above, below
from sde_compare.regions.replay.signs import ranges
from sde_compare.regions.replay.slopes import Evaluator
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


# --- ranges contain what they should -------------------------------------------------------------


TINY = 1e-20  # of the values that mpmath computes with 60 digits


def number_of(z):
    """A number of mpmath as one of flint, with a radius that covers its error."""
    return arb(mpmath.nstr(z, 40)) + arb(0, TINY) * (1 + abs(arb(mpmath.nstr(z, 5))))


def holds(low, high, z):
    """Whether z may lie between two numbers."""
    return not (z < low or z > high)


def end_of(value):
    return arb(float(value)) if isinstance(value, float) else balls.ball(value)


def random_box(rng):
    ends = [sorted(rng.choice((-2, -1, -0.5, 0, 0.25, 1, 3)) for _ in range(2)) for _ in NAMES]
    return [(a, b if b > a else a + rng.choice((0.5, 0.0, 2.0**-20))) for a, b in ends]


def inside(rng, box):
    share = [rng.choice((Fraction(0), Fraction(1), Fraction(rng.random()))) for _ in box]
    return {
        name: Fraction(a) + u * (Fraction(b) - Fraction(a))
        for name, (a, b), u in zip(NAMES, box, share, strict=True)
    }


def check_node(spec, listed, root, box, rng):
    """Check all that the replay says of one node over a box; return how many values it held."""
    region = Region(NAMES, tuple(Fraction(a) for a, _ in box), tuple(Fraction(b) for _, b in box))
    nodes = form.cone(listed, root)
    certain = ranges(nodes, region)
    points = [inside(rng, box) for _ in range(4)]
    found = [values(spec, point)[root] for point in points]
    real = [number_of(z) for z in found if z is not None]
    if certain[-1] is not None:
        low, high = end_of(certain[-1].low), end_of(certain[-1].high)
        assert all(holds(low, high, z) for z in real)
    evaluator = Evaluator(nodes, NAMES, certain)
    intervals = [(arb(a), arb(b)) for a, b in box]
    try:
        ball = balls.prepared(nodes, NAMES)([a.union(b) for a, b in intervals])
        assert ball.is_nan() or all(ball.overlaps(z) for z in real)
    except balls.UndefinedError:
        pass
    try:
        v = evaluator.values(intervals)
    except balls.UndefinedError:
        return 0
    assert all(holds(*v[-1], z) for z in real)
    slope = evaluator.slopes(v, intervals)
    for k, name in enumerate(NAMES):
        other = {**points[0], name: points[1][name]}
        fa, fb = values(spec, points[0])[root], values(spec, other)[root]
        if points[0][name] != other[name] and fa is not None and fb is not None:
            step = balls.ball(points[0][name] - other[name])
            low, high = slope.get(k, (arb(0), arb(0)))
            assert holds(low, high, (number_of(fa) - number_of(fb)) / step)
    return len(real)


@pytest.mark.parametrize("block", range(6))
def test_ranges_slopes_balls_and_signs_hold_what_mpmath_computes(block):
    held = 0
    with flint.ctx.workprec(128):
        for seed in range(40 * block, 40 * block + 40):
            rng = random.Random(seed)
            spec = random_function(rng, NAMES, 8)
            listed, box = form.nodes(spec, NAMES), random_box(rng)
            for root in range(len(NAMES), len(listed)):
                held += check_node(spec, listed, root, box, rng)
    assert held > 800


# --- signs ---------------------------------------------------------------------------------------


def manifest(f, **region):
    spec = [[name, *ends] for name, ends in region.items()]
    return replay(proof(part(Function(f).spec(), spec, {"kind": "manifest"}))).accepted


def test_what_signs_show():
    line, half, unit = ("-inf", "inf"), ("0", "inf"), ("0", "1")
    assert manifest(x * x + y**4 + exp(-x * y) + number("1/7"), x=line, y=line)
    assert manifest(1 - shares(x, y)[0] * exp(-y), x=line, y=half)
    assert manifest(1 - tanh(x) ** 3, x=line) and manifest(tanh(x) * x, x=half)
    assert manifest(log(1 + x * x) + sqrt(x * x) / (1 + exp(x)), x=line)
    assert manifest(lse(x, y) - 1, x=("1", "2"), y=line) and manifest(exp(x) - 1 - x, x=("0", "0"))
    assert manifest(1 / exp(x) - log(y), x=line, y=("1/1000", "1"))
    assert manifest(-log(shares(x, y)[1]), x=line, y=line)
    assert manifest(-(x**3) * (y - 1), x=half, y=unit) and manifest(x / y, x=half, y=("1/9", "1"))
    assert manifest((-x) ** 1001, x=("-inf", "0")) and manifest(x**1000 * 0 + 1, x=("-2", "9"))


def test_what_signs_do_not_show():
    line, unit = ("-inf", "inf"), ("0", "1")
    for f in (
        x,
        x**3,
        -x * x,
        x * y,
        exp(x) - 1,
        sqrt(x),
        log(1 + x * x) - 1,
        tanh(x),
        1 / x,
        x / x,
        lse(x, y),
        shares(x, y)[0] - number("1e-30"),
        0 * log(x),
        x / (y * y),
    ):
        assert not manifest(f, x=line, y=line), f
    # the end 0 is reached through one factor, though the other never reaches its own
    assert not manifest(1 / (x * exp(y)), x=unit, y=line)
    assert not manifest(1 / x, x=unit) and not manifest(log(x), x=("1/2", "2"))
    assert not manifest(-x, x=("0", "1/1000000")) and not manifest(x, x=("-1/1000000", "1"))
    assert not manifest(lse(x) - 1, x=unit) and manifest(lse(x), x=unit)


# --- identities ----------------------------------------------------------------------------------

HARMLESS = {"kind": "manifest"}


def identical(f, g, low="-inf", high="inf", how=HARMLESS):
    names = Function(f).variables + Function(g).variables or ("x",)
    region = [[name, low, high] for name in dict.fromkeys(names)]
    how = {"kind": "identity", "function": Function(g).spec(), "proof": how}
    return replay(proof(part(Function(f).spec(), region, how)))


SQUARES = [
    (x**2 - 2 * x * y + y**2, (x - y) ** 2),
    (exp(x) - 2 + exp(-x), (exp(x / 2) - exp(-x / 2)) ** 2),
    (exp(x / 3) ** 6 - 2 * exp(x + y) + exp(y / 2) ** 4, (exp(x) - exp(y)) ** 2),
    (1 - tanh(x) ** 2, 4 / (exp(x) + exp(-x)) ** 2),
    (1 - shares(x, y, 0)[0] - shares(x, y, 0)[1], shares(y, 0, x)[1]),
    (lse(x, y) - x, log(1 + exp(y - x))),
    (lse(x + y, 2 * y) - lse(x, y), y + 0 * x),
    (sqrt(1 + x**2) ** 2 - 1, x**2),
    (sqrt(1 + x**2) ** 5, (1 + x**2) ** 2 * sqrt(1 + x**2)),
    (sqrt(1 / (1 + x**2)) ** 4 * (x**2 + 1) ** 2 - 1 + x**4, x**4),
    (1 / (sqrt(1 + x * x) + 2 + exp(y)) - 1 / (2 + exp(y) + sqrt(x**2 + 1)), 0 * x),
    (exp(2 * log(1 + x * x)) - 1, x**4 + 2 * x**2),
    (exp((x + y) / (1 + x**2)), exp(x / (1 + x**2)) * exp(y / (x * x + 1))),
    (exp(exp(x / 2) ** 2) * exp(-exp(x)), number(1) + 0 * y),
    ((x**2 + 1) / (1 + x**2) * y**2, y**2),
]


@pytest.mark.parametrize(("f", "g"), SQUARES)
def test_identities_that_hold(f, g):
    if "y" in Function(g).variables and g.rule == "add":
        found = identical(f, g, low="0")
    else:
        found = identical(f, g)
    assert found.accepted, found.reason
    for eps in ("1/1000000000000", "-1/1000000000000"):
        wrong = identical(f + number(eps), g, low="0")
        assert not wrong.accepted and "not shown to be equal" in wrong.reason


@pytest.mark.parametrize(
    ("f", "g"),
    [
        (x / x, number(1)),
        (log(x) - log(x) + x**2, x**2),
        (sqrt(x) ** 2 - x, number(0)),
        (1 / x - 1 / x, number(0)),
        (0 * log(x), number(0)),
        (exp(log(x)) - x + 1, number(1)),
        (x**2 / (x - x), x**2),
    ],
)
def test_an_identity_needs_the_function_to_be_defined(f, g):
    found = identical(f, g)
    assert not found.accepted and "defined" in found.reason


def test_identities_that_only_look_right():
    for f, g in (
        (sqrt(x**2), x),
        (exp(x * y), exp(x) * exp(y)),
        (tanh(2 * x) + 1, 2 * tanh(x) + 1),
        (exp(x) ** 2, exp(x**2)),
        (sqrt(1 + x**2) ** 3, 1 + x**2),
        (sqrt(1 + x**2) ** 3, sqrt(1 + x**2)),
    ):
        assert not identical(f, g, low="0").accepted
    other = identical(x**2, x**2, how={"kind": "roots"})
    assert other.accepted and other.parts[0].kind == "identity, roots"
    assert not identical(x**2 - 1, (x - 1) * (x + 1)).accepted
    assert not identical((x + y) ** 5000, (x + y) ** 5000).accepted  # too large, and soon said


# --- factors, terms, roots -----------------------------------------------------------------------


def shown(f, how, **region):
    spec = [[name, *ends] for name, ends in region.items()]
    return replay(proof(part(Function(f).spec(), spec, how)))


def test_factors_and_terms_are_shown_one_by_one():
    roots, signs = {"kind": "roots"}, {"kind": "manifest"}
    f = (x**2 - 2 * x + 1) * exp(y)
    line = {"x": ("-inf", "inf"), "y": ("-inf", "inf")}
    assert shown(f, {"kind": "factors", "factors": [roots, signs]}, **line).accepted
    for wrong in ([signs, signs], [roots], [roots, signs, signs], [], "roots", [roots, roots]):
        found = shown(f, {"kind": "factors", "factors": wrong}, **line)
        assert not found.accepted and ("must be 2 proofs" in found.reason or len(wrong) == 2)
    assert not shown(f, {"kind": "terms", "terms": [roots, signs]}, **line).accepted
    g = (x**2 - 2 * x + 1) * 3 + exp(y)
    terms = {"kind": "terms", "terms": [{"kind": "factors", "factors": [signs, roots]}, signs]}
    assert shown(g, terms, **line).accepted
    reason = shown(g - 1, {"kind": "terms", "terms": [signs] * 3}, **line).reason
    assert "term 0: the rules of signs" in reason


@pytest.mark.parametrize(
    ("f", "low", "high", "holds"),
    [
        ((x - 1) ** 2, "-inf", "inf", True),
        ((x - 1) ** 3, "-inf", "inf", False),
        ((x - 1) ** 3, "1", "inf", True),
        ((x - 1) ** 3, "99/100", "inf", False),
        (-((x - 1) ** 3), "-inf", "1", True),
        ((x**2 - 2) ** 2 * (x + 5), "-5", "inf", True),
        (x**2 - 2, "1414213562373095049/1000000000000000000", "inf", True),
        (x**2 - 2, "1414213562373095048/1000000000000000000", "inf", False),
        (x * (1 - x), "0", "1", True),
        (x * (1 - x), "0", "1000001/1000000", False),
        (-(x**2), "0", "0", True),
        (-(x**2), "-inf", "inf", False),
        (x**6 - 3 * x**4 + 3 * x**2 - 1, "-2", "2", False),
        (x**4 - 2 * x**2 + 1 + number("1e-30"), "-inf", "inf", True),
        (x**4 - 2 * x**2 + 1 - number("1e-30"), "-inf", "inf", False),
        (number(0) * x, "-inf", "inf", True),
        (x * 0 - 1, "-inf", "inf", False),
        (x**501, "0", "1", False),  # beyond what it does, not false
        (x * y, "0", "1", False),
    ],
)
def test_roots_decide_polynomials(f, low, high, holds):
    names = Function(f).variables
    found = shown(f, {"kind": "roots"}, **{name: (low, high) for name in names})
    assert found.accepted == holds


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=6), st.integers(0, 3), st.booleans())
@settings(max_examples=100, deadline=None)
def test_roots_agree_with_what_the_factors_say(zeros, extra, up):
    f = number(1 if up else -1)
    for z in zeros:
        f = f * (x - number(z) / 3)
    f = f * (x**2 + 1) ** extra
    for low, high in ((-7, 7), (-1, 1), (0, 3)):
        # between all the zeros, and beyond, there is a multiple of 1/6
        points = [Fraction(k, 12) for k in range(12 * low, 12 * high + 1)]
        least = min(
            math.prod([p - Fraction(z, 3) for z in zeros]) * (1 if up else -1) for p in points
        )
        found = shown(f, {"kind": "roots"}, x=(str(low), str(high)))
        assert found.accepted == (least >= 0)


def test_nodes_alone_make_polynomials_with_quotients_of_constants():
    n = Nodes()
    n("div", [n("pow", [n("var", "x")], 2), n.const("1/3")])
    region = [["x", "-inf", "inf"]]
    assert replay(proof(part(n, region, {"kind": "roots"}))).accepted
    n[2] = ["const", "0"]
    assert not replay(proof(part(n, region, {"kind": "roots"}))).accepted


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
