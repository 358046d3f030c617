"""Guidance rules and stated errors: divergences, jumps, identity, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fokker_planck as fp
from fokker_planck.model import breaks_of, is_plain, piece_of, process_from_spec

LINE = fp.GaussianMixture([0.3, 0.3, 0.4], [-1.0, 0.4, 2.0], [0.5, 1.0, 1.5])
PLANE = fp.GaussianMixture(
    [0.5, 0.3, 0.2],
    [[-1, 0], [1, 0], [0, 2]],
    [[[1, 0.3], [0.3, 2]], [[1, 0], [0, 0.2]], [[0.5, -0.1], [-0.1, 0.4]]],
)
SAME = fp.GaussianMixture([0.5, 0.3, 0.2], [[-1, 0], [1, 0], [0, 2]], [[1, 0.3], [0.3, 0.5]])
CLASSES = fp.GaussianMixture(PLANE.weights, PLANE.means, PLANE.covariances, [0, 0, 1])
RULES = [
    fp.ConstantStrength(2.0),
    fp.LinearStrength.between(4.0, 0.0, 5.0),
    fp.TimeStrength(lambda t: 2 + np.sin(3 * t), "wave"),
    fp.IntervalStrength(3.0, 0.2, 1.5),
    fp.PowerStrength(2.0, 0.5),
    fp.PowerStrength(1.5, 2.0),
]
ERRORS = [
    None,
    ("score", 0.3, 1.4, 0.2),
    ("classifier", 0.5, 0.8, -0.4),
]


def error_of(stated, d):
    if stated is None:
        return None
    kind, amplitude, wave, phase = stated
    vector = wave * np.array([1.0, -0.6])[:d]
    return fp.cosine_error(kind, amplitude, vector, phase, np.array([0.3, 1.0])[-d:])


def differenced(process, x, tau, h=1e-3):
    """Return the divergence of the drift by eighth-order central differences."""
    d = process.dimension
    total = 0.0
    for axis in range(d):
        unit = 1.0 if d == 1 else np.eye(d)[axis]
        for j, w in enumerate((4 / 5, -1 / 5, 4 / 105, -1 / 280), start=1):
            ends = process.drift(x + j * h * unit, tau) - process.drift(x - j * h * unit, tau)
            total = total + w / h * (ends if d == 1 else ends[:, axis])
    return total


@pytest.mark.parametrize("stated", ERRORS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("mixture", [LINE, PLANE, SAME, CLASSES], ids=["1d", "2d", "2dc", "2dl"])
def test_the_divergence_is_the_derivative_of_the_drift(mixture, rule, stated):
    d = mixture.dimension
    process = fp.reverse_process(mixture, 1, guidance=rule, perturbation=error_of(stated, d))
    x = np.random.default_rng(7).normal(size=(9, d)) * 1.5
    x = x[:, 0] if d == 1 else x
    for tau in (0.5, 3.9, 4.4, 4.95):
        b, div = process.drift_and_divergence(x, tau)
        assert np.allclose(b, process.drift(x, tau), rtol=1e-13, atol=1e-13)
        slope = differenced(process, x, tau)
        # |G|^q G has a kink of its derivative at G = 0, which differences cannot see
        guided = process.score(x, tau) - process.with_strength(0.0).score(x, tau)
        far = np.abs(guided).reshape(9, d).max(axis=1) > 0.05 * (rule.name == "power")
        near = 1e-7 * (1 + np.abs(div).max())
        assert np.allclose(div[far], slope[far], rtol=1e-7, atol=near)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.0, 4.0), st.floats(0.1, 6.0), st.integers(0, 10**6))
def test_what_rules_and_errors_add(power, value, seed):
    """S_y + eta |G|^q G from the parts of the plain process, in one and two dimensions."""
    rng = np.random.default_rng(seed)
    for mixture in (LINE, CLASSES):
        d = mixture.dimension
        plain = fp.reverse_process(mixture, 0, strength=1.0)
        nonlinear = fp.reverse_process(mixture, 0, guidance=fp.PowerStrength(value, power))
        x = rng.normal(size=(5, d)) if d > 1 else rng.normal(size=5)
        score = plain.with_strength(0.0).score(x, 4.0)
        gradient = plain.score(x, 4.0) - score
        size = np.abs(gradient) if d == 1 else np.linalg.norm(gradient, axis=1)[:, None]
        expected = score + value * size**power * gradient
        assert np.allclose(nonlinear.score(x, 4.0), expected, rtol=1e-9, atol=1e-11)


def test_errors_enter_where_they_are_stated():
    x = np.linspace(-2, 2, 5)
    exact = fp.reverse_process(LINE, 1, strength=3.0)
    e = 0.2 * np.cos(1.5 * x + 0.3)
    for kind, factor in (("score", 1.0), ("classifier", 3.0)):
        error = fp.cosine_error(kind, 0.2, 1.5, 0.3)
        process = fp.reverse_process(LINE, 1, strength=3.0, perturbation=error)
        assert np.allclose(process.score(x, 2.0), exact.score(x, 2.0) + factor * e, rtol=1e-13)
        user = getattr(fp, f"{kind}_error")(
            lambda x, t: 0.2 * np.cos(1.5 * x + 0.3), lambda x, t: -0.3 * np.sin(1.5 * x + 0.3)
        )
        own = fp.reverse_process(LINE, 1, strength=3.0, perturbation=user)
        for a, b in zip(
            own.drift_and_divergence(x, 2.0), process.drift_and_divergence(x, 2.0), strict=True
        ):
            assert np.allclose(a, b, rtol=1e-13)
        assert not process.is_linear and exact.is_linear
        with pytest.raises(ValueError, match="route must be 'classifier'"):
            process.score(x, 2.0, route="classifier-free")


def test_a_vanishing_gradient_has_a_vanishing_power():
    """At the symmetric point G = 0: no nan, and no contribution for q > 0."""
    mixture = fp.GaussianMixture([0.3, 0.4, 0.3], [[-1, 0], [0, 0], [1, 0]])
    process = fp.reverse_process(mixture, 1, guidance=fp.PowerStrength(3.0, 1.0))
    b, div = process.drift_and_divergence(np.zeros((1, 2)), 4.0)
    free = process.with_strength(0.0).drift_and_divergence(np.zeros((1, 2)), 4.0)
    assert np.allclose(b, free[0]) and np.allclose(div, free[1])


def test_an_interval_has_breaks_and_pieces():
    rule = fp.IntervalStrength(3.0, 0.25, 1.5)
    process = fp.reverse_process(LINE, 1, guidance=rule, stop=0.1)
    assert breaks_of(process) == pytest.approx((3.5, 4.75))
    assert process.strength != process.strength  # nan: it is not one number
    ends = [0.0, *breaks_of(process), process.horizon]
    x = np.linspace(-2, 2, 5)
    for a, b, eta in zip(ends, ends[1:], (0.0, 3.0, 0.0), strict=False):
        piece = piece_of(process, a, b)
        same = process.with_strength(eta)
        assert piece.breaks == () and piece.horizon == process.horizon
        for tau in (a, 0.5 * (a + b), b):
            assert np.array_equal(piece.drift(x, tau), same.drift(x, tau))
        assert np.array_equal(process.drift(x, 0.5 * (a + b)), same.drift(x, 0.5 * (a + b)))
    # a step that starts on a jump belongs to the times after it
    assert [float(rule.strength(t)) for t in (1.5, 0.25, 2.0)] == [3.0, 0.0, 0.0]
    plain = fp.reverse_process(LINE, 1, strength=1.0)
    assert breaks_of(plain) == () and piece_of(plain, 0.0, 5.0) is plain
    outside = fp.reverse_process(LINE, 1, guidance=fp.IntervalStrength(1.0, 0.0, 9.0))
    assert outside.breaks == ()


def test_a_function_of_time_may_jump():
    rule = fp.TimeStrength(lambda t: 1.0 + t if t < 2 else 5.0, "step", breaks=(2.0,))
    process = fp.reverse_process(LINE, 1, guidance=rule)
    assert breaks_of(process) == (3.0,)
    before, after = piece_of(process, 0.0, 3.0), piece_of(process, 3.0, 5.0)
    assert float(before.guidance.strength(2.0)) == 5.0
    assert float(after.guidance.strength(2.0)) == pytest.approx(3.0)
    assert float(rule.strength(2.0)) == pytest.approx(3.0)
    assert before.guidance.breaks == ()


@pytest.mark.parametrize("schedule", [fp.OrnsteinUhlenbeck(), fp.Cosine(), fp.VarianceExploding()])
def test_an_interval_of_noise_levels(schedule):
    rule = fp.IntervalStrength.of_noise(2.0, 0.3, 1.7, schedule)
    for t, level in ((rule.low, 0.3), (rule.high, 1.7)):
        ratio = np.sqrt(schedule.variance(t)) / schedule.signal(t)
        assert ratio == pytest.approx(level, rel=1e-10)
    assert fp.IntervalStrength.of_noise(2.0, 0.0, 1.0, schedule).low == 0.0


def test_linear_strengths_run_from_start_to_data():
    rule = fp.LinearStrength.between(1.0, 4.0, 5.0)
    assert [float(rule.strength(t)) for t in (5.0, 2.5, 0.0)] == pytest.approx([1.0, 2.5, 4.0])
    assert float(fp.LinearStrength.between(0.0, 0.7, 0.99).strength(0.99)) >= 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("stated", ERRORS)
def test_specs_identify_and_rebuild(rule, stated):
    for mixture in (LINE, CLASSES):
        error = error_of(stated, mixture.dimension)
        p = fp.reverse_process(
            mixture, 0, guidance=rule, perturbation=error, schedule=fp.LinearVP(), stop=0.01
        )
        spec = json.loads(json.dumps(p.spec(), allow_nan=False))
        other = fp.reverse_process(mixture, 0, strength=2.5, schedule=fp.LinearVP(), stop=0.01)
        assert spec != other.spec()
        assert is_plain(p) == (rule.name != "time")
        if not is_plain(p):
            with pytest.raises(ValueError, match="spec"):
                process_from_spec(spec)
            continue
        again = process_from_spec(spec)
        assert again.spec() == p.spec() and repr(again) == repr(p)
        x = np.ones((3, 2)) if mixture.dimension > 1 else np.ones(3)
        assert np.array_equal(again.drift(x, 0.5), p.drift(x, 0.5))


def test_specs_of_functions_hold_their_values():
    a = fp.TimeStrength(lambda t: 1 + t, "f").spec()
    assert a == fp.TimeStrength(lambda t: t + 1, "f").spec()
    assert a != fp.TimeStrength(lambda t: 1 + 1.01 * t, "f").spec()
    first, second = (
        fp.reverse_process(
            LINE, 1, perturbation=fp.score_error(lambda x, t, k=k: k * x, lambda x, t, k=k: k)
        )
        for k in (0.1, 0.2)
    )
    assert first.spec() != second.spec()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"guidance": fp.ConstantStrength(1.0), "strength": 1.0}, "guidance and strength exclude"),
        ({"guidance": fp.ConstantStrength(1.0), "scale": 2.0}, "guidance and scale exclude"),
        ({"guidance": "interval"}, "guidance must be a GuidanceRule"),
        ({"guidance": fp.ConstantStrength}, "guidance must be a GuidanceRule"),
        ({"guidance": fp.LinearStrength(1.0, -1.0)}, "guidance 'linear' must give strengths"),
        ({"perturbation": 0.1}, "perturbation must be a Perturbation"),
        ({"perturbation": fp.cosine_error("score", 0.1, [1.0, 0.0])}, "wave must have length 1"),
        (
            {"perturbation": fp.score_error(lambda x, t: x, lambda x, t: np.ones(7))},
            "perturbation must have a divergence of shape",
        ),
    ],
)
def test_bad_fields_of_a_process(fields, words):
    with pytest.raises(ValueError, match=words) as caught:
        fp.reverse_process(LINE, 1, **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fp.IntervalStrength(1.0, 2.0, 1.0), "high must be"),
        (lambda: fp.IntervalStrength(1.0, -1.0, 1.0), "low must be"),
        (lambda: fp.IntervalStrength(-1.0, 0.0, 1.0), "strength must be"),
        (lambda: fp.PowerStrength(1.0, -1.0), "power must be >= 0"),
        (lambda: fp.PowerStrength(1.0, 100.0), "power must be <= 8"),
        (lambda: fp.TimeStrength(3.0), "function must be callable"),
        (lambda: fp.TimeStrength(lambda t: -1.0), "must give strengths in 0.."),
        (lambda: fp.TimeStrength(lambda t: None), "must return a number"),
        (lambda: fp.cosine_error("both", 1.0, 1.0), "kind must be one of"),
        (lambda: fp.cosine_error("score", -1.0, 1.0), "amplitude must be >= 0"),
        (lambda: fp.cosine_error("score", 1.0, [1.0, 2.0], direction=[1.0]), "direction must"),
        (lambda: fp.score_error(1.0, lambda x, t: x), "function must be callable"),
    ],
)
def test_bad_rules_and_errors(make, words):
    with pytest.raises(ValueError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
