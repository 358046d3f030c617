"""The model against closed forms, finite differences, extended precision and its own twin."""

from __future__ import annotations

import json

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cases import random_process
from scipy.integrate import quad

import fokker_planck as fp
from fokker_planck.model import content_seed
from fokker_planck.model.vector import VectorPosterior

seeds = st.integers(0, 10**6)


def drawn(seed: int, **fields) -> tuple[fp.ReverseProcess, np.ndarray, float]:
    rng = np.random.default_rng([3, seed])
    process = random_process(rng, **fields)
    return process, rng.normal(0, 3, size=17), float(rng.uniform(0, process.horizon))


@settings(max_examples=60, deadline=None)
@given(seeds, st.booleans())
def test_the_divergence_is_the_derivative_of_the_drift(seed, variances):
    process, x, tau = drawn(seed, variances=variances)
    h = 1e-4
    points = x[None, :] + h * np.array([-2, -1, 1, 2])[:, None]
    b = process.drift(points, np.full((4, 1), tau))
    slope = (b[0] - 8 * b[1] + 8 * b[2] - b[3]) / (12 * h)
    size = np.abs(process.divergence(x, tau)).max() + np.abs(b).max()
    assert np.allclose(process.divergence(x, tau), slope, atol=1e-6 * size, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(seeds, st.booleans())
def test_two_routes_give_one_score(seed, variances):
    """G0: classifier and classifier-free guidance coincide when scores are exact."""
    process, x, tau = drawn(seed, variances=variances)
    one, other = process.score(x, tau), process.score(x, tau, route="classifier-free")
    assert np.allclose(one, other, rtol=1e-10, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(seeds, st.booleans())
def test_the_line_and_the_general_code_agree(seed, variances):
    process, x, tau = drawn(seed, variances=variances)
    t = process.forward_time(tau)
    general = VectorPosterior(process.mixture, process.target, process.schedule)
    for a, b in zip(process.posterior.scores(x, t), general.scores(x[:, None], t), strict=True):
        assert np.allclose(a, b.reshape(a.shape), rtol=1e-9, atol=1e-9)
    assert np.allclose(process.posterior.log_posterior(x, t), general.log_posterior(x[:, None], t))
    assert np.allclose(
        process.posterior.log_complement(x, t), general.log_complement(x[:, None], t)
    )


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_the_posterior_gradient_is_the_derivative_of_the_log_posterior(seed):
    process, x, tau = drawn(seed, variances=True)
    h = 1e-4
    t = process.forward_time(tau)
    ahead, behind = (process.log_posterior(x + s * h, tau) for s in (1, -1))
    gradient = process.posterior.posterior_gradient(x, t)
    assert np.allclose(gradient, (ahead - behind) / (2 * h), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("x", [-400.0, -20.0, 0.3, 20.0, 400.0])
@pytest.mark.parametrize("covariances", [None, [0.5, 2.0, 1.0]])
def test_the_log_domain_against_50_digits(x, covariances):
    """Posteriors far within 1e-300 of 0 and 1 keep their relative accuracy."""
    weights, means = [0.2, 0.5, 0.3], [-1.0, 0.5, 2.0]
    process = fp.reverse_process(
        fp.GaussianMixture(weights, means, covariances), 1, strength=2.0, horizon=3.0
    )
    t = 0.25
    with mpmath.workdps(400):
        r = mpmath.e ** (-mpmath.mpf(t))
        terms = []
        for w, m, v in zip(weights, means, covariances or [1.0] * 3, strict=True):
            c = r * r * v + 1 - r * r
            terms.append(w * mpmath.exp(-((x - r * m) ** 2) / (2 * c)) / mpmath.sqrt(c))
        log_p = mpmath.log(terms[1] / sum(terms))
        log_rest = mpmath.log((terms[0] + terms[2]) / sum(terms))
    tau = process.horizon - t
    assert process.log_posterior(x, tau) == pytest.approx(float(log_p), rel=1e-12, abs=1e-300)
    assert process.log_complement(x, tau) == pytest.approx(float(log_rest), rel=1e-12)


def test_log_ratios_are_zero_at_the_target_and_consistent():
    process, x, tau = drawn(5)
    ratios = process.log_ratios(x, tau)
    assert np.all(ratios[process.target] == 0)
    expected = -np.log(np.exp(-ratios).sum(axis=0))
    assert np.allclose(process.log_posterior(x, tau), expected)


def test_a_component_without_weight_does_not_matter():
    x = np.linspace(-3, 3, 7)
    full = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1, 1]), 1, strength=2.0)
    padded = fp.reverse_process(fp.GaussianMixture([0.5, 0.5, 0], [-1, 1, 7]), 1, strength=2.0)
    assert np.array_equal(full.drift(x, 1.0), padded.drift(x, 1.0))
    assert np.all(padded.log_ratios(x, 1.0)[2] == np.inf)


