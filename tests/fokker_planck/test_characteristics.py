"""Characteristics on the line: reference values, closed forms, identities, densities backwards."""

from __future__ import annotations

import numpy as np
import pytest

import fokker_planck as fp
from fokker_planck.characteristic_reading import remaining_share
from fokker_planck.methods.flow import Mesh, adaptive_mesh, carry

TWO = fp.GaussianMixture([0.5, 0.5], [-1, 1])
#: means (-1, 1), equal weights, strength 3, T = 5, start N(0, 1): entropy and posterior mass
REFERENCE = {"entropy": 0.8638965375192595, "posterior_mass": 0.9839508357932931}


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_values_lie_within_the_claim(name):
    solution = fp.solve(fp.reverse_process(TWO, 1, strength=3.0, sampler="ode"))
    estimate = getattr(solution, name)[-1]
    assert solution.method == "characteristics"
    assert estimate.error <= 1e-8
    assert estimate.contains(REFERENCE[name])


@pytest.mark.parametrize("taus", [[5.0], [0.0, 1.0, 2.5, 4.9, 5.0]])
def test_outputs_do_not_depend_on_the_other_output_times(taus):
    process = fp.reverse_process(TWO, 1, strength=3.0, sampler="ode")
    one = fp.solve(process, taus=[2.5]).entropy[0]
    many = fp.solve(process, taus=sorted({*taus, 2.5}))
    assert many.entropy[int(np.searchsorted(many.taus, 2.5))].agrees(one)


def test_entropy_changes_by_the_mean_divergence():
    """I1: dH/dtau = E div b, integrated by quadrature over output times."""
    process = fp.reverse_process(TWO, 1, strength=3.0, sampler="ode")
    nodes, weights = np.polynomial.legendre.leggauss(24)
    taus = 0.5 * process.horizon * (1 + nodes)
    solution = fp.solve(process, taus=[0.0, *taus, process.horizon])
    rate = solution.expectation(process.divergence)
    change = 0.5 * process.horizon * float(weights @ rate.value[1:-1])
    assert change == pytest.approx(solution.entropy[-1].value - solution.entropy[0].value, abs=1e-9)


def test_backward_and_carried_densities_agree():
    process = fp.reverse_process(
        fp.GaussianMixture([0.3, 0.3, 0.4], [-2, 0, 1.5]), 2, strength=2.0, sampler="ode"
    )
    solution = fp.solve(process, tol=1e-9)
    x = solution.density(-1).points[20:-20:7]
    log_p, error = solution.log_density(x, -1)
    assert np.all(error < 1e-7)
    assert np.allclose(log_p, solution.density(-1).log_values[20:-20:7], atol=1e-7)


def test_the_density_integrates_to_one_by_a_rule_that_knows_nothing_of_the_method():
    process = fp.reverse_process(TWO, 1, strength=3.0, sampler="ode")
    solution = fp.solve(process)
    nodes, weights = np.polynomial.legendre.leggauss(160)
    # the flow is monotone: these are the images of -9 and 9
    low, high = solution.density(-1).points[[0, -1]]
    x = 0.5 * (low + high) + 0.5 * (high - low) * nodes
    p = np.exp(solution.log_density(x, -1)[0])
    assert 0.5 * (high - low) * float(weights @ p) == pytest.approx(1, abs=1e-7)


def test_a_differenced_divergence_costs_accuracy_and_says_so():
    exact = fp.reverse_process(TWO, 1, strength=3.0, sampler="ode")
    by_hand = fp.Process(exact.drift, 0.0, exact.initial, exact.horizon)
    with_divergence = fp.Process(exact.drift, 0.0, exact.initial, exact.horizon, exact.divergence)
    rough, fine = fp.solve(by_hand), fp.solve(with_divergence)
    truth = REFERENCE["entropy"]
    assert rough.entropy[-1].contains(truth)
    assert fine.entropy[-1].contains(truth)
    assert rough.entropy[-1].error > fine.entropy[-1].error


def test_a_mixture_as_start():
    """A linear flow maps each component to a Gaussian: x' = a x + c."""
    a, c, horizon = -0.5, 0.3, 2.0
    start = fp.GaussianMixture([0.3, 0.7], [-1.0, 2.0], [0.2, 1.5])
    process = fp.Process(
        lambda x, tau: a * x + c, 0.0, start, horizon, lambda x, tau: np.full(x.shape, a)
    )
    solution = fp.solve(process)
    g = np.exp(a * horizon)
    end = fp.GaussianMixture(
        start.weights, g * start.means + c * (g - 1) / a, g * g * start.covariances
    )
    assert solution.mean[-1].contains(end.mean[0])
    assert solution.covariance[-1].contains(end.covariance[0, 0])
    x = np.linspace(-2, 4, 7)
    assert np.allclose(solution.density(-1).log_pdf(x), end.log_density(x), atol=1e-6)


