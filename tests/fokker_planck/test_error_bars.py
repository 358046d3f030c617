"""Error bars against the truth: 200 closed-form cases, 50 guided cases by two methods.

The cases are random (``random_cases``); the seeds are the case numbers. A bar must contain the
truth in every case, and it must not be useless: the median of claimed over true error, the
latter at least 1e-10, stays below 100.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from random_cases import random_process
from scipy.integrate import quad
from scipy.special import ndtr

import fokker_planck as fp

FUNCTIONALS = ("entropy", "mean", "covariance", "posterior_mass", "mass")
N_CLOSED, N_GUIDED, BLOCK = 200, 50, 10


def closed_form(process: fp.ReverseProcess) -> dict[str, float]:
    """I4, and the posterior mass of the Gaussian by adaptive quadrature."""
    m, v = (float(item) for item in fp.unguided_moments(process, process.horizon))

    def integrand(z: float) -> float:
        log_p = process.log_posterior(np.array([m + np.sqrt(v) * z]), process.horizon)[0]
        return float(np.exp(log_p - 0.5 * z * z) / np.sqrt(2 * np.pi))

    mass = quad(integrand, -10, 10, epsabs=1e-13, epsrel=1e-13, limit=400)[0]
    entropy = 0.5 * np.log(2 * np.pi * np.e * v)
    return {"entropy": entropy, "mean": m, "covariance": v, "posterior_mass": mass, "mass": 1.0}


@pytest.mark.parametrize("block", range(N_CLOSED // BLOCK))
def test_the_truth_lies_within_the_claim_at_strength_0(block):
    ratios = []
    for case in range(block * BLOCK, (block + 1) * BLOCK):
        process = random_process(
            np.random.default_rng([1, case]), strength=0.0, variances=bool(case % 2)
        )
        solution = fp.solve(process)
        for name, truth in closed_form(process).items():
            estimate = getattr(solution, name)[-1]
            gap = abs(estimate.value - truth)
            # the truth itself is known to a few units of the last place
            assert gap <= estimate.error + 4e-16 * (1 + abs(truth)), (case, name)
            ratios.append(estimate.error / max(gap, 1e-10))
    assert np.median(ratios) < 100


@pytest.mark.parametrize("block", range(N_GUIDED // 2))
def test_two_methods_agree_within_their_claims_under_guidance(block):
    for case in (2 * block, 2 * block + 1):
        process = random_process(np.random.default_rng([2, case]))
        best = fp.solve(process)
        other = fp.solve(process, method="central" if process.deterministic else "finite-volume")
        assert best.method != other.method
        for name in FUNCTIONALS:
            a, b = getattr(best, name)[-1], getattr(other, name)[-1]
            assert a.agrees(b), (case, name, a, b)
            assert a.error <= 1e-6, (case, name, a)


@pytest.mark.parametrize("sampler", ["ode", "sde"])
@pytest.mark.parametrize("method", ["auto", "central", "finite-volume"])
@pytest.mark.parametrize("variance", [0.04, 1e-4, 1e-6])
def test_a_posterior_narrower_than_the_grid_is_resolved_or_called_unknown(
    variance, method, sampler
):
    """Components at one place, variances 1 and v: 1 - P lives within a few sqrt(v)."""
    if sampler == "ode" and method == "finite-volume":
        pytest.skip("finite volumes need noise")
    mixture = fp.GaussianMixture([0.5, 0.5], [0, 0], [1, variance])
    process = fp.reverse_process(mixture, 0, strength=0.0, sampler=sampler)
    m, v = (float(item) for item in fp.unguided_moments(process, process.horizon))

    def integrand(x: float) -> float:
        log_rest = process.log_complement(np.array([x]), process.horizon)[0]
        return float(np.exp(log_rest - (x - m) ** 2 / (2 * v)) / np.sqrt(2 * np.pi * v))

    ends = np.array([0, 3, 10, 60]) * np.sqrt(variance)
    truth = 2 * sum(
        quad(integrand, a, b, epsabs=1e-15, limit=200)[0] for a, b in itertools.pairwise(ends)
    )
    estimate = fp.solve(process, method=method).complement_mass[-1]
    assert abs(estimate.value - truth) <= estimate.error + 1e-14


@pytest.mark.parametrize("method", ["spectral", "central", "finite-volume"])
def test_indicators_have_honest_bars_and_what_no_node_sees_is_unknown(method):
    process = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1, 1]), 1, strength=0.0)
    solution = fp.solve(process, method=method)
    m, v = (float(item) for item in fp.unguided_moments(process, process.horizon))
    for a in np.linspace(-1, 3, 40):
        estimate = solution.expectation(lambda x, tau, a=a: (x < a) * 1.0)[-1]
        assert estimate.contains(ndtr((a - m) / np.sqrt(v))), a
    unseen = solution.expectation(lambda x, tau: ((x > 0.501) & (x < 0.50101)) * 1.0)[-1]
    assert unseen.error > 1e-5


@pytest.mark.parametrize("gap", [1, 2, 3, 6, 8, 10])
def test_growing_integrands_are_charged_for_what_lies_outside(gap):
    """At strength 0 and the exact start the mean of 1/P is 1/w, whatever the distance."""
    mixture = fp.GaussianMixture([0.5, 0.5], [-gap, gap])
    process = fp.reverse_process(mixture, 1, strength=0.0, initial="exact")

    def reciprocal(x, tau):
        with np.errstate(over="ignore"):
            return np.exp(-process.log_posterior(x, tau))

    estimate = fp.solve(process).expectation(reciprocal)
    assert np.all(estimate.contains(2.0) | ~np.isfinite(estimate.error))