def test_splitting_a_component_in_two_equal_halves_changes_nothing():
    x = np.linspace(-4, 4, 9)
    whole = fp.reverse_process(fp.GaussianMixture([0.4, 0.6], [-1, 1]), 1, strength=3.0)
    split = fp.reverse_process(fp.GaussianMixture([0.2, 0.2, 0.6], [-1, -1, 1]), 2, strength=3.0)
    assert np.allclose(whole.drift(x, 4.0), split.drift(x, 4.0), rtol=1e-13)


def test_noise_levels_and_names():
    mixture = fp.GaussianMixture([0.5, 0.5], [-1, 1])
    ode = fp.reverse_process(mixture, 1, sampler="ode")
    sde = fp.reverse_process(mixture, 1, sampler="sde")
    assert ode.deterministic
    assert ode.noise(1.0) == 0
    assert sde.noise(1.0) == pytest.approx(np.sqrt(2))
    assert fp.reverse_process(mixture, 1, noise_level=0.5).noise(0.0) == pytest.approx(
        0.5 * np.sqrt(2)
    )
    assert fp.reverse_process(mixture, 1, scale=4.0).strength == 3.0
    x = np.linspace(-2, 2, 5)
    # b = x + (1 + lambda^2) s
    score = ode.score(x, 2.0)
    assert np.allclose(ode.drift(x, 2.0), x + score)
    assert np.allclose(sde.drift(x, 2.0), x + 2 * score)


@pytest.mark.parametrize("noise_level", [0.0, 0.4, 1.0, 2.0])
@pytest.mark.parametrize("variance", [0.01, 1.0, 5.0])
def test_the_unguided_moments_solve_their_equations(noise_level, variance):
    """I4 against the moment equations m' = E b and V' = 2 E (x-m) b + 2 D, integrated by quad."""
    process = fp.reverse_process(
        fp.GaussianMixture([0.3, 0.7], [-1.0, 2.0], variance), 1, noise_level=noise_level
    )
    for tau in (0.5, 2.5, 4.7):
        h = 1e-5
        (m0, v0), (m1, v1) = (fp.unguided_moments(process, tau + s * h) for s in (-1, 1))
        m, v = fp.unguided_moments(process, tau)
        slope = float(process.with_strength(0).divergence(np.array([0.0]), tau)[0])
        drift = float(process.with_strength(0).drift(np.array([float(m)]), tau)[0])
        assert (m1 - m0) / (2 * h) == pytest.approx(drift, rel=1e-5, abs=1e-7)
        assert (v1 - v0) / (2 * h) == pytest.approx(
            2 * slope * float(v) + 2 * noise_level**2, rel=1e-5, abs=1e-6
        )


def test_the_exact_start_stays_exact_without_guidance():
    mixture = fp.GaussianMixture([0.3, 0.7], [-1.0, 2.0], [0.5, 3.0])
    process = fp.reverse_process(mixture, 0, sampler="sde", initial="exact")
    m, v = fp.unguided_moments(process, process.horizon)
    assert (float(m), float(v)) == pytest.approx((-1.0, 0.5))


def test_a_mixture_is_a_density_with_its_moments():
    mixture = fp.GaussianMixture([0.2, 0.8], [-1.0, 2.0], [0.3, 2.0])

    def p(x: float) -> float:
        return float(np.exp(mixture.log_density(np.array([x]))[0]))

    total = quad(p, -20, 20, points=[-1, 2])[0]
    mean = quad(lambda x: x * p(x), -20, 20, points=[-1, 2])[0]
    second = quad(lambda x: x * x * p(x), -20, 20, points=[-1, 2])[0]
    assert total == pytest.approx(1, abs=1e-9)
    assert mean == pytest.approx(mixture.mean[0])
    assert second - mean**2 == pytest.approx(mixture.covariance[0, 0])


def test_two_dimensions_divergence_and_routes():
    mixture = fp.GaussianMixture(
        [0.5, 0.3, 0.2],
        [[-1, 0], [1, 0], [0, 2]],
        [[[1, 0.3], [0.3, 2]], [[1, 0], [0, 0.2]], [[0.5, -0.1], [-0.1, 0.4]]],
    )
    process = fp.reverse_process(mixture, 1, strength=3)
    x = np.random.default_rng(0).normal(size=(11, 2))
    b, div = process.drift_and_divergence(x, 4.5)
    h, slope = 1e-5, 0.0
    for i, e in enumerate(np.eye(2)):
        gap = process.drift(x + h * e, 4.5) - process.drift(x - h * e, 4.5)
        slope = slope + gap[:, i] / (2 * h)
    assert b.shape == x.shape
    assert np.allclose(div, slope, rtol=1e-6, atol=1e-6)
    assert np.allclose(process.score(x, 4.5), process.score(x, 4.5, route="classifier-free"))


