"""Coupled differences against the density solver and closed forms, at stated false-alarm rates."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

import fokker_planck as fp
import sde_compare as sc
from sde_compare.variance_ratio import variance_ratio

FALSE_ALARM = 1e-6
PAIR = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1)
THREE = fp.reverse_process(
    fp.GaussianMixture([0.3, 0.4, 0.3], [-2.0, 0.0, 2.0]), 1, noise_level=0.7
)
LAW = fp.GaussianMixture([1.0], [0.0])


@pytest.mark.parametrize(
    ("process", "strengths", "coupling"),
    [
        (PAIR, (3.0, 0.0), "synchronous"),
        (PAIR, (4.0, 3.0), "synchronous"),
        (PAIR, (1.0, 0.5), "reflection"),
        (PAIR, (1.0, 0.5), "antithetic"),
        (THREE, (2.0, 1.0), "monotone"),
        (PAIR.with_noise_level(0.0), (1.0, 0.0), "synchronous"),
    ],
)
def test_gains_cover_the_difference_of_densities(process, strengths, coupling):
    """Each interval misses with probability 1e-6, up to the allowance for the step size."""
    a, b = (process.with_strength(s) for s in strengths)
    found = sc.gain(a, b, 30_000, 80, coupling, confidence=1 - FALSE_ALARM)
    after, before = (fp.solve(p, tol=1e-8).complement_mass[-1] for p in (a, b))
    truth = before - after
    assert abs(found.difference.value - truth.value) <= found.difference.error + truth.error
    assert found.difference.kind == "interval" and found.difference.error < 0.2
    assert found.sampling + found.discretisation == pytest.approx(found.difference.error)
    assert found.variance_ratio.error < np.inf
    if coupling == "synchronous" and strengths[1] == 0:
        assert found.variance_ratio.upper < 1 and found.at_step.error < found.independent
        assert found.paths_saved.lower > 0


def test_a_fault_in_the_coupled_law_is_seen():
    """A gain of strength 3 over 0 is not that over 0.3."""
    found = sc.gain(PAIR.with_strength(3.0), PAIR, 30_000, 80, confidence=1 - FALSE_ALARM)
    after, before = (fp.solve(PAIR.with_strength(s)).complement_mass[-1].value for s in (3.0, 0.3))
    assert abs(found.difference.value - (before - after)) > found.difference.error


def test_near_strengths_share_nearly_all_their_noise():
    """Strengths 4 and 3: a thirtieth of the variance, measured with its interval."""
    a, b = PAIR.with_strength(4.0), PAIR.with_strength(3.0)
    found = sc.gain(a, b, 2**17, 40, rule="exponential", confidence=1 - FALSE_ALARM)
    assert found.variance_ratio.upper < 0.3
    assert found.paths_saved.value == pytest.approx(1 - found.variance_ratio.value)


def test_the_variance_ratio_of_two_indicators_is_covered():
    """Gaussian outputs shifted by s with common noise: the indicators differ on (-s, 0)."""
    low = fp.Process(lambda x, tau: -x, 1.0, LAW, 1.0)
    high = fp.Process(lambda x, tau: 0.5 - x, 1.0, LAW, 1.0)
    above = dict(observable=lambda x: x > 0, confidence=1 - FALSE_ALARM)
    found = sc.gain(high, low, 100_000, 8, **above)
    h = 1 / 8
    deviation = np.sqrt((1 - h) ** 16 + h * (1 - (1 - h) ** 16) / (1 - (1 - h) ** 2))
    p = norm.cdf(0.5 * (1 - (1 - h) ** 8) / deviation)
    gained = p - 0.5
    truth = gained * (1 - gained) / (p * (1 - p) + 0.25)
    assert found.variance_ratio.contains(truth) and found.variance_ratio.error < 0.05
    assert found.at_step.contains(gained)


def test_antithetic_means():
    """Odd functions of a symmetric law cost nothing; even ones cost twice."""
    process = fp.Process(lambda x, tau: -x, 1.0, LAW, 1.0)
    odd = sc.antithetic_mean(process, 4000, 8, lambda x: x > 0)
    assert odd.at_step.value == 0.5 and odd.variance_ratio.value == 0
    even = sc.antithetic_mean(process, 4000, 8, lambda x: np.abs(x) < 1)
    assert even.variance_ratio.value == 2
    sampler = PAIR.with_strength(3.0)
    found = sc.antithetic_mean(sampler, 2**17, 40, confidence=1 - FALSE_ALARM)
    truth = fp.solve(sampler).complement_mass[-1]
    assert abs(found.mean.value - truth.value) <= found.mean.error + truth.error
    assert found.variance_ratio.upper < 1
    mass = sc.antithetic_mean(sampler, 2000, 40, "posterior_mass")
    rest = sc.antithetic_mean(sampler, 2000, 40)
    assert mass.mean.value == pytest.approx(1 - rest.mean.value)


def test_variance_ratio_of_correlated_signs():
    """Signs of correlated normals, ratio 1 + corr, at 300 pairs and at 100 000."""
    rho = -0.6
    both = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([0.0, 0.0])
    truth = 1 + (both - 0.25) / 0.25
    rng = np.random.default_rng(4)
    for n in (300, 100_000):
        x = rng.standard_normal(n)
        y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(n)
        found = variance_ratio(1.0 * (x > 0), 1.0 * (y > 0), 1.0, (1.0, 1.0), 1 - FALSE_ALARM / 2)
        assert found.contains(truth)
    assert found.error < 0.05
    assert variance_ratio(np.ones(9), np.ones(9), 1.0, (1.0, 1.0), 0.9).error == np.inf


def test_gains_repeat_to_the_bit_on_any_threads():
    a, b = (
        sc.gain(PAIR.with_strength(1.0), PAIR, 17_000, 8, "reflection", threads=t) for t in (1, 2)
    )
    assert a.difference.value == b.difference.value and a.difference.error == b.difference.error
    assert a.variance_ratio.value == b.variance_ratio.value


def test_steps_that_are_too_large_give_no_error_bar():
    """Euler steps of 1.25 and more: nothing is known of step size zero, and that is said."""
    found = sc.gain(PAIR.with_strength(30.0), PAIR, 20_000, 4)
    assert found.difference.error == np.inf and np.isfinite(found.at_step.error)


OTHER = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 2.0]), 1)


@pytest.mark.parametrize(
    ("other", "arguments", "words"),
    [
        (PAIR, {"n_steps": 6}, "n_steps must be a multiple of 4, got 6"),
        (PAIR, {"n_paths": 0}, "n_paths must be >= 1, got 0"),
        (PAIR, {"observable": "entropy"}, "observable must be one of posterior_mass, .*'entropy'"),
        (OTHER, {}, "observable must be a function where .* got 'posterior_mass'"),
        (PAIR, {"observable": np.sin, "bounds": (1.0, 1.0)}, "bounds must rise"),
        (
            PAIR,
            {"observable": lambda x: 3 * np.ones_like(x)},
            "observable must lie in .0, 1., got .3, 3",
        ),
        (PAIR, {"observable": lambda x: 0.0}, "observable must return shape"),
        (PAIR, {"confidence": 1.0}, "confidence must be < 1"),
        (PAIR, {"coupling": "glued"}, "coupling must be one of"),
    ],
)
def test_bad_gains_are_refused(other, arguments, words):
    with pytest.raises(ValueError, match=words):
        sc.gain(PAIR, other, **{"n_paths": 10, "n_steps": 4, **arguments})
