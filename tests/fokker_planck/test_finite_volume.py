"""Finite volumes: conservation, positivity, and errors that contain the truth."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from random_cases import random_process
from scipy.special import ndtr

import fokker_planck as fp
from fokker_planck.functionals import ENTROPY, MASS, MEAN, VARIANCE, posterior_mass
from fokker_planck.methods.base import SolverError
from fokker_planck.methods.finite_volume import (
    FiniteVolumes,
    TimeMap,
    bernoulli,
    face_coefficients,
    face_rates,
    factor,
    generator,
    initial_averages,
    solve_finite_volume,
    step,
)

MIXTURE = fp.GaussianMixture([0.5, 0.5], [-1, 1])


def two_components(strength: float = 3.0) -> fp.ReverseProcess:
    return fp.reverse_process(MIXTURE, 1, strength=strength, sampler="sde")


def read(reading, functional):
    values, budget = reading.read(functional)
    return values, sum(budget.values())


# --- operators -----------------------------------------------------------------------------------


def test_face_operators_are_the_average_and_the_difference():
    average, gradient = face_coefficients()
    np.testing.assert_array_equal(average, [0.5, 0.5])
    np.testing.assert_array_equal(gradient, [-1.0, 1.0])


@given(st.floats(-1e6, 1e6))
def test_bernoulli_functions(z):
    ahead, back = bernoulli(np.array([z]))
    assert ahead >= 0 and back >= 0
    assert ahead - back == pytest.approx(z, rel=1e-14, abs=1e-14)
    if 1e-3 < abs(z) < 500:
        assert back == pytest.approx(z / np.expm1(z), rel=1e-13)
    assert 0.5 * (ahead + back) >= 1 - 1e-14  # never less diffusion than there is


def test_the_flux_is_centred_with_a_larger_diffusivity():
    h, d = 0.1, 0.7
    b = np.array([-30.0, -1.0, 0.0, 1e-7, 2.0, 40.0])
    right, left = face_rates(b, np.array([d]), h)
    half = np.where(b == 0, 1.0, 0.5 * b * h / d)
    larger = d * np.where(b == 0, 1.0, half / np.tanh(half))
    p = np.random.default_rng(0).uniform(size=(2, b.size))
    flux = h * (right * p[0] - left * p[1])
    centred = b * p.mean(axis=0) - larger * (p[1] - p[0]) / h
    np.testing.assert_allclose(flux, centred, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6])
def test_columns_of_the_generator_sum_to_zero_and_the_rest_is_nonnegative(scale):
    process = fp.Process(
        lambda x, tau: scale * np.sin(3 * x) * x, 0.3, fp.GaussianMixture([1], [0]), 1.0
    )
    matrix = generator(process, 0.5, np.linspace(-3, 4, 101))
    # equal cells: columns weighted by volume are the columns
    sums = np.abs(np.asarray(matrix.sum(axis=0)).ravel())
    assert np.all(sums <= 4e-16 * np.abs(matrix).sum(axis=0))
    off_diagonal = matrix.toarray()
    np.fill_diagonal(off_diagonal, 0.0)
    assert off_diagonal.min() >= 0.0


def test_the_equilibrium_of_a_constant_drift_is_exact():
    # p = exp(b x / D) carries no flux, and Scharfetter-Gummel knows it
    process = fp.Process(lambda x, tau: 3 + 0 * x, 0.8, fp.GaussianMixture([1], [0]), 1.0)
    faces = np.linspace(-1, 1, 21)
    x = 0.5 * (faces[1:] + faces[:-1])
    p = np.exp(3 * x / 0.32)
    matrix = generator(process, 0.0, faces)
    assert np.all(np.abs(matrix @ p) <= 1e-13 * (np.abs(matrix) @ p))


def test_initial_averages_are_exact_and_keep_small_tails():
    law = fp.GaussianMixture([0.2, 0.8], [-3.0, 1.0], [0.01, 2.0])
    faces = np.linspace(-15, 17, 81)
    averages = initial_averages(law, faces)
    h = faces[1] - faces[0]
    distribution = 0.2 * ndtr((faces + 3) / 0.1) + 0.8 * ndtr((faces - 1) / np.sqrt(2))
    np.testing.assert_allclose(averages * h, np.diff(distribution), atol=1e-15)
    # the upper tail, as exactly as the lower tail of the mirror image
    mirror = fp.GaussianMixture([0.2, 0.8], [3.0, -1.0], [0.01, 2.0])
    np.testing.assert_allclose(averages, initial_averages(mirror, -faces[::-1])[::-1], rtol=1e-9)


# --- one step ------------------------------------------------------------------------------------


def random_factors(dt: float, seed: int = 0, n: int = 50):
    rng = np.random.default_rng(seed)
    drift = rng.normal(scale=10.0 ** rng.uniform(-3, 4), size=(1, n - 1))
    rates = face_rates(drift, np.array([[10.0 ** rng.uniform(-6, 2)]]), 0.1)
    return rates, [part[0] for part in factor(*rates, np.array([dt]))]


def test_a_step_solves_the_implicit_euler_equation():
    (right, left), factors = random_factors(0.3)
    n = right.shape[1] + 1
    matrix = np.diag(np.append(-right[0], 0.0)) + np.diag(np.insert(-left[0], 0, 0.0))
    matrix += np.diag(right[0], -1) + np.diag(left[0], 1)
    p = np.random.default_rng(1).uniform(size=n)
    np.testing.assert_allclose(
        step(p, *factors), np.linalg.solve(np.eye(n) - 0.3 * matrix, p), rtol=1e-8
    )


@given(st.floats(-12, 250), st.integers(0, 10**6))
def test_a_step_of_any_size_keeps_densities_nonnegative_and_the_mass(log_dt, seed):
    _, factors = random_factors(10.0**log_dt, seed)
    rng = np.random.default_rng(seed)
    p = 10.0 ** rng.uniform(-300, 0, size=factors[1].size)
    after = step(p, *factors)
    assert after.min() >= 0
    assert after.sum() == pytest.approx(p.sum(), rel=1e-13)


def test_the_mass_drifts_by_rounding_only():
    process = two_components(16.0)
    mesh = np.linspace(0, 5, 2001)
    p = FiniteVolumes(process, -9.0, 14.0).march(300, mesh, np.arange(2001))
    mass = p.sum(axis=1) * 23 / 300
    assert p.min() > 0
    assert np.abs(mass - mass[0]).max() < 2e-14


# --- the mesh in time ----------------------------------------------------------------------------


@given(st.sampled_from([-3.0, 0.0, 2.0, 7.0]), st.lists(st.floats(0.001, 3), max_size=5))
def test_meshes_pass_through_the_output_times_and_are_nested(gamma, times):
    taus = np.unique([0.0, *times])
    assume(np.all(np.diff(taus) > 1e-9))  # no mesh fits between neighbouring numbers
    grading = TimeMap(3.0, gamma)
    coarse, index = grading.mesh(taus, 10, 0)
    fine, fine_index = grading.mesh(taus, 10, 2)
    np.testing.assert_array_equal(coarse[index], taus)
    np.testing.assert_array_equal(fine[fine_index], taus)
    np.testing.assert_allclose(fine[::4], coarse, atol=1e-12)
    assert np.all(np.diff(fine) > 0)


# --- the answer ----------------------------------------------------------------------------------


def test_reference_values_lie_within_the_claims():
    process = two_components()
    reading, _ = solve_finite_volume(process, np.array([0.0, 5.0]))
    for functional, truth in (
        (ENTROPY, 1.0942411700358),
        (posterior_mass(process), 0.9556945098651),
    ):
        values, errors = read(reading, functional)
        assert abs(values[-1] - truth) <= errors[-1] <= 1e-8
    assert reading.ratios["time"] == pytest.approx(2, abs=0.1)
    assert reading.ratios["space"] == pytest.approx(4, abs=0.1)
    values, errors = read(reading, MASS)
    assert np.all(np.abs(values - 1) <= errors)
    assert errors.max() < 1e-11


def test_the_error_contains_the_truth_for_closed_forms_and_is_useful():
    ratios = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        process = random_process(rng, strength=0.0, sampler="sde", variances=True)
        taus = process.horizon * np.array([0.5, 1.0])
        mean, variance = fp.unguided_moments(process, taus)
        reading, _ = solve_finite_volume(process, taus, 1e-7)
        truths = {
            ENTROPY: 0.5 * np.log(2 * np.pi * np.e * variance),
            MEAN: mean,
            VARIANCE: variance,
        }
        for functional, truth in truths.items():
            values, errors = read(reading, functional)
            wrong = np.abs(values - truth)
            assert np.all(wrong <= errors), (seed, functional.name)
            if functional is ENTROPY:
                ratios.extend(errors / np.maximum(wrong, 1e-10))
    assert np.median(ratios) < 100


def test_the_l1_difference_contains_the_truth():
    process = two_components(0.0)
    reading, _ = solve_finite_volume(process, np.array([5.0]), 1e-4)
    mean, variance = fp.unguided_moments(process, 5.0)
    density = reading.density(0)
    exact = np.exp(-((density.points - mean) ** 2) / (2 * variance))
    exact /= np.sqrt(2 * np.pi * variance)
    h = density.points[1] - density.points[0]
    wrong = np.sum(np.abs(density.values - exact)) * h
    assert wrong <= sum(part[0] for part in reading.l1_differences().values()) < 100 * wrong


@pytest.mark.parametrize("noise", [0.0, lambda tau: max(0.0, 0.5 - tau)])
def test_vanishing_noise_is_refused_in_one_line(noise):
    process = fp.Process(lambda x, tau: -x, noise, fp.GaussianMixture([1], [0]), 1.0)
    with pytest.raises(SolverError, match=r"noise must be > 0 throughout, got 0 at tau = ") as info:
        solve_finite_volume(process, np.array([1.0]))
    assert "\n" not in str(info.value)


def test_a_mirror_image_has_the_mirrored_density():
    runs = []
    for sign in (1.0, -1.0):
        mixture = fp.GaussianMixture([0.3, 0.7], [-sign, 1.5 * sign], [0.5, 1.0])
        process = fp.reverse_process(mixture, 0, strength=4.0, sampler="sde", horizon=2.0)
        scheme = FiniteVolumes(process, -10.0, 10.0)
        runs.append(scheme.march(100, np.linspace(0, 2, 51), np.array([50]))[0])
    np.testing.assert_allclose(runs[0], runs[1][::-1], rtol=1e-9)
