"""Characteristics in the plane, and in more dimensions: closed forms, products, other methods."""

from __future__ import annotations

import numpy as np
import pytest
from random_cases import random_process, random_rotation
from scipy.integrate import solve_ivp

import fokker_planck as fp
from fokker_planck.functionals import (
    ENTROPY,
    covariance_along,
    mean_along,
    posterior_mass,
    watched,
)
from fokker_planck.methods import characteristics
from fokker_planck.methods.characteristics import backward_log_density, solve_characteristics

ANGLES = np.deg2rad([90, 210, 330])
TRIANGLE = fp.GaussianMixture(np.full(3, 1 / 3), 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1))
#: radius 2, strength 2, T = 5, start N(0, I): entropy and posterior mass
REFERENCE = {"entropy": 2.05887527068599, "posterior_mass": 0.999389786718084}


def solved(process, tol=1e-8, taus=None):
    times = np.array([0.0, process.horizon]) if taus is None else np.array(taus)
    with np.errstate(all="ignore"):
        return solve_characteristics(process, times, tol, None)[0]


def read(reading, functional):
    with np.errstate(all="ignore"):
        values, budget = reading.read(functional)
    return values[-1], sum(part[-1] for part in budget.values())


@pytest.mark.parametrize("tol", [1e-6, 1e-9])
def test_reference_values_lie_within_the_claim(tol):
    solution = fp.solve(fp.reverse_process(TRIANGLE, 0, strength=2.0, sampler="ode"), tol=tol)
    for name, truth in REFERENCE.items():
        estimate = getattr(solution, name)[-1]
        assert abs(estimate.value - truth) <= estimate.error <= tol, name


def narrow_process(rng, dimension):
    """Variances from 1e-3 to 2 along random axes, at least one the smallest."""
    k = int(rng.integers(2, 4))
    spectra = np.exp(rng.uniform(np.log(1e-3), np.log(2.0), size=(k, dimension)))
    spectra[int(rng.integers(k)), 0] = 1e-3
    turns = [random_rotation(rng) if dimension == 2 else np.eye(1) for _ in range(k)]
    covariances = np.array([q * s @ q.T for q, s in zip(turns, spectra, strict=True)])
    mixture = fp.GaussianMixture(
        np.full(k, 1 / k), rng.uniform(-1.5, 1.5, size=(k, dimension)), covariances
    )
    return fp.reverse_process(
        mixture, int(rng.integers(k)), strength=0.0, sampler="ode", horizon=rng.uniform(1, 6)
    )


def unguided_values(process):
    d = process.dimension
    mean, covariance = fp.unguided_moments(process, process.horizon)
    mean, covariance = np.reshape(mean, d), np.reshape(covariance, (d, d))
    entropy = 0.5 * (d * np.log(2 * np.pi * np.e) + np.linalg.slogdet(covariance)[1])
    out = {ENTROPY: entropy, covariance_along(0, d - 1): covariance[0, -1]}
    return out | {mean_along(i): mean[i] for i in range(d)}


@pytest.mark.parametrize("block", range(8))
def test_the_truth_lies_within_the_claim_at_strength_0(block, monkeypatch):
    # entropy and moments: a classifier finer than the law would only add nodes
    monkeypatch.setattr(characteristics, "watched", lambda p: watched(p)[: 1 + p.dimension])
    ratios = []
    for case in range(6 * block, 6 * block + 6):
        rng = np.random.default_rng([11, case])
        d = 1 + case % 2
        if case % 5 == 4:
            process = narrow_process(rng, d)
        else:
            process = random_process(
                rng,
                strength=0.0,
                sampler="ode",
                variances=case % 4 > 1,
                dimension=d,
                schedules=True,
            )
        reading = solved(process)
        for functional, truth in unguided_values(process).items():
            value, error = read(reading, functional)
            gap = abs(value - truth)
            assert gap <= error + 4e-16 * (1 + abs(truth)), (case, functional.name, gap, error)
            ratios.append(error / max(gap, 1e-10))
    assert np.median(ratios) < 50


def carried_by_scipy(process, per_axis):
    """Entropy, posterior mass and mean by solve_ivp on Gauss-Hermite nodes."""
    d = process.dimension
    z, w = np.polynomial.hermite_e.hermegauss(per_axis)
    grids = np.meshgrid(*[z] * d, indexing="ij")
    weights = np.prod(np.meshgrid(*[w / w.sum()] * d, indexing="ij"), axis=0).ravel()
    root = np.linalg.cholesky(process.initial.covariances[0])
    x = process.initial.means[0] + np.stack(grids, axis=-1).reshape(-1, d) @ root.T
    keep = weights > 1e-15
    x, weights, n = x[keep], weights[keep], int(keep.sum())

    def rates(tau, y):
        drift, divergence = process.drift_and_divergence(y[: d * n].reshape(n, d), tau)
        return np.concatenate([drift.ravel(), divergence])

    start = np.concatenate([x.ravel(), np.zeros(n)])
    ivp = solve_ivp(rates, (0, process.horizon), start, "DOP853", rtol=1e-9, atol=1e-9)
    end = ivp.y[: d * n, -1].reshape(n, d)
    log_p = process.initial.log_density(x) - ivp.y[d * n :, -1]
    posterior = np.exp(process.log_posterior(end, process.horizon))
    return {
        ENTROPY: -weights @ log_p,
        posterior_mass(process): weights @ posterior,
        mean_along(0): weights @ end[:, 0],
    }


