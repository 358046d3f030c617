"""Marginals of laws in the plane: closed forms, product laws, and errors that hold."""

import numpy as np
import pytest
from hand_made import carried_solution, grid_solution, table_solution

import fokker_planck as fp
from fokker_planck.functionals import mean_along


def gaussian(rng):
    root = rng.normal(size=(2, 2))
    covariance = root @ root.T + 0.05 * np.eye(2)
    return fp.GaussianMixture([1.0], rng.normal(size=(1, 2)), covariance)


def along(law, axis):
    return fp.GaussianMixture(law.weights, law.means[:, axis], law.covariances[:, axis, axis])


def product(first, second):
    """The product law of two 1-D mixtures; component (i, j) has index i * K2 + j."""
    return fp.GaussianMixture(
        np.outer(first.weights, second.weights).ravel(),
        [[a, b] for a in first.means[:, 0] for b in second.means[:, 0]],
        [np.diag([a, b]) for a in first.covariances[:, 0, 0] for b in second.covariances[:, 0, 0]],
    )


@pytest.mark.parametrize("make", [grid_solution, carried_solution])
@pytest.mark.parametrize("seed", range(5))
def test_marginals_of_gaussians_are_gaussian_within_the_error(make, seed):
    rng = np.random.default_rng(seed)
    law, slip = gaussian(rng), 10 ** rng.uniform(-11, -5)
    kind = {"angle": rng.uniform(0, 1.5)} if make is grid_solution else {"per_deviation": 6}
    solution = make(law, slip, **kind)
    for axis in (0, 1):
        found, true = solution.marginal(axis), along(law, axis)
        exact = np.exp(true.log_density(found.points))
        l1 = np.sum(np.abs(found.values - exact)) * (found.points[1] - found.points[0])
        assert 0.05 * found.l1_error <= l1 <= found.l1_error + 1e-13
        variance = law.covariances[0, axis, axis]
        entropy = 0.5 * np.log(2 * np.pi * np.e * variance)
        assert abs(found.entropy.value - entropy) <= found.entropy.error <= 30 * slip + 1e-11
        mean = found.estimate(mean_along(0))
        assert abs(mean.value - law.means[0, axis]) <= mean.error <= 30 * slip + 1e-11
        x = law.means[0, axis] + np.sqrt(variance) * np.linspace(-4, 4, 41)
        gap = np.abs(found.log_pdf(x) - true.log_density(x))
        assert np.all(gap <= found.log_error(x))
        assert np.median(found.log_error(x)) < 1e3 * slip + 1e-6


@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_marginals_of_finite_volumes(angle):
    law = fp.GaussianMixture([1.0], [[0.5, -1.0]], [[1.0, 0.3], [0.3, 0.6]])
    solution = table_solution(law, 1e-3, angle=angle)
    for axis in (0, 1):
        found, true = solution.marginal(axis), along(law, axis)
        entropy = 0.5 * np.log(2 * np.pi * np.e * law.covariances[0, axis, axis])
        assert abs(found.entropy.value - entropy) <= found.entropy.error < 1e-2
        exact = np.exp(true.log_density(found.points))
        l1 = np.sum(np.abs(found.values - exact)) * (found.points[1] - found.points[0])
        assert l1 <= found.l1_error < 1e-2


def test_a_mixture_on_a_turned_grid():
    law = fp.GaussianMixture(
        [0.3, 0.7], [[-2.0, 0.5], [1.0, -1.0]], [[[1.0, 0.6], [0.6, 0.7]], [[0.4, 0.0], [0.0, 2.0]]]
    )
    solution = grid_solution(law, 1e-9, n=128, angle=0.4)
    for axis in (0, 1):
        found = solution.marginal(axis)
        exact = np.exp(along(law, axis).log_density(found.points))
        l1 = np.sum(np.abs(found.values - exact)) * (found.points[1] - found.points[0])
        assert l1 <= found.l1_error < 1e-8
        assert found.integral() == pytest.approx(1, abs=1e-12)
        assert solution.marginal_entropy(axis)[0].agrees(found.entropy)


def test_a_grid_too_coarse_for_the_marginal_says_so():
    law = fp.GaussianMixture([1.0], [[0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    solution = grid_solution(law, n=10)
    found = solution.marginal(0)
    exact = np.exp(along(law, 0).log_density(found.points))
    l1 = np.sum(np.abs(found.values - exact)) * (found.points[1] - found.points[0])
    assert 1e-4 < l1 <= found.l1_error


def test_product_laws_factor_for_the_ode():
    first = fp.GaussianMixture([0.4, 0.6], [-1.0, 1.2])
    second = fp.GaussianMixture([0.3, 0.7], [-0.5, 2.0], [0.5, 1.5])
    kind = {"strength": 1.0, "sampler": "ode", "horizon": 1.0}
    # the start N(0, I) factors, and so does the guided drift
    whole = fp.solve(fp.reverse_process(product(first, second), 2, **kind), taus=[1.0], tol=1e-6)
    parts = [
        fp.solve(fp.reverse_process(law, target, **kind), taus=[1.0], tol=1e-10)
        for law, target in ((first, 1), (second, 0))
    ]
    found = [whole.marginal(axis) for axis in (0, 1)]
    for marginal, part in zip(found, parts, strict=True):
        assert marginal.entropy.agrees(part.entropy[0]) and marginal.entropy.error < 1e-4
        x = np.linspace(*np.interp([0.05, 0.95], *part.distribution(0)[1::-1]), 5)
        log_p, error = part.log_density(x)
        assert np.all(np.abs(marginal.log_pdf(x) - log_p) <= error + marginal.log_error(x))
    assert (found[0].entropy + found[1].entropy).agrees(whole.entropy[0])


def test_bad_input_is_named():
    law = fp.GaussianMixture([1.0], [[0.0, 0.0]])
    with pytest.raises(ValueError, match=r"axis must be 0 or 1, got 2"):
        grid_solution(law).marginal(2)
    line = grid_solution(fp.GaussianMixture([1.0], [0.0]))
    with pytest.raises(ValueError, match=r"marginal must be taken in dimension 2, got dimension 1"):
        line.marginal(0)
