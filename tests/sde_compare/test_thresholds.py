"""Critical strengths of step maps against the formulas of D1 and D4, and against chains."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

import fokker_planck as fp
from sde_compare.thresholds import Slopes, fold_threshold, linear_threshold, swing_threshold


def centre(w, m, sampler="ode", horizon=6.0):
    mixture = fp.GaussianMixture([w, 1 - 2 * w, w], [-m, 0.0, m])
    return fp.reverse_process(mixture, 1, strength=1.0, sampler=sampler, horizon=horizon)


def formula(w, h, sampler):
    """D1: 1 / (h W) for the ODE, (1 - h/2) / (2 h W) for the SDE."""
    big = float(lambertw(2 * w / (math.e * (1 - 2 * w))).real)
    return 1 / (h * big) if sampler == "ode" else (1 - h / 2) / (2 * h * big)


@settings(max_examples=8, deadline=None)
@given(
    st.floats(0.08, 0.4),
    st.floats(2.6, 6.0),
    st.floats(0.02, 0.5),
    st.sampled_from(["ode", "sde"]),
)
def test_the_centre_swings_from_the_strength_of_d1_on(w, m, h, sampler):
    big = float(lambertw(2 * w / (math.e * (1 - 2 * w))).real)
    # a step of length h starts at t >= h: it must be able to start where beta = 2 (1 + W)
    assume(math.log(m / math.sqrt(2 * (1 + big))) >= h)
    found = linear_threshold(centre(w, m, sampler), h)
    wanted = formula(w, h, sampler)
    assert abs(found.strength.value - wanted) <= found.strength.error
    assert found.strength.error < 1e-9 * wanted
    # reached where beta = r^2 m^2 is 2 (1 + W)
    assert math.exp(-2 * found.t) * m**2 == pytest.approx(2 * (1 + big), rel=1e-4)


def test_without_room_for_the_window_the_threshold_is_at_the_output():
    """m^2 < 2 (1 + W): beta kappa rises to the end, and the last step decides."""
    w, m, h = 0.25, 1.2, 0.1
    found = linear_threshold(centre(w, m), h)
    beta = math.exp(-2 * h) * m**2  # the last step starts at t = h
    kappa = 2 * w / ((1 - 2 * w) * math.exp(beta / 2) + 2 * w)
    assert found.t == pytest.approx(h)
    assert found.strength.value == pytest.approx(2 / (h * beta * kappa), rel=1e-10)


@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_the_grid_of_a_chain_meets_the_continuum_up_to_its_steps(sampler):
    process = centre(0.3, 3.0, sampler)
    gaps = []
    for n in (30, 60, 120):
        chain = swing_threshold(process, np.linspace(0, 6, n + 1), start=0.0)
        limit = linear_threshold(process, 6 / n)
        assert chain.strength.value >= limit.strength.value - limit.strength.error
        gaps.append(chain.strength.value / limit.strength.value - 1)
    assert max(gaps) < 0.02


@pytest.mark.parametrize("rule", ["euler", "exponential", "ddim", "ddpm"])
def test_slopes_are_those_of_the_production_step(rule):
    from sde_compare.rules import step_table

    sampler = "sde" if rule == "ddpm" else "ode"
    mixture = fp.GaussianMixture([0.2, 0.5, 0.3], [-1.0, 0.3, 2.0], [0.6, 0.6, 0.6])
    process = fp.reverse_process(mixture, 1, strength=7.0, sampler=sampler)
    slopes, x, d = Slopes(process, rule), np.linspace(-4, 4, 41), 1e-5
    for tau, h in ((0.0, 0.3), (3.1, 0.2), (4.5, 0.5)):
        table = step_table(process, np.array([tau, tau + h]), rule)

        def move(u, tau=tau, table=table):
            return table.linear[0] * u + table.score[0] * process.score(u, tau)

        still, fall = slopes.parts(x, tau, h)
        slope = (move(x + d) - move(x - d)) / (2 * d)
        assert np.allclose(still - 7.0 * fall, slope, atol=1e-7)


def test_two_components_fold_where_d4_allows_it():
    process = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1, sampler="ode")
    for h in (0.2,):
        found = fold_threshold(process, h)
        # the last step starts at t = h, where the slope along v is 1 - h eta r^2 |v|^2 P (1 - P)
        assert found.kind == "fold"
        wanted = math.exp(2 * h) / h
        assert abs(found.strength.value - wanted) <= found.strength.error < 1e-8
        assert found.strength.value >= 4 / (h * 4)  # D4 is sufficient
    noisy = fold_threshold(process.with_noise_level(1.0), 0.1)
    assert noisy.strength.value >= (1 - 0.1) / (0.1 * 4 / 2)


def test_a_step_that_turns_the_line_over_without_guidance_is_named():
    process = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1, sampler="sde")
    found = fold_threshold(process, 1.25)
    assert found.kind == "loss of order" and found.strength.value == 0


def test_above_the_threshold_a_chain_swings_and_below_it_does_not():
    process = centre(0.3, 3.0)
    n = 60
    tau = np.linspace(0, 6, n + 1)
    eta = swing_threshold(process, tau, start=0.0).strength.value
    grown = []
    for share in (0.98, 1.02):
        guided = process.with_strength(share * eta)
        # the largest growth of one step near the centre
        factors = []
        for a, b in itertools.pairwise(tau):
            x = np.array([1e-6])
            factors.append(float((x + (b - a) * guided.drift(x, float(a)))[0] / x[0]))
        grown.append(min(factors))
    assert grown[0] > -1 > grown[1]


def test_a_single_class_never_swings():
    mixture = fp.GaussianMixture([1.0], [0.5])
    process = fp.reverse_process(mixture, 0, sampler="ode")
    assert swing_threshold(process, np.linspace(0, 5, 11)).strength.value == math.inf
    assert fold_threshold(process, 0.5).strength.value == math.inf


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: linear_threshold(p, 0.0), "h must be > 0"),
        (lambda p: linear_threshold(p, 9.0), "h must be at most the horizon 6, got 9"),
        (lambda p: linear_threshold(p, 0.1, centre=1.0), "centre must stay where it is, got 1"),
        (lambda p: fold_threshold(p, 0.1, "heun"), "rule must be"),
        (lambda p: swing_threshold(p, [0.0, 7.0]), "time_grid must rise from 0 to 6"),
        (lambda p: fold_threshold("two", 0.1), "process must be a 1-D ReverseProcess"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError) as caught:
        call(centre(0.3, 3.0))
    assert words in str(caught.value) and "\n" not in str(caught.value)