@pytest.mark.parametrize("block", range(3))
def test_guided_laws_agree_with_an_independent_integration(block):
    """Gauss-Hermite nodes at two numbers bound what that method itself is wrong by."""
    for case in range(10 * block, 10 * block + 10):
        rng = np.random.default_rng([12, case])
        turn = random_rotation(rng)
        covariance = turn @ np.diag([1.0, rng.uniform(0.3, 1.0)]) @ turn.T
        means = rng.uniform(-1.0, 1.0, size=(3, 2))
        process = fp.reverse_process(
            fp.GaussianMixture([0.3, 0.3, 0.4], means, covariance),
            case % 3,
            strength=rng.uniform(0, 3),
            sampler="ode",
            horizon=2.0,
            initial=["normal", "exact"][case % 2],
        )
        reading = solved(process, 1e-7)
        fine, coarse = carried_by_scipy(process, 20), carried_by_scipy(process, 15)
        for (functional, value), other in zip(fine.items(), coarse.values(), strict=True):
            own, error = read(reading, functional)
            assert error < 1e-7
            assert abs(own - value) <= error + abs(value - other) + 2e-8, (case, functional.name)


def test_a_product_law_factors_into_two_on_the_line():
    weights = [np.array([0.3, 0.7]), np.array([0.4, 0.6])]
    means = [np.array([-1.0, 1.2]), np.array([0.5, -0.8])]
    variances = [0.5, 1.3]
    product = fp.GaussianMixture(
        np.outer(*weights).ravel(),
        np.stack([axis.ravel() for axis in np.meshgrid(*means, indexing="ij")], axis=1),
        np.diag(variances),
    )
    # component (1, 1) is the last one; its posterior is the product of the two
    plane = fp.solve(fp.reverse_process(product, 3, strength=2.0, sampler="ode"), tol=1e-9)
    lines = [
        fp.solve(
            fp.reverse_process(fp.GaussianMixture(w, m, v), 1, strength=2.0, sampler="ode"),
            tol=1e-9,
        )
        for w, m, v in zip(weights, means, variances, strict=True)
    ]
    one, two = (line.entropy[-1] for line in lines)
    own = plane.entropy[-1]
    assert abs(own.value - one.value - two.value) <= own.error + one.error + two.error
    one, two = (line.posterior_mass[-1] for line in lines)
    own = plane.posterior_mass[-1]
    assert abs(own.value - one.value * two.value) <= own.error + one.error + two.error
    for axis, line in enumerate(lines):
        assert abs(plane.mean.value[-1, axis] - line.mean[-1].value) <= (
            plane.mean.error[-1, axis] + line.mean[-1].error
        )


def test_entropy_changes_by_the_mean_divergence():
    """I1: dH/dtau = E div b, integrated by quadrature over output times."""
    turn = random_rotation(np.random.default_rng(3))
    mixture = fp.GaussianMixture(
        [0.5, 0.5], [[-1, 0], [1, 0.5]], [np.eye(2), turn @ np.diag([0.3, 1.0]) @ turn.T]
    )
    process = fp.reverse_process(mixture, 1, strength=2.0, sampler="ode", horizon=3.0)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    taus = 0.5 * process.horizon * (1 + nodes)
    solution = fp.solve(process, taus=[0.0, *taus, process.horizon])
    rate = solution.expectation(process.divergence)
    change = 0.5 * process.horizon * float(weights @ rate.value[1:-1])
    assert change == pytest.approx(solution.entropy[-1].value - solution.entropy[0].value, abs=2e-8)


def test_backward_and_carried_densities_agree():
    process = fp.reverse_process(TRIANGLE, 0, strength=2.0, sampler="ode")
    reading = solved(process)
    density = reading.density(-1)
    some = np.flatnonzero(density.mass > 1e-6)[::37]
    log_p, error = backward_log_density(process, density.points[some], process.horizon)
    assert np.all(error < 1e-7)
    assert np.all(np.abs(log_p - density.log_values[some]) <= error + 1e-8)


def test_a_rotated_start_of_several_components():
    """A linear flow maps each component to a Gaussian: x' = A x."""
    a = np.array([[-0.4, 0.8], [-0.8, -0.1]])
    start = fp.GaussianMixture(
        [0.4, 0.6], [[-1.0, 0.5], [1.0, 0.0]], [np.diag([0.5, 1.0]), [[1.0, 0.6], [0.6, 0.8]]]
    )
    process = fp.Process(
        lambda x, tau: x @ a.T, 0.0, start, 1.5, lambda x, tau: np.full(len(x), np.trace(a))
    )
    reading = solved(process)
    exact = fp.solve(process).entropy
    value, error = read(reading, ENTROPY)
    assert abs(value - exact[0].value - 1.5 * np.trace(a)) <= error + exact[0].error
    assert error < 1e-8
    from scipy.linalg import expm

    flow = expm(1.5 * a)
    value, error = read(reading, covariance_along(0, 1))
    assert abs(value - (flow @ start.covariance @ flow.T)[0, 1]) <= error


def test_three_dimensions():
    mixture = fp.GaussianMixture([0.5, 0.5], [[-1, 0, 0.5], [1, 0.2, 0]], np.diag([1.0, 0.7, 0.5]))
    process = fp.reverse_process(mixture, 1, strength=0.0, sampler="ode", horizon=1.0)
    reading = solved(process, 1e-3)
    for functional, truth in unguided_values(process).items():
        value, error = read(reading, functional)
        assert abs(value - truth) <= error < 1e-2, functional.name


def test_too_many_nodes_are_refused_in_one_line():
    start = fp.GaussianMixture([0.5, 0.5], [[-500, 0], [500, 0]], 1e-4)
    process = fp.Process(lambda x, tau: -x, 0.0, start, 1.0, lambda x, tau: np.full(len(x), -2.0))
    with pytest.raises(fp.SolverError, match="starting nodes"):
        solved(process)
