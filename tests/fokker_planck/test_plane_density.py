"""Densities on grids in the plane between their nodes, and the error of that."""

import numpy as np
import pytest
from hand_made import carried_solution, grid_solution

import fokker_planck as fp


@pytest.mark.parametrize("seed", range(6))
def test_the_logarithm_is_within_its_error_between_the_nodes(seed):
    rng = np.random.default_rng(seed)
    root = 0.5 * rng.normal(size=(2, 2)) + np.eye(2)
    law = fp.GaussianMixture(np.full(3, 1 / 3), 2 * rng.normal(size=(3, 2)), root @ root.T)
    slip = 10 ** rng.uniform(-10, -6)
    solution = grid_solution(law, slip, n=256, angle=rng.uniform(0, 1.5))
    x = law.means[rng.integers(3, size=400)] + 2 * rng.normal(size=(400, 2)) @ root.T
    found, error = solution.log_density(x)
    gap = np.abs(found - law.log_density(x))
    known = np.isfinite(error)
    assert np.mean(known) > 0.9
    assert np.all(gap[known] <= error[known])
    assert np.median(error[known] / np.maximum(gap[known], 1e-10)) < 50


def test_nothing_is_claimed_where_there_is_only_rounding():
    law = fp.GaussianMixture([1.0], [[0.0, 0.0]])
    solution = grid_solution(law, n=96)
    _, error = solution.log_density([[8.3, 0.0], [0.0, -30.0], [1.0, 1.0]])
    assert np.isinf(error[:2]).all() and error[2] < 1e-8


def test_a_grid_too_coarse_claims_little():
    law = fp.GaussianMixture([1.0], [[0.0, 0.0]])
    x = np.random.default_rng(0).normal(size=(200, 2))
    found, error = grid_solution(law, n=9).log_density(x)
    gap = np.abs(found - law.log_density(x))
    assert np.median(error) > 1e-3
    assert np.mean(gap <= error) > 0.9


def test_the_density_itself_is_zero_off_the_grid():
    law = fp.GaussianMixture([1.0], [[0.0, 0.0]])
    density = grid_solution(law).density(0)
    assert density.pdf(np.array([[20.0, 0.0]]))[0] == 0
    assert density.pdf(np.array([0.3, 0.4])) == pytest.approx(np.exp(-0.125) / (2 * np.pi))


def test_carried_nodes_have_no_grid_to_interpolate_on():
    law = fp.GaussianMixture([1.0], [[0.0, 0.0]])
    with pytest.raises(ValueError, match="known at its own nodes"):
        carried_solution(law, per_deviation=2).density(0).log_pdf([[0.0, 0.0]])
