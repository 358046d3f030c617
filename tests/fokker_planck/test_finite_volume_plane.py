"""Finite volumes in the plane: conservation, positivity, orders, and honest errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cases import random_process

import fokker_planck as fp
from fokker_planck.functionals import ENTROPY, MASS, covariance_along, mean_along, posterior_mass
from fokker_planck.methods.base import SolverError
from fokker_planck.methods.box_plane import PlaneFrame, moving_frame
from fokker_planck.methods.finite_volume_plane import run_pilot, solve_finite_volume_plane
from fokker_planck.methods.volumes_plane import Lines, PlaneVolumes, faces_of

ANGLES = np.deg2rad([90, 210, 330])
TRIANGLE = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
STILL = PlaneFrame(1.0, np.eye(2), np.zeros((1, 8)))


def read(reading, functional):
    values, budget = reading.read(functional)
    return values, sum(budget.values())


def three_components() -> fp.ReverseProcess:
    mixture = fp.GaussianMixture([1 / 3] * 3, TRIANGLE)
    return fp.reverse_process(mixture, 0, strength=2.0, sampler="sde")


# --- one step ------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1])
def test_line_solves_solve_every_line(axis):
    rng = np.random.default_rng(0)
    shape = (7, 9)
    faces = tuple(n - (k == axis) for k, n in enumerate(shape))
    velocity = rng.normal(size=faces)
    lines = Lines.of(velocity, 0.7, 0.2, np.array([0.1, 0.3]), axis)[1]
    p = rng.uniform(size=shape)
    after = lines.solve(p)
    # (after - p) / dt is minus the divergence of the fluxes of `after`
    b, q = np.moveaxis(velocity, axis, 0), np.moveaxis(after, axis, 0)
    peclet = b * 0.2 / 0.7
    weight = peclet / np.expm1(peclet)
    flux = 0.7 / 0.2 * ((weight + peclet) * q[:-1] - weight * q[1:])
    balance = np.zeros_like(q)
    balance[:-1] -= flux / 0.2
    balance[1:] += flux / 0.2
    np.testing.assert_allclose((after - p) / 0.3, np.moveaxis(balance, 0, axis), atol=1e-11)


@settings(max_examples=30, deadline=None)
@given(st.floats(-10, 200), st.integers(0, 10**6))
def test_line_solves_of_any_size_keep_densities_nonnegative_and_the_mass(log_dt, seed):
    rng = np.random.default_rng(seed)
    velocity = rng.normal(scale=10.0 ** rng.uniform(-3, 4), size=(11, 8))
    lines = Lines.of(velocity, 10.0 ** rng.uniform(-6, 2), 0.1, np.array([10.0**log_dt]), 0)[0]
    p = 10.0 ** rng.uniform(-300, 0, size=(12, 8))
    after = lines.solve(p)
    assert after.min() >= 0
    np.testing.assert_allclose(after.sum(axis=0), p.sum(axis=0), rtol=1e-13)


def test_faces_are_interpolated_to_fourth_order():
    x = np.arange(8.0)
    cubic = np.stack([x**3 - x, x**2], axis=1)
    middle = x[:-1] + 0.5
    found = faces_of(cubic, 0)
    np.testing.assert_allclose(found[1:-1, 0], (middle**3 - middle)[1:-1], atol=1e-12)
    np.testing.assert_allclose(faces_of(cubic.T, 1), found.T)


# --- runs ----------------------------------------------------------------------------------------


def scheme_of(process, reach=8.0):
    return PlaneVolumes(process, moving_frame(process), np.full(2, -reach), np.full(2, reach))


def test_the_density_is_positive_and_its_mass_drifts_by_rounding_only():
    scheme = scheme_of(three_components())
    mesh = np.linspace(0, 5, 41)
    area = scheme.sizes(40).prod()
    masses = []
    for _, _, p in scheme.march(40, [mesh]):
        assert p.min() > 0
        masses.append(p.sum() * area)
    assert np.ptp(masses) < 1e-14
    assert abs(masses[0] - 1) < 1e-10


def test_swapping_the_axes_swaps_the_density_exactly():
    law = fp.GaussianMixture([1.0], [[0.0, 0.0]])
    runs = []
    for swap in (False, True):

        def drift(x, tau, swap=swap):
            y = x[..., ::-1] if swap else x
            b = np.stack([-y[..., 0] + np.sin(y[..., 1]), -2 * y[..., 1]], axis=-1)
            return b[..., ::-1] if swap else b

        process = fp.Process(drift, 1.0, law, 1.0)
        scheme = PlaneVolumes(process, STILL, np.full(2, -7.0), np.full(2, 7.0))
        *_, (_, _, p) = scheme.march(24, [np.linspace(0, 1, 9)])
        runs.append(p)
    np.testing.assert_allclose(runs[1], runs[0].T, rtol=1e-12)


def test_orders_and_limit():
    # a quarter turn of an anisotropic Gaussian, with friction: the axes do not commute
    law = fp.GaussianMixture([1.0], [[0.5, 0.0]], [[[1.5, 0.0], [0.0, 0.5]]])
    spin = np.array([[-1.0, -1.0], [1.0, -1.0]])
    process = fp.Process(lambda x, tau: x @ spin.T, np.sqrt(2.0), law, 1.0)
    turn = np.exp(-1) * np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    covariance = turn @ np.diag([1.5, 0.5]) @ turn.T + (1 - np.exp(-2)) * np.eye(2)
    truth = 0.5 * np.log((2 * np.pi * np.e) ** 2 * np.linalg.det(covariance))
    scheme = PlaneVolumes(process, STILL, np.full(2, -8.0), np.full(2, 8.0))
    taus = np.array([1.0])

    def entropies(cells, counts):
        meshes = [(np.linspace(0, 1, n + 1), np.array([n])) for n in counts]
        return np.array([r.values(ENTROPY)[0] for r in scheme.runs(cells, taus, meshes)])

    in_time = entropies(32, (16, 32, 64, 128))
    ratios = np.diff(in_time)[:-1] / np.diff(in_time)[1:]
    np.testing.assert_allclose(ratios, 2.0, atol=0.15)
    # the limit in time at each size, then in space
    limits = [2 * b - a for a, b in (entropies(n, (32, 64)) for n in (20, 40, 80))]
    assert (limits[0] - limits[1]) / (limits[1] - limits[2]) == pytest.approx(4.0, abs=0.4)
    assert abs((4 * limits[2] - limits[1]) / 3 - truth) < 2e-4


def test_the_pilots_box_holds_the_mass():
    process = three_components()
    pilot = run_pilot(process, moving_frame(process), 1e-12)
    lower, upper = pilot.box(1e-12)
    assert np.all(lower < -6.5) and np.all(upper > 6.5)
    assert np.all(upper - lower < 20)
    outside = pilot.outside(lower, upper, np.array([0.0, 5.0]))
    assert np.all(outside < 1e-9)
    narrow = pilot.outside(np.full(2, -3.0), np.full(2, 3.0), np.array([5.0]))
    assert narrow > 1e-3


# --- the answer ----------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """Allow small tables only."""
    for name, value in (("MAX_SPACE", 0), ("MAX_TIME", 0), ("TIME_LEVELS", 4), ("FIRST_STEPS", 16)):
        monkeypatch.setattr(f"fokker_planck.methods.finite_volume_plane.{name}", value)
    monkeypatch.setattr("fokker_planck.methods.finite_volume_plane.FIRST_CELLS", 10)


def test_reference_values_lie_within_the_claims(small):
    process = three_components()
    reading, _ = solve_finite_volume_plane(process, np.array([5.0]), 1e-4)
    for functional, truth in (
        (ENTROPY, 2.52154862020),
        (posterior_mass(process), 0.98875846964220),
    ):
        values, errors = read(reading, functional)
        assert abs(values[-1] - truth) <= errors[-1] < 5e-3
    assert reading.ratios["time"] == pytest.approx(2, abs=0.2)
    assert reading.mass_drift.max() < 1e-13
    values, errors = read(reading, MASS)
    assert np.all(np.abs(values - 1) <= errors + 1e-9)


@pytest.mark.parametrize("seed", [201, 207])
def test_the_error_contains_the_truth_for_closed_forms(seed, small):
    rng = np.random.default_rng(seed)
    process = random_process(
        rng, strength=0.0, sampler="sde", dimension=2, variances=True, schedules=True
    )
    taus = process.horizon * np.array([0.5, 1.0])
    mean, covariance = fp.unguided_moments(process, taus)
    reading, _ = solve_finite_volume_plane(process, taus, 1e-3)
    truths = {
        ENTROPY: 0.5 * np.log((2 * np.pi * np.e) ** 2 * np.linalg.det(covariance)),
        mean_along(0): mean[:, 0],
        covariance_along(0, 1): covariance[:, 0, 1],
    }
    for functional, truth in truths.items():
        values, errors = read(reading, functional)
        assert np.all(np.abs(values - truth) <= errors), functional.name
    assert read(reading, ENTROPY)[1].max() < 1e-3


def test_vanishing_noise_is_refused():
    process = fp.Process(lambda x, tau: -x, 0.0, fp.GaussianMixture([1], [[0, 0]]), 1.0)
    with pytest.raises(SolverError, match="noise must be > 0 throughout"):
        solve_finite_volume_plane(process, np.array([1.0]))
