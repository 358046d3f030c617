"""The claims' own numerics, against closed forms and numbers from the theory."""

import numpy as np
import pytest
from scipy.stats import norm

import fokker_planck as fp
import sde_compare as sc
from proofs_check.casework import run_case
from proofs_check.claims import e1, g0, t1, t2, x1
from proofs_check.claims.identity import clenshaw_curtis, entropy_loss, posterior_variance
from proofs_check.claims.pathwise import (
    coupled_rise,
    path_evidence,
    replayed,
    replayed_states,
    scale,
)
from proofs_check.claims.rises import Rise
from proofs_check.claims.tables import MODELS, case, random_cases
from proofs_check.registry import Case, Context

CONTEXT = Context(share=1e-3 / 50)


# --- the entropy identity -----------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 8, 16])
def test_clenshaw_curtis_is_exact_for_polynomials(n):
    x, w = clenshaw_curtis(n, 3.0)
    for k in range(n + 1):
        assert w @ x**k == pytest.approx(3.0 ** (k + 1) / (k + 1), rel=1e-13)
    assert np.all(w > 0)
    half = clenshaw_curtis(n // 2, 3.0)[0] if n > 2 else x[::2]
    assert x[::2] == pytest.approx(half, abs=1e-15)


@pytest.mark.parametrize("name", ["two-narrow", "three-extreme", "three-centre"])
@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_posterior_covariance_gives_the_divergence_of_the_drift(name, sampler):
    """I2: the covariance written in the claim against the model's divergence."""
    p = case(name, 3.0, sampler).process
    x = np.linspace(-8, 8, 101)
    for tau in (0.0, 2.5, 4.9, 5.0):
        r2 = np.exp(-2 * (p.horizon - tau))
        c = r2 * p.mixture.covariances[0, 0, 0] + 1 - r2
        drop = (1 + p.noise_level**2) * 3.0 * r2 * posterior_variance(p, x, tau) / c**2
        expected = p.with_strength(0).divergence(x, tau) - p.divergence(x, tau)
        assert drop == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_the_error_of_the_loss_integral_covers_its_error():
    p = case("two", 3.0, "ode").process
    truth = entropy_loss(p, 128).value
    for n in (8, 16, 32, 64):
        found = entropy_loss(p, n)
        assert abs(found.value - truth) <= sum(found.budget.values())


def test_e1_reproduces_the_reference_entropy():
    found = e1.entropy_gap(case("two", 3, "ode"))
    error = float(found.margin.error)
    assert error < 1e-8
    assert abs(found.details["entropy_guided"] - 0.86389653751926) <= error


# --- paths --------------------------------------------------------------------------------------


def test_the_linear_rise_is_the_difference_of_the_models_log_ratios():
    p = case("three-extreme", 4.0, "sde").process
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 3, 50, 1))
    tau = np.array([1.0, 4.0, 5.0])
    rise = Rise(p)(a, b, tau)
    for i, s in enumerate(tau):
        gap = p.log_ratios(a[i, :, 0], s) - p.log_ratios(b[i, :, 0], s)
        expected = np.delete(gap, p.target, axis=0).min(axis=0)
        assert rise[i] == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_the_sensitivity_bounds_what_a_small_move_does():
    p = case("three-centre", 1.0, "sde").process
    x = np.linspace(-6, 6, 200)[None, :, None]
    tau = np.array([p.horizon])
    for kind in ("log_ratio", "log_odds"):
        rise = Rise(p, kind)
        moved = rise(x + 1e-6, x, tau)
        assert np.all(np.abs(moved) <= 1e-6 * rise.sensitivity(tau) * (1 + 1e-6) + 1e-14)


@pytest.mark.parametrize("sampler", ["ode", "sde"])
@pytest.mark.parametrize("kind", ["log_ratio", "log_odds"])
def test_the_error_of_a_path_exceeds_its_true_error(sampler, kind):
    """Other paths than the calibrating ones, against 32 times as many steps of the same noise."""
    p = case("three-centre", 2, sampler).process
    rise = Rise(p, kind)
    test = coupled_rise(p, p.with_strength(0), rise, CONTEXT, n_steps=96)
    chosen = np.arange(4096, 4096 + 300)
    states = [replayed_states(test.paths, chosen, depth) for depth in (1, 32)]
    coarse = sc.replay(test.paths, chosen, 1)
    low = tuple(np.moveaxis(path, 1, 0)[1:] for path in (coarse.path_a, coarse.path_b))
    tau = test.paths.times[1:]
    fine, truth, other = (rise(a, b, tau) for a, b in (*states, low))
    bar = test.factor * scale(fine, other)
    escaped = np.any(np.abs(fine - truth) > bar, axis=0)
    assert escaped.mean() < 0.05
    if sampler == "ode":
        assert not escaped.any()
    # and it is not useless
    assert np.median(bar / np.maximum(np.abs(fine - truth), 1e-12)) < 100


def test_x1_loses_a_fifth_of_its_paths_while_the_mean_rises():
    record = run_case(x1.CLAIM, x1.cases("quick", 0)[0], CONTEXT)
    assert record["verdict"] == "REFUTED"
    assert record["witness"]["confirmed"]
    details = record["evidence"][0]["details"]
    low, high = details["losing_fraction_interval"]
    assert low < 0.21 < high
    assert high - low < 0.07
    rise, error = details["rise_of_mean_confidence"], details["rise_of_mean_confidence_error"]
    assert rise - error > 0
    assert rise == pytest.approx(0.68 - 0.57, abs=0.01)


