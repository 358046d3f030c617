"""The replay on its own: ranges, slopes, balls and signs hold what mpmath computes."""

import random
from fractions import Fraction

import flint
import mpmath
import pytest
from flint import arb
from random_functions import random_function, values

from sde_compare.regions.expression import variables as made
from sde_compare.regions.replay import balls, form
from sde_compare.regions.replay.form import Region
from sde_compare.regions.replay.signs import ranges
from sde_compare.regions.replay.slopes import Evaluator

NAMES = ("x", "y")
x, y = made("x y")


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
