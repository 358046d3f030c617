"""Sign conditions over regions: the true is proved, the false refuted, the rest undecided."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sde_compare import regions as rg
from sde_compare.regions import intervals, search, tape
from sde_compare.regions.polynomial import Polynomial
from sde_compare.regions.structure import Signs, common_factor

x, y, t, eta = rg.variables("x y t eta")
a = 2 * rg.exp(-t) * x
#: true with margin 0.003 on a surface, as one would write it
TOUCHING = rg.log(rg.exp((1 + eta) * a) + rg.exp(-a)) - eta * a / 2 - rg.log(2)
SLAB = {"t": (0, 3), "x": (-4, 4), "eta": (0, 5)}


def dip(depth: str, base=None):
    """A difference of two drifts, 0.002 or more, with a dip 1e-4 wide at a place not special."""
    drift = rg.number("0.002") + (1 + rg.tanh(3 * x - y)) / 10 + x**2 * rg.exp(-y) / 40
    low = {"x": rg.number("0.3171942"), "y": rg.number("1.2373181")}
    if base is None:  # the drift at the dip, so that its floor is -depth
        at = rg.Function(drift, ("x", "y"))(x=0.3171942, y=1.2373181)
        base = Fraction(float(at))
    far = ((x - low["x"]) ** 2 + (y - low["y"]) ** 2) * 10**8
    return drift - (rg.number(base) + rg.number(depth)) * rg.exp(-far)


# -- proved -------------------------------------------------------------------------------------
def test_a_flat_margin_in_three_dimensions_is_proved_as_it_is_written():
    found = rg.decide(TOUCHING + rg.number("0.003"), SLAB)
    assert found.status == "proved" and found.boxes > 1000
    word = rg.replay(rg.proof_of("margin", "", [found]))
    assert word.accepted


def test_the_same_without_its_margin_is_refuted_or_undecided_but_never_proved():
    # the minimum is 0 on a surface; with 1e-6 taken off it is negative there
    assert rg.decide(TOUCHING, SLAB, max_boxes=3000).status == "undecided"
    found = rg.decide(TOUCHING - rg.number("1e-6"), SLAB)
    assert found.status == "refuted"
    assert rg.Function(TOUCHING)(**{n: float(v) for n, v in found.witness.items()}) < 1e-6


@pytest.mark.parametrize(
    ("f", "region", "how"),
    [
        (rg.exp(x) + rg.exp(-x) - 2 + rg.number("1e-6"), {"x": ("-inf", "inf")}, "boxes"),
        (rg.exp(x) - x - 1 + rg.number("1e-3"), {"x": ("-inf", "inf")}, "boxes"),
        (eta * (rg.exp(x) - x - 1) + eta / 100, {"x": (-3, 3), "eta": (0, 2)}, "common factor"),
        (eta * x**2 + rg.exp(-y), {"x": ("-inf", "inf"), "y": (0, 1), "eta": (0, 1)}, "no box"),
        ((x - 1) ** 2 * (x**2 + 1), {"x": ("-inf", "inf")}, "no box"),
        (x**4 - 2 * x**2 + 1, {"x": (-3, 3)}, "roots"),
        (1 - rg.shares(x, y)[0], {"x": ("-inf", "inf"), "y": ("-inf", "inf")}, "box"),
        (rg.lse(x, -x) - rg.log(2) + rg.number("1e-4"), {"x": ("-inf", "inf")}, "box"),
    ],
)
def test_true_statements_on_bounded_and_unbounded_regions(f, region, how):
    found = rg.decide(f, region)
    assert found.status == "proved", found.reason
    assert how in found.how


def test_a_covariance_is_exhibited_as_a_sum_of_squares():
    m = rg.variables("m0 m1 m2")
    p = rg.shares(*rg.variables("a0 a1 a2"))
    mean = rg.total([q * v for q, v in zip(p, m, strict=True)])
    variance = rg.total([q * v**2 for q, v in zip(p, m, strict=True)]) - mean**2
    pairs = [(0, 1), (0, 2), (1, 2)]
    squares = rg.total([p[i] * p[j] * (m[i] - m[j]) ** 2 for i, j in pairs])
    region = dict.fromkeys(["m0", "m1", "m2", "a0", "a1", "a2"], ("-inf", "inf"))
    found = rg.decide(variance, region, equals=squares)
    assert found.status == "proved" and found.boxes == 0 and "identity" in found.how
    # a wrong factor in one term is no identity, and without one an unbounded margin stays open
    wrong = squares + p[0] * p[1] * (m[0] - m[1]) ** 2 / 10**9
    assert rg.decide(variance, region, equals=wrong, max_boxes=500).status == "undecided"


# -- refuted, or not proved ---------------------------------------------------------------------
def test_a_planted_dip_is_found_where_ten_million_points_see_nothing():
    f = dip("0.01")
    region = {"x": (-4, 4), "y": (-4, 4)}
    found = rg.decide(f, region)
    assert found.status == "refuted"
    run = found.searches[-1]
    assert abs(float(found.witness["x"]) - 0.3171942) < 2e-4
    assert np.all(run.box[:, 0] <= [float(v) for v in found.witness.values()])
    # the dip's share of the region is 4e-10: of 1e7 points 0.004 are expected in it
    rng = np.random.default_rng(1)
    made = rg.Function(f)
    for _ in range(10):
        sample = rng.uniform(-4, 4, (2, 10**6))
        assert made(x=sample[0], y=sample[1]).min() > 0


@pytest.mark.parametrize("depth", ["1e-9", "1e-12"])
def test_a_shallow_dip_is_not_called_proved(depth):
    found = rg.decide(dip(depth), {"x": (-4, 4), "y": (-4, 4)}, max_boxes=60_000)
    assert found.status in ("refuted", "undecided")


@pytest.mark.parametrize(
    ("f", "region"),
    [
        (rg.sqrt(x), {"x": (-1, 4)}),
        (rg.log(x) + 100, {"x": (0, 4)}),
        (x / x, {"x": (-1, 1)}),
        (1 / x, {"x": (0, 1)}),
        (rg.sqrt(x - 1) - rg.sqrt(x - 1) + 1, {"x": (0, 2)}),
        (rg.exp(x) - rg.exp(x) + rg.log(-1 - x**2), {"x": (0, 1)}),
        (rg.exp(rg.exp(x)) - rg.exp(rg.exp(x + y)), {"x": (0, 1000), "y": (0, 1)}),
    ],
)
def test_undefined_empty_or_infinite_is_never_a_proof(f, region):
    assert rg.decide(f, region, max_boxes=3000).status != "proved"


def test_the_numbers_are_the_ones_that_were_written():
    # the double 0.1 is above one tenth
    assert rg.decide(rg.number(0.1) - rg.number("0.1"), {"x": (0, 1)}).status == "proved"
    assert rg.decide(rg.number("0.1") - rg.number(0.1), {"x": (0, 1)}).status == "refuted"
    # a witness lies in the region exactly, also where the doubles around its ends do not
    found = rg.decide(rg.number("0.1") - x, {"x": (0, "0.1")})
    assert found.status != "refuted"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_no_decision_is_contradicted_by_points(seed):
    rng = np.random.default_rng(seed)
    f, region = random_function(rng)
    found = rg.decide(f, region, max_boxes=2000)
    made = rg.Function(f, tuple(region))
    points = {n: rng.uniform(*ends, 4000) for n, ends in region.items()}
    values = made(**points)
    if found.status == "proved":
        assert np.nanmin(values) > -1e-9 * (1 + np.nanmax(np.abs(values)))
    if found.status == "refuted":
        assert value_at(f, found.witness) < 0


def random_function(rng):
    """Return a smooth function of two variables that is about as often positive as not."""
    u, v = (rg.number(float(c)) for c in rng.normal(size=2).round(3))
    parts = [
        rg.exp(u * x - y / 2),
        -v * x * y,
        x**2 / 3,
        rg.tanh(x + v * y),
        rg.shares(x, u * y, v)[int(rng.integers(3))],
        rg.lse(x, y * v) * u,
        rg.sqrt(1 + y**2),
        rg.log(2 + rg.exp(x)) / (1 + x**2),
    ]
    chosen = [parts[i] for i in rng.permutation(len(parts))[:4]]
    offset = rg.number(float(rng.uniform(-1, 2).__round__(3)))
    return rg.total([*chosen, offset]), {"x": (-2, 1.5), "y": (-1, 2)}


def value_at(f, point):
    """Return the value with 40 digits, by mpmath."""
    values = []
    with mpmath.workdps(40):
        for rule, args, value in rg.Function(f).nodes:
            inner = [values[i] for i in args]
            q = point.get(value) if rule == "var" else value
            values.append(mpmath_rule(rule, inner, q))
        return values[-1]


def mpmath_rule(rule, inner, value):
    if rule in ("var", "const"):
        return mpmath.mpf(Fraction(value).numerator) / Fraction(value).denominator
    if rule in ("add", "mul"):
        return mpmath.fsum(inner) if rule == "add" else mpmath.fprod(inner)
    if rule == "div":
        return inner[0] / inner[1]
    if rule == "pow":
        return inner[0] ** value
    if rule == "lse":
        return mpmath.log(mpmath.fsum(map(mpmath.exp, inner)))
    if rule == "share":
        return mpmath.exp(inner[value]) / mpmath.fsum(map(mpmath.exp, inner))
    return getattr(mpmath, rule)(inner[0])


# -- the parts ----------------------------------------------------------------------------------
ENGINES = {"library": intervals.library, "outward": intervals._Widened}


@pytest.mark.parametrize("engine", ENGINES)
def test_ranges_and_slopes_hold_every_value(engine, monkeypatch):
    monkeypatch.setattr(tape, "library", ENGINES[engine])
    monkeypatch.setattr(tape, "Interval", ENGINES[engine].Interval)
    rng = np.random.default_rng(5)
    for _ in range(40):
        f, region = random_function(rng)
        made = rg.Function(f, tuple(region))
        lows = np.array([[ends[0]] for ends in region.values()], dtype=float)
        low = lows + rng.uniform(0, 1, (2, 16))
        high = low + rng.uniform(0, 0.5, (2, 16))
        found = tape.Tape(made).enclose(low, high, slopes=True)
        inside = low + rng.uniform(0, 1, (2, 16)) * (high - low)
        for k in range(16):
            point = {n: Fraction(float(v)) for n, v in zip(region, inside[:, k], strict=True)}
            assert found.low[k] <= value_at(f, point) <= found.high[k]
            for i, name in enumerate(region):
                slope = value_at(rg.derivative(f, name), point)
                assert found.slope_low[i, k] <= slope <= found.slope_high[i, k]


def test_derivatives_are_those_of_differences():
    rng = np.random.default_rng(2)
    for _ in range(20):
        f, _region = random_function(rng)
        at = {"x": rng.uniform(-1, 1), "y": rng.uniform(-1, 1)}
        for name in at:
            up = {**at, name: at[name] + 1e-5}
            down = {**at, name: at[name] - 1e-5}
            made = rg.Function(f, ("x", "y"))
            slope = (made(**up) - made(**down)) / 2e-5
            exact = rg.Function(rg.derivative(f, name), ("x", "y"))(**at)
            assert exact == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_proved_boxes_tile_and_do_not_depend_on_the_batch(monkeypatch):
    f = rg.exp(x) - x * y + 3 + y**2 / 4
    region = rg.Region({"x": (-2, 2), "y": (-2, 2)})
    made = tape.Tape(rg.Function(f, region.names))
    whole = search.search(made, region)
    assert whole.status == "proved"
    area = np.prod(whole.high - whole.low, axis=0).sum()
    assert area == pytest.approx(16, rel=1e-12)
    monkeypatch.setattr(search, "BATCH", 3)
    again = search.search(made, region)

    def boxes(run):
        return sorted(map(tuple, np.vstack([run.low, run.high]).T.tolist()))

    assert boxes(again) == boxes(whole) and again.bound == whole.bound


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.fractions(-3, 3, max_denominator=8), min_size=1, max_size=5),
    st.lists(st.integers(1, 3), min_size=5, max_size=5),
    st.booleans(),
    st.tuples(st.fractions(-4, 4, max_denominator=6), st.fractions(-4, 4, max_denominator=6)),
)
def test_polynomials_are_negative_where_their_roots_say(roots, powers, flip, ends):
    p = Polynomial([Fraction(-1 if flip else 1)])
    for root, power in zip(roots, powers, strict=False):
        for _ in range(power):
            p = p * Polynomial([-root, Fraction(1)])
    low, high = min(ends), max(ends)
    found = p.negative_point(low, high)
    places = sorted({low, high, *(r for r in roots if low <= r <= high)})
    tried = places + [(u + v) / 2 for u, v in itertools.pairwise(places)]
    if any(p(q) < 0 for q in tried):
        assert found is not None and low <= found <= high and p(found) < 0
    else:
        assert found is None


def test_signs_are_those_of_samples():
    rng = np.random.default_rng(3)
    region = rg.Region({"x": (0, 2), "y": (-3, -1)})
    cases = {
        x * y: "<=",
        rg.exp(x) * y: "<",
        x**2 + rg.exp(y): ">",
        x - y: ">",
        x + y: "?",
        1 - rg.exp(-x): ">=",
        rg.lse(x, y): ">",
        rg.tanh(y): "<",
        rg.sqrt(y): "?",
        x / y: "<=",
    }
    signs = Signs(region)
    for f, sign in cases.items():
        assert signs.sign(f) == sign, f
        if sign != "?":
            values = rg.Function(f, region.names)(
                x=rng.uniform(0, 2, 99), y=rng.uniform(-3, -1, 99)
            )
            assert np.all(values >= 0 if ">" in sign else values <= 0)


def test_common_factors_come_out_of_a_sum():
    factor, rest = common_factor(eta * x**2 * y + eta * x**3 + 2 * eta * x**2)
    assert rg.identical(factor, eta * x**2) and rg.identical(rest, y + x + 2)
    assert common_factor(x + y) is None


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (rg.exp(x + y), rg.exp(x) * rg.exp(y), True),
        (rg.exp(x) ** 2, rg.exp(2 * x), True),
        (rg.exp(x) * rg.exp(-x), rg.number(1), True),
        (sum(rg.shares(x, y, 0)), rg.number(1), True),
        (rg.lse(x, y), rg.log(rg.exp(x) + rg.exp(y)), True),
        (rg.sqrt(1 + x**2) ** 2, 1 + x**2, True),
        ((x**2 - 1) / (1 + x**2), 1 - 2 / (1 + x**2), True),
        (rg.shares(x, y)[0], rg.shares(x - y, 0)[0], True),
        (rg.exp(x + y), rg.exp(x) * rg.exp(y) + rg.number("1e-30"), False),
        (rg.shares(x, y)[0], rg.shares(x, y)[1], False),
        (rg.tanh(x), rg.tanh(y), False),
    ],
)
def test_identities_are_exact(left, right, equal):
    assert rg.identical(left, right) is equal


# -- bad input ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rg.decide(x, {"y": (0, 1)}), "region must give a range for 'x'"),
        (lambda: rg.decide(x, {"x": (1, 0)}), "region['x'] must have low <= high"),
        (lambda: rg.decide(x, {"x": (0, math.nan)}), "region['x'] must be a finite number"),
        (lambda: rg.decide(x, {"x": 3}), "region['x'] must be (low, high)"),
        (lambda: rg.decide(x, {}), "region must map names"),
        (lambda: rg.decide(x, {"x": (0, 1), 1: (0, 1)}), "region must be named by words, got 1"),
        (lambda: rg.decide(x, {"x": (0, 1)}, max_boxes=0), "max_boxes"),
        (lambda: rg.decide("two", {"x": (0, 1)}), "number must be a finite number, got 'two'"),
        (lambda: x**0.5, "power must be a whole number, got 0.5"),
        (lambda: rg.variables("x x"), "names must differ"),
        (lambda: rg.Function.from_spec([["mul", [0, 1]]]), "nodes[0] is not a node"),
        (lambda: rg.lse(), "terms must not be empty"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_functions_survive_the_way_to_data_and_back():
    rng = np.random.default_rng(8)
    for _ in range(10):
        f, region = random_function(rng)
        made = rg.Function(f, tuple(region))
        again = rg.Function.from_spec(made.spec(), tuple(region))
        assert again.spec() == made.spec()


def test_shared_parts_are_written_once():
    a = x
    for _ in range(200):
        a = rg.exp(a) / rg.exp(a + 1)
    assert rg.decide(a - 1, {"x": (0, 1)}, max_boxes=100).status == "refuted"
    assert rg.identical(a + y, y + a)
    assert len(rg.Function(a).text()) < 100


@pytest.mark.parametrize(
    ("f", "region", "status"),
    [
        (x - 10**400, {"x": (0, 1)}, "refuted"),
        (10**400 * x * x - 1, {"x": (0, 1)}, "refuted"),
        (x - 1, {"x": (10**400, "inf")}, "proved"),
        (-x, {"x": (10**400, "inf")}, "refuted"),
        (x**2 - rg.number("1e-400"), {"x": (0, 1)}, "refuted"),
    ],
)
def test_numbers_beyond_the_doubles(f, region, status):
    found = rg.decide(f, region)
    assert found.status == status
    assert status == "proved" or found.value <= 0


def test_an_expression_has_no_truth_value():
    with pytest.raises(TypeError, match="truth value"):
        bool(x)
