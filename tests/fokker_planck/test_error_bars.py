"""Error bars against the truth: 200 closed-form cases, 60 guided cases by two methods.

The cases are random (``random_cases``), on the line and in the plane, with all schedules; the
seeds are the case numbers. A bar must contain the truth in every case, and it must not be
useless: the median of claimed over true error, the latter at least 1e-10, stays below 50. Under
guidance the difference of two methods stands for the error: the true one of the first method
where the second is a plain integration, that of the second where it is finite volumes.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from gaussian_mass import gaussian_mass
from plain_characteristics import plain_characteristics
from random_cases import random_process
from scipy.integrate import quad
from scipy.special import ndtr

import fokker_planck as fp

#: closed-form cases: kind -> dimension, sampler, tolerance asked for
CLOSED = {
    "line": (1, None, 1e-8),
    "plane-ode": (2, "ode", 1e-8),
    "plane-sde": (2, "sde", 1e-8),
}
#: kind and numbers of the cases of one test
BLOCKS = (
    *(("line", range(k, k + 10)) for k in range(0, 120, 10)),
    *(("plane-ode", range(k, k + 10)) for k in range(120, 170, 10)),
    *(("plane-sde", range(k, k + 5)) for k in range(170, 200, 5)),
)
#: guided cases: kind -> dimension, sampler, methods, tolerances, largest errors allowed
GUIDED = {
    "line-ode": (1, "ode", ("characteristics", None), (1e-8, None), (1e-6, 1e-6)),
    "line-sde": (1, "sde", ("spectral", "finite-volume"), (1e-8, 1e-8), (1e-6, 1e-6)),
    "plane-ode": (2, "ode", ("characteristics", None), (1e-8, None), (1e-6, 1e-6)),
    "plane-sde": (2, "sde", ("spectral", "finite-volume"), (1e-3, 2e-2), (1e-3, 1e-2)),
}
#: median of finite volumes' claims over errors: 20 in all, more in some blocks of few cases
LEAST_USEFUL = 150
PAIRS = (
    *(("line-ode", range(k, k + 10)) for k in range(0, 20, 10)),
    *(("line-sde", range(k, k + 5)) for k in range(20, 40, 5)),
    *(("plane-ode", range(k, k + 6)) for k in range(40, 52, 6)),
    *(("plane-sde", range(k, k + 4)) for k in range(52, 60, 4)),
)


@pytest.mark.parametrize(("kind", "cases"), BLOCKS, ids=[f"{k}-{c[0]}" for k, c in BLOCKS])
def test_the_truth_lies_within_the_claim_at_strength_0(kind, cases):
    dimension, sampler, tol = CLOSED[kind]
    ratios = []
    for case in cases:
        process = random_process(
            np.random.default_rng([1, case]),
            strength=0.0,
            sampler=sampler,
            variances=bool(case % 2),
            dimension=dimension,
            schedules=True,
        )
        solution = fp.solve(process, tol=tol)
        m, c = fp.unguided_moments(process, process.horizon)
        m, c = np.reshape(m, -1), np.reshape(c, (dimension, dimension))
        mass, slack = gaussian_mass(process, m, c)
        truths = {
            "entropy": (0.5 * np.linalg.slogdet(2 * np.pi * np.e * c)[1], 0.0),
            "mean": (m if dimension > 1 else m[0], 0.0),
            "covariance": (c if dimension > 1 else c[0, 0], 0.0),
            "posterior_mass": (mass, slack),
            "mass": (1.0, 0.0),
        }
        for name, (truth, unsure) in truths.items():
            estimate = getattr(solution, name)[-1]
            gap = np.abs(np.asarray(estimate.value) - truth)
            # the truth itself is known to a few units of the last place
            rounding = 4e-16 * (1 + np.abs(truth)) + unsure
            assert np.all(gap <= np.asarray(estimate.error) + rounding), (case, name, estimate)
            ratios += list(np.ravel(np.asarray(estimate.error) / np.maximum(gap, 1e-10)))
    assert np.median(ratios) < 50


@pytest.mark.parametrize(("kind", "cases"), PAIRS, ids=[f"{k}-{c[0]}" for k, c in PAIRS])
def test_two_methods_agree_within_their_claims_under_guidance(kind, cases):
    dimension, sampler, methods, tols, largest = GUIDED[kind]
    ratios: tuple[list, list] = [], []
    for case in cases:
        process = random_process(
            np.random.default_rng([2, case]), sampler=sampler, dimension=dimension, schedules=True
        )
        best = fp.solve(process, tol=tols[0])
        assert best.method == methods[0]
        if methods[1] is None:
            others = plain_characteristics(process)
        else:
            other = fp.solve(process, method=methods[1], tol=tols[1])
            names = ("entropy", "mean", "covariance", "posterior_mass", "mass")
            others = {name: getattr(other, name)[-1] for name in names}
        for name, b in others.items():
            a = getattr(best, name)[-1]
            gap = np.abs(np.asarray(a.value) - b.value)
            claimed = np.asarray(a.error) + b.error
            assert np.all(gap <= claimed + 4e-16 * (1 + np.abs(a.value))), (case, name, a, b)
            for estimate, most in zip((a, b), largest, strict=True):
                assert np.all(np.asarray(estimate.error) <= most), (case, name, estimate)
            if name != "mass":
                for found, estimate in zip(ratios, (a, b), strict=True):
                    found += list(np.ravel(estimate.error / np.maximum(gap, 1e-10)))
    # the best method's claim; and that of finite volumes, whose error the difference is
    assert np.median(ratios[0]) < 50
    assert np.median(ratios[1]) < LEAST_USEFUL


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
