"""Characteristics: reference values, closed forms, the entropy identity, densities backwards."""

from __future__ import annotations

import numpy as np
import pytest

import fokker_planck as fp
from fokker_planck.methods.runge_kutta import halved, integrate

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
    x = solution.density(-1).points[40:-40:7]
    log_p, error = solution.log_density(x, -1)
    assert np.all(error < 1e-7)
    assert np.allclose(log_p, solution.density(-1).log_values[40:-40:7], atol=1e-7)


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


def test_the_integrator_has_order_eight():
    """Slope and last error on x' = cos(tau) x, x = exp(sin tau)."""

    def field(tau, y):
        return np.cos(tau) * y

    mesh = np.linspace(0.0, 4.0, 5)
    errors = []
    for _ in range(3):
        mesh = halved(mesh)
        end = integrate(field, np.array([1.0]), mesh, np.array([4.0]))[0, 0]
        errors.append(abs(end - np.exp(np.sin(4.0))))
    slopes = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(slopes > 7.4), slopes
    assert errors[-1] < 1e-11


def test_noise_is_refused():
    with pytest.raises(ValueError, match="characteristics"):
        fp.solve(fp.reverse_process(TWO, 1), method="characteristics")
