"""Tail bounds: at least the true tail where it is known, and not absurdly more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cases import random_process
from scipy.special import ndtr

import fokker_planck as fp
from fokker_planck.pilot import Outer, pilot_times, run_pilots
from fokker_planck.tails import tail_bound


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(1.0, 6.0))
def test_the_bound_is_at_least_the_true_tail(seed, z):
    """Strength 0: the law is Gaussian in closed form at every time."""
    process = random_process(np.random.default_rng([5, seed]), strength=0.0, variances=True)
    bound = tail_bound(process)
    m, v = fp.unguided_moments(process, bound.taus)
    s = np.sqrt(v)
    true_tail = 2 * ndtr(-z)
    for mean in (None, m):
        claimed = np.exp(bound.log_outside(m - z * s, m + z * s, mean))
        assert np.all(claimed >= true_tail * (1 - 1e-6))


@pytest.mark.parametrize("sampler", ["ode", "sde"])
@pytest.mark.parametrize("strength", [1.0, 8.0])
def test_a_guided_law_stays_in_its_box(sampler, strength):
    mixture = fp.GaussianMixture([0.3, 0.3, 0.4], [-2, 0, 1.5])
    process = fp.reverse_process(mixture, 2, strength=strength, sampler=sampler)
    low, high = tail_bound(process).static_box()
    rng = np.random.default_rng(0)
    x = process.initial.sample(4000, rng)[:, 0]
    n = 400
    h = process.horizon / n
    for j in range(n):
        noise = float(process.noise(j * h)) * np.sqrt(h) * rng.standard_normal(x.size)
        x = x + h * process.drift(x, j * h) + noise
        assert low < x.min()
        assert x.max() < high
    assert high - low < 60


def test_intervals_keep_their_promise():
    process = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1, 1]), 1, strength=3.0)
    bound = tail_bound(process)
    for level in (1e-6, 1e-12, 1e-18):
        lower, upper = bound.interval(level)
        assert np.all(np.exp(bound.log_outside(lower, upper)) <= 1.01 * level)


def test_a_confining_drift_that_is_not_affine_has_a_box():
    start = fp.GaussianMixture([1.0], [0.0], 0.3)
    low, high = tail_bound(fp.Process(lambda x, tau: x - x**3, 1.0, start, 5.0)).static_box()
    assert -20 < low < -3
    assert 3 < high < 20


def test_an_explosive_drift_has_no_box():
    start = fp.GaussianMixture([1.0], [0.0])
    process = fp.Process(lambda x, tau: x**3, 1.0, start, 2.0)
    low, high = tail_bound(process).static_box()
    assert not np.isfinite(high - low) or high - low > 1e3
    with pytest.raises(fp.SolverError, match="box"):
        fp.solve(process, method="spectral")


def test_the_pilot_overestimates_gaussian_tails():
    """Ornstein-Uhlenbeck from N(0, 1): the law stays N(0, 1)."""
    equation = Outer(
        lambda taus, y: np.broadcast_to(-y, (taus.size, y.size)),
        lambda taus: np.ones(taus.shape),
        lambda y: np.exp(-0.5 * y * y) / np.sqrt(2 * np.pi),
        (-20.0, 20.0),
    )
    pilot = run_pilots([equation], pilot_times(3.0))[0]
    for face in (3.0, 5.0, 7.0):
        claimed = pilot.outside(-face, face, [3.0])[0]
        assert 2 * ndtr(-face) <= claimed
    low, high = pilot.box(1e-18)
    assert -18 < low < -8.5
    assert 8.5 < high < 18