def swinging(horizon=4.0):
    """X' = cos(tau) x: x = exp(sin tau) x_0, log-Jacobian sin tau."""
    return fp.Process(
        lambda x, tau: np.cos(tau) * x,
        0.0,
        fp.GaussianMixture([1.0], [1.0], 0.01),
        horizon,
        lambda x, tau: np.full(x.shape, np.cos(tau)),
    )


def test_the_integrator_has_order_eight():
    """Slope and last error of points and log-Jacobian."""
    mesh = Mesh((np.linspace(0.0, 4.0, 5),))
    errors = []
    for _ in range(3):
        mesh = mesh.halved()
        points, logs = carry(swinging(), np.array([[1.0]]), mesh, np.array([4.0]))
        gaps = [points[0, 0, 0] - np.exp(np.sin(4.0)), logs[0, 0] - np.sin(4.0)]
        errors.append(np.abs(gaps))
    slopes = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(slopes[:, 0] > 7.4), slopes
    assert np.all(slopes[0, 1] > 7.4), slopes
    assert np.max(errors[-1]) < 1e-11


def test_a_mesh_passes_through_its_output_times_in_both_directions():
    def norm(error, logs, x):
        return float(np.max(np.abs(error)))

    taus = np.array([0.0, 0.3, 1.7, 4.0])
    mesh, points, logs = adaptive_mesh(swinging(), np.array([[1.0, -2.0]]), taus, norm, 1e-9)
    assert np.all(np.isin(taus, mesh.pieces[0]))
    assert np.allclose(logs, np.sin(taus)[:, None], atol=1e-7)
    again = carry(swinging(), np.array([[1.0, -2.0]]), mesh, taus)
    assert np.allclose(again[0], points, rtol=1e-13)
    back = adaptive_mesh(swinging(), points[-1], np.array([0.0]), norm, 1e-10, start=4.0)
    assert np.allclose(back[1][0], [[1.0, -2.0]], atol=1e-7)
    assert np.allclose(back[2][0], -np.sin(4.0), atol=1e-7)


def test_the_drift_may_jump_at_a_break():
    """X' = a x with a = 1 up to tau = 0.7 and -2 after it."""

    class Jump:
        horizon = 1.5
        initial = fp.GaussianMixture([1.0], [0.5], 0.3)
        dimension, deterministic, breaks = 1, True, (0.7,)

        def __init__(self, rates=(1.0, -2.0)):
            self.rates = rates

        def drift_and_divergence(self, x, tau):
            rate = self.rates[int(tau > 0.7)]
            return rate * np.asarray(x), np.full(np.shape(x), rate)

        def drift(self, x, tau):
            return self.drift_and_divergence(x, tau)[0]

        def noise(self, tau):
            return np.zeros_like(np.asarray(tau, dtype=float))

        def piece(self, a, b):
            return Jump((self.rates[int(a >= 0.7)],) * 2)

    solution = fp.solve(Jump(), taus=[0.5, 0.7, 1.5], method="characteristics")
    growth = np.array([0.5, 0.7, 0.7 - 1.6])
    entropy = 0.5 * np.log(2 * np.pi * np.e * 0.3) + growth
    assert np.all(solution.entropy.contains(entropy))
    assert np.max(solution.entropy.error) < 1e-8
    assert np.allclose(solution.mean.value, 0.5 * np.exp(growth), atol=1e-9)


def test_what_a_halving_leaves_is_believed_no_further_than_the_order():
    assert remaining_share(1.0, 1e9) == 4 / 256
    assert remaining_share(1.0, 64.0) == pytest.approx(4 / 64)
    assert remaining_share(1.0, 2.0) == 2.0
    assert remaining_share(1.0, 1.0) >= 9.0
    assert remaining_share(1.0, np.inf) == remaining_share(np.inf, 1.0) == 1.0
    assert remaining_share(0.0, 0.0) == 0.0


@pytest.mark.parametrize("tol", [1e-6, 1e-8, 1e-10])
def test_claims_land_below_the_tolerance_and_above_the_truth(tol):
    solution = fp.solve(fp.reverse_process(TWO, 1, strength=3.0, sampler="ode"), tol=tol)
    for name, truth in REFERENCE.items():
        estimate = getattr(solution, name)[-1]
        assert abs(estimate.value - truth) <= estimate.error <= tol, name
    assert solution.entropy[-1].error >= 1e-3 * tol


def test_noise_is_refused():
    with pytest.raises(ValueError, match="characteristics"):
        fp.solve(fp.reverse_process(TWO, 1), method="characteristics")
