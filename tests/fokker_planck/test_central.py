"""Central differences: operators, resampling, and errors that contain the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from random_cases import random_process

import fokker_planck as fp
from fokker_planck.functionals import ENTROPY, MASS, MEAN, VARIANCE, posterior_mass
from fokker_planck.methods.base import SolverError
from fokker_planck.methods.central import (
    CentralGrid,
    flow_box,
    integrate,
    resample,
    solve_central,
    stencil,
)
from fokker_planck.methods.characteristics import solve_characteristics

# T = 5, start N(0, 1), means (-1, 1), equal weights, target 1, strength 3
REFERENCE = {
    "sde": (1.0942411700358, 0.9556945098651),
    "ode": (0.86389653751926, 0.98395083579329),
}


def two_components(sampler: str = "sde", strength: float = 3.0) -> fp.ReverseProcess:
    mixture = fp.GaussianMixture([0.5, 0.5], [-1, 1])
    return fp.reverse_process(mixture, 1, strength=strength, sampler=sampler)


def read(reading, functional):
    values, budget = reading.read(functional)
    return values, sum(budget.values())


# --- operators -----------------------------------------------------------------------------------


def test_stencils_are_exact_on_polynomials_and_sum_to_zero():
    x = np.arange(-4.0, 5.0)
    for derivative in (1, 2):
        weights = stencil(derivative)
        assert weights.sum() == pytest.approx(0, abs=1e-15)
        np.testing.assert_array_equal(weights, weights[::-1] * (-1) ** derivative)
        for power in range(9):
            exact = float(derivative) if power == derivative else 0.0
            assert weights @ x**power == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_the_jacobian_is_the_right_hand_side(sampler):
    grid = CentralGrid(two_components(sampler), -5.0, 6.0, 40)
    p = np.random.default_rng(0).standard_normal(40)
    np.testing.assert_allclose(grid.jacobian(4.0) @ p, grid.rhs(4.0, p), rtol=1e-12, atol=1e-10)


def test_inner_columns_sum_to_zero():
    matrix = CentralGrid(two_components(), -5.0, 6.0, 60).jacobian(4.0)
    sums = np.asarray(matrix.sum(axis=0)).ravel()
    np.testing.assert_allclose(sums[4:-4], 0.0, atol=1e-12 * abs(matrix).max())


@pytest.mark.parametrize(("coarse", "fine"), [(40, 41), (40, 77), (41, 60), (41, 82)])
def test_resampling_reproduces_what_the_coarse_grid_carries(coarse, fine):
    def middles(n):
        return (np.arange(n) + 0.5) / n

    def wave(x):
        return 1 + np.cos(2 * np.pi * (3 * x + 0.2)) + np.sin(2 * np.pi * 19 * x)

    np.testing.assert_allclose(
        resample(wave(middles(coarse))[None], fine)[0], wave(middles(fine)), atol=1e-12
    )


@given(arrays(float, 16, elements=st.floats(-1, 1)))
def test_resampling_keeps_the_mass(density):
    assert np.mean(resample(density[None], 27)) == pytest.approx(np.mean(density), abs=1e-14)


# --- the answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_reference_values_lie_within_the_claims(sampler):
    process = two_components(sampler)
    reading, _ = solve_central(process, np.array([0.0, 5.0]))
    for functional, truth in zip(
        (ENTROPY, posterior_mass(process)), REFERENCE[sampler], strict=True
    ):
        values, errors = read(reading, functional)
        assert abs(values[-1] - truth) <= errors[-1] <= 1e-8


def test_a_smaller_tolerance_is_met_too():
    process = two_components()
    reading, _ = solve_central(process, np.array([5.0]), 1e-10)
    values, errors = read(reading, ENTROPY)
    assert abs(values[0] - REFERENCE["sde"][0]) <= errors[0] <= 1e-10


def test_the_error_contains_the_truth_for_closed_forms_and_is_useful():
    ratios = []
    for seed in range(8):
        rng, sampler = np.random.default_rng(seed), ("ode", "sde")[seed % 2]
        process = random_process(rng, strength=0.0, sampler=sampler, variances=True)
        taus = process.horizon * np.array([0.0, 0.5, 1.0])
        mean, variance = fp.unguided_moments(process, taus)
        reading, _ = solve_central(process, taus)
        truths = {
            ENTROPY: 0.5 * np.log(2 * np.pi * np.e * variance),
            MEAN: mean,
            VARIANCE: variance,
            posterior_mass(process): [
                gaussian_expectation(process, *law)
                for law in zip(taus, mean, variance, strict=True)
            ],
        }
        defect = np.abs(read(reading, MASS)[0] - 1)
        for functional, truth in truths.items():
            values, errors = read(reading, functional)
            wrong = np.abs(values - truth)
            # rounding of this test's own sums, and the mass defect that a constant P sees
            slack = 1e-14 + defect if functional.name == "posterior_mass" else 1e-14
            assert np.all(wrong <= errors + slack), (seed, functional.name)
            if functional is ENTROPY:
                ratios.extend(errors[1:] / np.maximum(wrong[1:], 1e-10))
    assert np.median(ratios) < 100


def gaussian_expectation(process, tau, mean, variance):
    z = np.linspace(-10, 10, 20001)
    weight = np.exp(-(z**2) / 2)
    p = np.exp(process.log_posterior(mean + np.sqrt(variance) * z, tau))
    return np.sum(weight * p) / np.sum(weight)


def test_a_filament_that_the_grid_cannot_resolve_has_a_large_honest_error():
    mixture = fp.GaussianMixture([0.3, 0.4, 0.3], [-3.0, 0.0, 3.0])
    process = fp.reverse_process(mixture, 1, strength=10.0, sampler="ode", horizon=3.0)
    taus = np.array([3.0])
    truth = solve_characteristics(process, taus, 1e-9, None)[0].best.values(ENTROPY)
    values, errors = read(solve_central(process, taus)[0], ENTROPY)
    assert 1e-3 < errors[0]
    assert abs(values[0] - truth[0]) <= errors[0]


# --- symmetries and users' own processes ---------------------------------------------------------


def own_process(shift: float = 0.0, sign: float = 1.0) -> fp.Process:
    def drift(x, tau):
        y = sign * (x - shift)
        return sign * (-y + np.tanh(3 * y - 1) + np.sin(tau))

    initial = fp.GaussianMixture([0.4, 0.6], [shift - sign * 0.5, shift + sign * 0.7], 0.5)
    return fp.Process(drift, lambda tau: 1 + 0.5 * np.sin(3 * tau), initial, 1.0)


@settings(max_examples=5, deadline=None)
@given(st.floats(-50, 50))
def test_a_translation_moves_the_mean_and_nothing_else(shift):
    there, here = (
        integrate(CentralGrid(own_process(s), s - 8.0, s + 8.0, 160), np.array([1.0]), 1e-9)[0]
        for s in (shift, 0.0)
    )
    assert there.values(ENTROPY)[0] == pytest.approx(here.values(ENTROPY)[0], abs=1e-8)
    assert there.values(MEAN)[0] == pytest.approx(shift + here.values(MEAN)[0], abs=1e-8)


def test_a_mirror_image_has_the_mirrored_density():
    left, right = (
        integrate(CentralGrid(own_process(0.0, s), -8.0, 8.0, 160), np.array([1.0]), 1e-9)[0]
        for s in (1.0, -1.0)
    )
    np.testing.assert_allclose(left.mass[0], right.mass[0, ::-1], atol=1e-10)


def test_noise_that_depends_on_time_gives_the_ornstein_uhlenbeck_moments():
    # dx = -x dtau + tau dB: V' = -2 V + tau^2; the noise is zero at the start
    initial = fp.GaussianMixture([1.0], [1.0])
    process = fp.Process(lambda x, tau: -x, lambda tau: tau, initial, 1.0)
    reading, _ = solve_central(process, np.array([1.0]))
    values, errors = read(reading, VARIANCE)
    truth = np.exp(-2) + 0.25 * (2 - 2 + 1) - 0.25 * np.exp(-2)
    assert abs(values[0] - truth) <= errors[0] < 1e-6
    values, errors = read(reading, MEAN)
    assert abs(values[0] - np.exp(-1)) <= errors[0]


def test_the_flow_box_is_the_image_of_the_start():
    # dx = x dtau: the start interval grows by e
    process = fp.Process(lambda x, tau: x, 0.0, fp.GaussianMixture([1.0], [2.0]), 1.0)
    lower, upper, outside = flow_box(process)
    reach = 8.57
    assert lower < np.e * (2 - reach) < lower + 1
    assert upper > np.e * (2 + reach) > upper - 1
    assert outside < 1.1e-17


def test_a_flow_that_explodes_is_an_error_in_words():
    process = fp.Process(lambda x, tau: x**3, 0.0, fp.GaussianMixture([1.0], [0.0]), 1.0)
    with np.errstate(all="ignore"), pytest.raises(SolverError, match="central"):
        solve_central(process, np.array([1.0]))


def test_the_start_is_returned_as_it_is():
    process = two_components()
    reading, _ = solve_central(process, np.array([0.0]))
    assert read(reading, ENTROPY)[0][0] == pytest.approx(0.5 * np.log(2 * np.pi * np.e), abs=1e-14)
