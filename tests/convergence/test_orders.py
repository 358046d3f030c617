"""Convergence: the slope, the last error, and the limit against independent numbers."""

import numpy as np
import pytest

import fokker_planck as fp
from fokker_planck.extrapolation import extrapolate
from fokker_planck.functionals import ENTROPY, MEAN, VARIANCE, posterior_mass
from fokker_planck.methods.central import CentralGrid, integrate, resample
from fokker_planck.methods.finite_volume import FiniteVolumes, TimeMap

HORIZON = 5.0
TAUS = np.array([HORIZON])
MIXTURE = fp.GaussianMixture([0.5, 0.5], [-1, 1])
GUIDED = fp.reverse_process(MIXTURE, 1, strength=3.0, sampler="sde")
#: reference values of entropy and posterior mass at the output, found by independent methods
TRUTH = {"entropy": 1.0942411700358, "posterior_mass": 0.9556945098651}


class Convergence:
    """Errors against a truth on a sequence of resolutions, each twice the one before."""

    def __init__(self, values, truth):
        self.values = np.asarray(values)
        self.errors = np.abs(self.values - truth)
        self.slopes = np.log2(self.errors[:-1] / self.errors[1:])

    def check(self, order, last_error, within=0.1):
        assert self.slopes[-1] == pytest.approx(order, abs=within), self.slopes
        assert self.errors[-1] < last_error, self.errors


def finite_volume(process, cells, level, gamma=3.0):
    scheme = FiniteVolumes(process, -9.0, 11.6)
    mesh, index = TimeMap(HORIZON, gamma).mesh(TAUS, 25, level)
    return scheme.run(cells, TAUS, mesh, index)


@pytest.fixture(scope="module")
def table():
    return [[finite_volume(GUIDED, 80 * 2**s, q) for q in range(5)] for s in range(4)]


@pytest.mark.parametrize("functional", [ENTROPY, posterior_mass(GUIDED)], ids=lambda f: f.name)
class TestFiniteVolumes:
    def values(self, table, functional):
        return np.array([[run.values(functional)[0] for run in row] for row in table])

    def test_first_order_in_time(self, table, functional):
        values = self.values(table, functional)[-1]
        limit, _ = extrapolate(values, (1, 2, 3, 4))
        Convergence(values, limit).check(1, 2e-3)

    def test_each_column_in_time_gains_an_order(self, table, functional):
        column = self.values(table, functional)[-1]
        limit, _ = extrapolate(column, (1, 2, 3, 4))
        column = column[1:] + np.diff(column)
        Convergence(column, limit).check(2, 1e-5, within=0.2)

    def test_second_order_in_space(self, table, functional):
        limits = [extrapolate(row, (1, 2, 3, 4))[0] for row in self.values(table, functional)]
        Convergence(limits, TRUTH[functional.name]).check(2, 1e-4)

    def test_fourth_order_in_space_after_one_extrapolation(self, table, functional):
        limits = np.array(
            [extrapolate(row, (1, 2, 3, 4))[0] for row in self.values(table, functional)]
        )
        column = limits[1:] + np.diff(limits) / 3
        Convergence(column, TRUTH[functional.name]).check(4, 1e-7)

    def test_the_extrapolated_limit_is_the_truth(self, table, functional):
        rows = [extrapolate(row, (1, 2, 3, 4)) for row in self.values(table, functional)]
        value, error = extrapolate([value for value, _ in rows], (2, 4, 6))
        wrong = abs(value - TRUTH[functional.name])
        assert wrong < 1e-9
        assert wrong <= error + 2 * max(error for _, error in rows)


def test_finite_volumes_converge_to_the_closed_form():
    process = GUIDED.with_strength(0.0)
    mean, variance = fp.unguided_moments(process, HORIZON)
    truths = {
        ENTROPY: 0.5 * np.log(2 * np.pi * np.e * variance),
        MEAN: float(mean),
        VARIANCE: float(variance),
    }
    table = [[finite_volume(process, 80 * 2**s, q) for q in range(5)] for s in range(4)]
    for functional, truth in truths.items():
        rows = [[run.values(functional)[0] for run in row] for row in table]
        limits = [extrapolate(row, (1, 2, 3, 4))[0] for row in rows]
        assert abs(extrapolate(limits, (2, 4, 6))[0] - truth) < 1e-8, functional.name
        if functional is not MEAN:
            Convergence(limits, truth).check(2, 1e-4)


def test_central_differences_are_of_eighth_order():
    grids = [CentralGrid(GUIDED, -9.0, 11.6, cells) for cells in (60, 120, 240, 480)]
    runs = [integrate(grid, TAUS, 1e-9)[0] for grid in grids]
    fine = runs[-1].mass[0] / grids[-1].cell
    errors = []
    for run, grid in zip(runs[:-1], grids[:-1], strict=True):
        errors.append(np.abs(resample(run.mass / grid.cell, 480)[0] - fine).sum() * grids[-1].cell)
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert slopes[-1] == pytest.approx(8, abs=0.4), slopes
    assert errors[-1] < 2e-8
    for functional in (ENTROPY, posterior_mass(GUIDED)):
        assert abs(runs[-1].values(functional)[0] - TRUTH[functional.name]) < 2e-11


def test_central_differences_of_a_transported_density_are_of_eighth_order():
    # the ODE at strength 0: a Gaussian that moves and shrinks; pointwise error of the density
    mixture = fp.GaussianMixture([1.0], [1.0], 0.3)
    process = fp.reverse_process(mixture, 0, sampler="ode", horizon=2.0)
    mean, variance = fp.unguided_moments(process, 2.0)
    errors = []
    for cells in (80, 160, 320):
        grid = CentralGrid(process, -9.0, 11.0, cells)
        run, _ = integrate(grid, np.array([2.0]), 1e-12)
        exact = np.exp(-((grid.points - mean) ** 2) / (2 * variance))
        exact /= np.sqrt(2 * np.pi * variance)
        errors.append(np.abs(run.mass[0] / grid.cell - exact).max())
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert slopes[-1] == pytest.approx(8, abs=0.4)
    assert errors[-1] < 1e-8
