"""Central differences in the plane: operators, orders, and errors that contain the truth."""

import numpy as np
import pytest
from random_cases import random_process

import fokker_planck as fp
from fokker_planck.functionals import (
    ENTROPY,
    MASS,
    covariance_along,
    mean_along,
    posterior_mass,
)
from fokker_planck.methods.base import SolverError
from fokker_planck.methods.box_plane import PlaneFrame, TimeSeries, best_axes, moving_frame
from fokker_planck.methods.central_plane import PlaneProblem, flow_box, solve_central_plane
from fokker_planck.methods.differences_plane import ORDER, PlaneGrid, resized, stencil

ANGLES = np.deg2rad([90, 210, 330])
TRIANGLE = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
IDENTITY_FRAME = PlaneFrame(1.0, np.eye(2), np.zeros((1, 8)))


def read(reading, functional):
    values, budget = reading.read(functional)
    return values, sum(budget.values())


def three_components(sampler: str = "sde", strength: float = 2.0) -> fp.ReverseProcess:
    mixture = fp.GaussianMixture([1 / 3] * 3, TRIANGLE)
    return fp.reverse_process(mixture, 0, strength=strength, sampler=sampler)


# --- frame and series ----------------------------------------------------------------------------


def test_the_frames_velocities_are_its_derivatives():
    frame = moving_frame(three_components())
    h = 1e-5
    for tau in (1.0, 4.0, 4.9):
        later, sooner = frame.at(tau + h), frame.at(tau - h)
        _, _, dm, ds = frame.at(tau)
        np.testing.assert_allclose((later[0] - sooner[0]) / (2 * h), dm, atol=1e-8)
        np.testing.assert_allclose(np.log(later[1] / sooner[1]) / (2 * h), ds, atol=1e-8)


def test_axes_follow_a_rotated_covariance_and_stay_where_it_does_not_matter():
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    found = best_axes((turn @ np.diag([4.0, 0.1]) @ turn.T)[None])
    alignment = np.abs(found.T @ turn)
    np.testing.assert_allclose(np.sort(alignment.ravel()), [0, 0, 1, 1], atol=0.01)
    np.testing.assert_array_equal(best_axes(np.array([np.diag([4.0, 0.1])])), np.eye(2))


@pytest.mark.parametrize("tol", [1e-6, 1e-11])
def test_a_series_in_time_is_as_good_as_asked_and_cheaper(tol):
    def field(tau):
        return np.array([[np.exp(-10 * (3 - tau)), np.sin(tau)], [1.0, tau]])

    series = TimeSeries(field, 0.0, 3.0, tol, 1.0, 1e-4)
    gaps = [np.abs(series(t) - field(t)).max() for t in np.linspace(0.0, 3.0, 500)]
    assert max(gaps) < 10 * tol
    assert series.evaluations < 250


def test_a_field_that_is_not_smooth_is_evaluated_as_it_is():
    def field(tau):
        return np.array([abs(np.sin(40 * tau))])

    series = TimeSeries(field, 0.0, 1.0, 1e-10, 0.5, 1e-2)
    for t in np.linspace(0.0, 1.0, 50):
        assert abs(series(t)[0] - field(t)[0]) < 1e-8


# --- operators -----------------------------------------------------------------------------------


