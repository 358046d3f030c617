"""The replay on its own: signs, identities, factors, terms and roots."""

import math
from fractions import Fraction

import pytest
from hand_made_proofs import Nodes, part, proof
from hypothesis import given, settings
from hypothesis import strategies as st

from sde_compare.regions.expression import Function, exp, log, lse, number, shares, sqrt, tanh
from sde_compare.regions.expression import variables as made
from sde_compare.regions.replay import replay

NAMES = ("x", "y")
x, y = made("x y")


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