def test_shapes_of_points():
    process = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1, 1]), 1, strength=1.0)
    x = np.linspace(-1, 1, 4)
    assert process.drift(x, 0.5).shape == (4,)
    assert process.drift(x[:, None], 0.5).shape == (4, 1)
    assert np.array_equal(process.drift(x[:, None], 0.5)[:, 0], process.drift(x, 0.5))
    assert process.log_posterior(x[:, None], 0.5).shape == (4,)
    many = process.drift(x[None, :], np.array([[0.5], [1.0]]))
    assert many.shape == (2, 4)
    assert np.allclose(many[1], process.drift(x, 1.0))


def test_seeds_come_from_content():
    a = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1, 1]), 1, strength=1.0)
    b = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1, scale=2.0)
    assert content_seed(a.spec(), 7) == content_seed(b.spec(), 7)
    assert content_seed(a.spec(), 7) != content_seed(a.spec(), 8)
    assert content_seed(a.spec(), 7) != content_seed(a.with_strength(2.0).spec(), 7)
    json.dumps(a.spec(), allow_nan=False)


GOOD = {"weights": [0.5, 0.5], "means": [-1, 1], "target": 1}
BAD = [
    ({"weights": [0.5, float("nan")]}, "weights"),
    ({"weights": [-0.5, 1.5]}, "weights"),
    ({"weights": [0.5, 0.6]}, "weights must sum to 1"),
    ({"weights": []}, "weights"),
    ({"weights": [[0.5, 0.5]]}, "weights"),
    ({"weights": "half"}, "weights"),
    ({"means": [1, 2, 3]}, "means"),
    ({"means": [1, float("inf")]}, "means"),
    ({"means": [[1, 2], [3]]}, "means"),
    ({"covariances": -1.0}, "covariances"),
    ({"covariances": 0.0}, "covariances"),
    ({"covariances": [1.0, -2.0]}, "covariances"),
    ({"covariances": [[1.0, 2.0], [3.0, 4.0], [1.0, 1.0]]}, "covariances"),
    ({"target": 2}, "target"),
    ({"target": -1}, "target"),
    ({"target": 1.0}, "target"),
    ({"target": True}, "target"),
    ({"weights": [1.0, 0.0], "target": 1}, "target"),
    ({"strength": -0.1}, "strength"),
    ({"strength": float("nan")}, "strength"),
    ({"strength": "strong"}, "strength"),
    ({"strength": 1.0, "scale": 2.0}, "strength and scale"),
    ({"scale": 0.5}, "scale"),
    ({"sampler": "pde"}, "sampler"),
    ({"sampler": "ode", "noise_level": 0.5}, "sampler and noise_level"),
    ({"noise_level": -1.0}, "noise_level"),
    ({"horizon": 0.0}, "horizon"),
    ({"horizon": -1.0}, "horizon"),
    ({"horizon": float("inf")}, "horizon"),
    ({"initial": "cold"}, "initial"),
    ({"horizon": 1e6}, "horizon"),
    ({"horizon": 1e-300}, "horizon"),
    ({"strength": 1e10}, "strength"),
    ({"noise_level": 1e9}, "noise_level"),
    ({"means": [1e20, -1e20]}, "means"),
    ({"covariances": 1e-320}, "covariances"),
    ({"schedule": fp.OrnsteinUhlenbeck}, "schedule"),
    ({"schedule": "linear"}, "schedule"),
]


@pytest.mark.parametrize(("change", "named"), BAD)
def test_bad_input_names_the_field_in_one_line(change, named):
    fields = {**GOOD, **change}
    mixture_fields = {k: fields.pop(k) for k in ("weights", "means", "covariances") if k in fields}
    with pytest.raises(ValueError, match=named) as caught:
        fp.reverse_process(fp.GaussianMixture(**mixture_fields), **fields)
    assert "\n" not in str(caught.value)


def test_a_user_process_checks_what_it_is_given():
    start = fp.GaussianMixture([1.0], [0.0])
    with pytest.raises(ValueError, match="drift must be callable"):
        fp.Process(3, 1.0, start, 1.0)
    with pytest.raises(ValueError, match="initial"):
        fp.Process(lambda x, tau: -x, 1.0, None, 1.0)
    with pytest.raises(ValueError, match="noise"):
        fp.Process(lambda x, tau: -x, -1.0, start, 1.0)
    with pytest.raises(ValueError, match="horizon"):
        fp.Process(lambda x, tau: -x, 1.0, start, 0.0)
    with pytest.raises(ValueError, match="drift must be finite"):
        fp.Process(lambda x, tau: x * np.nan, 1.0, start, 1.0)
    with pytest.raises(ValueError, match="drift must take"):
        fp.Process(lambda x: -x, 1.0, start, 1.0)
    with pytest.raises(ValueError, match="drift must return shape"):
        fp.Process(lambda x, tau: np.ones(3), 1.0, start, 1.0).drift(np.ones(5), 0.0)