def test_a_witness_is_the_same_path_again():
    item = x1.cases("quick", 0)[0]
    p = item.process
    rise = Rise(p, "log_odds")
    test = coupled_rise(p, p.with_strength(0), rise, CONTEXT)
    again = replayed(test, rise, test.worst, rule="euler")
    gap = abs(again.value - test.value[test.worst])
    assert gap <= again.margin.error + test.discretisation[test.worst]


def test_the_share_of_paths_that_could_violate_is_a_sum_of_two_limits():
    """Of the paths seen to violate or undecided, and of those whose error is above its bar."""
    item = case("two", 3, "ode")
    test = t1.path_test(item.process, CONTEXT, 3.0, 0.0)
    details = path_evidence("rise", test, CONTEXT, None).details
    assert details["violating"] == details["undecided"] == 0
    seen = 1 - CONTEXT.share ** (1 / details["n_paths"])
    above = 1 - CONTEXT.share ** (1 / details["calibrated_paths"])
    assert details["seen_or_undecided_share_below"] == pytest.approx(seen, rel=1e-9)
    assert details["error_factor_exceeded_by_below"] == pytest.approx(above, rel=1e-9)
    assert details["violating_share_below"] == pytest.approx(seen + above, rel=1e-9)
    assert details["violating_share_below"] < 0.02
    assert details["confidence"] == pytest.approx(1 - 2 * CONTEXT.share, rel=1e-12)


def test_one_component_is_a_control_everywhere():
    p = fp.reverse_process(fp.GaussianMixture([1.0], [2.0]), 0, strength=3.0)
    for claim in (t1.T1, t2.CLAIM):
        record = run_case(claim, Case("alone", p), CONTEXT)
        assert record["role"] == "control"
        assert record["verdict"] == "SUPPORTED"


# --- T2 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("strength", "value"), [(0.5, 1.3359), (1, 1.1694), (2, 1.0796)])
def test_the_reciprocal_confidence_of_two_components(strength, value):
    found = t2.reciprocal_gap(case("two", strength, "sde", initial="exact"))
    assert found.details["start"] == pytest.approx(2.0, abs=1e-6)
    assert found.details["output"] == pytest.approx(value, abs=5e-5)


def test_the_tail_bound_takes_the_wanted_values():
    for name in ("two", "two-unequal", "wide-narrow"):
        p = case(name, 2.0, "sde").process
        for target in t2.TARGETS:
            assert t2.tail_bound(p, t2.level_for(p, target)) == pytest.approx(target, rel=1e-8)


def test_the_tail_bound_against_a_closed_form():
    """At strength 0 and from N(0,1) it is eps E(1 + e^{-2 r x}): the cut is out of reach."""
    p = case("two", 0.0, "sde").process
    r, eps = np.exp(-5.0), 0.3
    assert t2.tail_bound(p, np.log(eps)) == pytest.approx(eps * (1 + np.exp(2 * r * r)), rel=1e-12)


def test_the_frequency_agrees_with_the_normal_law():
    """At strength 0 and the exact start the output is N(1, 1), so the tail is known."""
    item = case("two", 0.0, "sde", initial="exact")
    for found in t2.tail_evidence(item, CONTEXT):
        eps = found.details["epsilon"]
        truth = norm.cdf(0.5 * np.log(eps / (1 - eps)) - 1)
        error = found.budget["sampling"] + found.budget["discretisation"]
        assert abs(found.details["frequency"] - truth) <= error


# --- G0 -----------------------------------------------------------------------------------------


def test_the_rounding_bound_of_g0_holds_for_random_models():
    for item in random_cases(60, 3, "g0 test"):
        (found,) = g0.gather(item, CONTEXT)
        assert found.verdict == "SUPPORTED", (item.id, found.to_dict())
        assert found.margin.error < 1e-8


# --- tables -------------------------------------------------------------------------------------


def test_random_cases_follow_the_published_distribution():
    table = random_cases(200, 0, "test")
    again = random_cases(200, 0, "test")
    other = random_cases(200, 1, "test")
    assert [c.process.spec() for c in table] == [c.process.spec() for c in again]
    assert table[0].process.spec() != other[0].process.spec()
    for item in table:
        p = item.process
        gaps = np.diff(np.sort(p.mixture.means[:, 0]))
        assert np.all((gaps >= 0.1 * (1 - 1e-12)) & (gaps <= 8 * (1 + 1e-12)))
        assert p.mixture.weights.min() >= 0.01 * (1 - 1e-9)
        assert 0 <= p.strength <= 16
        assert 1 <= p.horizon <= 8
    for item in random_cases(50, 0, "extreme", extreme=True):
        mu = item.process.mixture.means[:, 0]
        assert mu[item.process.target] in (mu.min(), mu.max())


def test_named_models_are_valid_and_parameters_rebuild_them():
    for name in MODELS:
        item = case(name, 2.0, "sde", horizon=4.0)
        q = item.parameters()
        mixture = fp.GaussianMixture(q["weights"], q["means"], q["covariances"])
        again = fp.reverse_process(
            mixture, q["target"], strength=q["strength"], sampler=q["sampler"], horizon=q["horizon"]
        )
        assert again.spec() == item.process.spec()


def test_clopper_pearson_is_one_sided_where_it_says_so():
    limit = sc.clopper_pearson_limits(0, 8192, 1 - CONTEXT.share, "upper")[1]
    assert (1 - limit) ** 8192 == pytest.approx(CONTEXT.share, rel=1e-6)