def test_stencils_are_exact_on_polynomials():
    x = np.arange(-(ORDER // 2), ORDER // 2 + 1) / 4
    for derivative in (1, 2):
        weights = stencil(derivative) * 4**derivative
        np.testing.assert_array_equal(weights, weights[::-1] * (-1) ** derivative)
        for power in range(ORDER + 1):
            exact = float(derivative) if power == derivative else 0.0
            assert weights @ x**power == pytest.approx(exact, abs=1e-9)


def gaussian_grid(n):
    grid = PlaneGrid(IDENTITY_FRAME, np.array([-9.0, -8.0]), np.array([9.0, 8.0]), (n, n + 4))
    q = np.exp(-0.5 * np.sum(grid.y**2, axis=-1)) / (2 * np.pi)
    return grid, q


def test_the_right_hand_side_is_the_operator_and_its_order_is_seen():
    gaps, missed = [], []
    for n in (48, 72):
        grid, q = gaussian_grid(n)
        y1, y2 = np.moveaxis(grid.y, -1, 0)
        beta = np.stack([np.cos(y1), y1 * y2])
        delta = np.array([0.7, 1.3])
        exact = q * (np.sin(y1) + y1 * np.cos(y1) - y1 + y1 * y2**2)
        exact += q * (0.7 * (y1**2 - 1) + 1.3 * (y2**2 - 1))
        gap = grid.rhs(beta, delta, q) - exact
        gaps.append(np.abs(gap).sum() * grid.cells.prod())
        missed.append(grid.missed(beta, delta, q).sum())
    slope = np.log(gaps[0] / gaps[1]) / np.log(1.5)
    assert 0.75 * ORDER < slope < 1.25 * ORDER
    assert gaps[1] < 1e-7
    # what the spectrum says the stencils miss is what they miss
    assert gaps[1] <= missed[1] < 5 * gaps[1]


def test_inner_columns_conserve_mass():
    grid, q = gaussian_grid(64)
    rng = np.random.default_rng(0)
    slope = grid.rhs(rng.normal(size=(2, *grid.shape)), np.array([1.0, 2.0]), q)
    assert abs(slope.sum() * grid.cells.prod()) < 1e-12


def test_resampling_keeps_a_smooth_density():
    _, q = gaussian_grid(48)
    fine, exact = gaussian_grid(72)
    np.testing.assert_allclose(resized(q, fine.shape), exact, atol=1e-12)


# --- the answer ----------------------------------------------------------------------------------


def test_reference_values_lie_within_the_claims():
    process = three_components()
    reading, _ = solve_central_plane(process, np.array([0.0, 5.0]), 1e-5)
    for functional, truth in (
        (ENTROPY, 2.52154862020),
        (posterior_mass(process), 0.98875846964220),
    ):
        values, errors = read(reading, functional)
        assert abs(values[-1] - truth) <= errors[-1] <= 1e-5
    assert read(reading, ENTROPY)[0][0] == pytest.approx(np.log(2 * np.pi * np.e), abs=1e-7)
    values, errors = read(reading, MASS)
    assert np.all(np.abs(values - 1) <= errors)


def test_the_ode_is_solved_where_the_grid_carries_its_filaments():
    process = three_components("ode")
    reading, _ = solve_central_plane(process, np.array([5.0]), 1e-2)
    for functional, truth in (
        (ENTROPY, 2.05887527068599),
        (posterior_mass(process), 0.999389786718084),
    ):
        values, errors = read(reading, functional)
        assert abs(values[0] - truth) <= errors[0] <= 1e-2


@pytest.mark.parametrize("seed", [11, 114, 120])
def test_the_error_contains_the_truth_for_closed_forms_and_is_useful(seed):
    rng = np.random.default_rng(seed)
    process = random_process(rng, strength=0.0, dimension=2, variances=True, schedules=True)
    taus = process.horizon * np.array([0.5, 1.0])
    mean, covariance = fp.unguided_moments(process, taus)
    reading, _ = solve_central_plane(process, taus, 1e-8)
    truths = {
        ENTROPY: 0.5 * np.log((2 * np.pi * np.e) ** 2 * np.linalg.det(covariance)),
        mean_along(0): mean[:, 0],
        covariance_along(0, 1): covariance[:, 0, 1],
        covariance_along(1, 1): covariance[:, 1, 1],
    }
    for functional, truth in truths.items():
        values, errors = read(reading, functional)
        wrong = np.abs(values - truth)
        assert np.all(wrong <= errors + 1e-14), functional.name
        if functional is ENTROPY:
            assert np.median(errors / np.maximum(wrong, 1e-10)) < 50


def test_a_product_law_factors_into_results_on_the_line():
    lines = [
        fp.reverse_process(fp.GaussianMixture(w, mu), 1, strength=1.5, horizon=2.0)
        for w, mu in (([0.5, 0.5], [-1, 1]), ([0.3, 0.7], [0.8, -0.8]))
    ]
    weights = np.outer([0.5, 0.5], [0.3, 0.7]).ravel()
    means = [[a, b] for a in (-1, 1) for b in (0.8, -0.8)]
    process = fp.reverse_process(fp.GaussianMixture(weights, means), 3, strength=1.5, horizon=2.0)
    reading, _ = solve_central_plane(process, np.array([2.0]), 1e-5)
    exact = [fp.solve(line, [2.0], method="spectral", tol=1e-9) for line in lines]
    values, errors = read(reading, ENTROPY)
    assert abs(values[0] - sum(s.entropy.value[0] for s in exact)) <= errors[0] < 1e-5
    values, errors = read(reading, posterior_mass(process))
    truth = np.prod([s.posterior_mass.value[0] for s in exact])
    assert abs(values[0] - truth) <= errors[0]


def test_a_quarter_turn_turns_the_density():
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    runs = []
    for q in (np.eye(2), turn):
        mixture = fp.GaussianMixture([0.4, 0.6], np.array([[1.0, 0.3], [-1.0, 0.5]]) @ q.T)
        process = fp.reverse_process(mixture, 0, strength=2.0, horizon=1.0)
        problem = PlaneProblem(process, moving_frame(process), np.full(2, -7.0), np.full(2, 7.0))
        record = problem.adaptive(np.array([1.0]), 1e-6, 1e-4, 1e-7, lambda tau: None)
        runs.append(record.outputs[0])
    np.testing.assert_allclose(runs[1], runs[0].T[::-1], atol=1e-6 * runs[0].max())


# --- users' own processes ------------------------------------------------------------------------


class Jump:
    """dx = -k x dtau + dB with k = 1 before the break and 3 after it."""

    horizon, dimension, deterministic, breaks = 1.0, 2, False, (0.4,)
    initial = fp.GaussianMixture([1.0], [[1.0, 0.0]], [[[1.0, 0.3], [0.3, 0.5]]])

    def __init__(self, rate=None):
        self.rate = rate

    def _rate(self, tau):
        return self.rate if self.rate is not None else (1.0 if tau < 0.4 else 3.0)

    def piece(self, a, b):
        return Jump(1.0 if b <= 0.4 else 3.0)

    def noise(self, tau):
        return np.ones_like(np.asarray(tau, dtype=float))

    def drift(self, x, tau):
        return -self._rate(tau) * np.asarray(x)

    def drift_and_divergence(self, x, tau):
        b = self.drift(x, tau)
        return b, np.full(b.shape[:-1], -2.0 * self._rate(tau))


def jump_covariance():
    c = np.array([[1.0, 0.3], [0.3, 0.5]])
    for k, t in ((1.0, 0.4), (3.0, 0.6)):
        c = np.exp(-2 * k * t) * c + (1 - np.exp(-2 * k * t)) / (2 * k) * np.eye(2)
    return c


def test_a_jump_of_the_drift_costs_nothing():
    reading, _ = solve_central_plane(Jump(), np.array([0.4, 1.0]), 1e-5)
    values, errors = read(reading, ENTROPY)
    truth = 0.5 * np.log((2 * np.pi * np.e) ** 2 * np.linalg.det(jump_covariance()))
    assert abs(values[1] - truth) <= errors[1] < 1e-5


def test_the_flow_box_is_the_image_of_the_start():
    process = fp.Process(lambda x, tau: x, 0.0, fp.GaussianMixture([1.0], [[2.0, 0.0]]), 1.0)
    lower, upper = flow_box(process, IDENTITY_FRAME, 1e-10)
    reach = np.e * np.sqrt(-2 * np.log(1e-10))
    np.testing.assert_allclose(upper, [2 * np.e + reach, reach], rtol=0.03)
    np.testing.assert_allclose(lower, [2 * np.e - reach, -reach], rtol=0.05)


def test_a_law_too_narrow_for_the_grid_is_refused_in_words():
    mixture = fp.GaussianMixture([0.5, 0.5], [[-20.0, 0.0], [20.0, 0.0]], 1e-4)
    process = fp.Process(lambda x, tau: 0 * x, 0.1, mixture, 1.0)
    with pytest.raises(SolverError, match="narrower than"):
        solve_central_plane(process, np.array([1.0]), 1e-6)
