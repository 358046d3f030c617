"""Certificates hold, are small where the solution is good, and large where it was spoiled."""

from dataclasses import replace

import numpy as np
import pytest

import fokker_planck as fp
from fokker_planck.readings import GridReading
from fokker_planck.residual.certified import dense_solution, dense_times, first_ends
from fokker_planck.residual.certify import certify, interpolate, summarise
from fokker_planck.residual.field import MixtureField
from fokker_planck.residual.functionals import Slice, entropy
from fokker_planck.residual.moments import reach
from fokker_planck.residual.plane import certify_summed
from fokker_planck.residual.transfer import entropy_error
from fokker_planck.runs import Run, grid_run
from fokker_planck.solution import Solution

A1 = (1.0942411700358, 0.9556945098651344)
B1 = (0.8638965375192595, 0.9839508357932931)
PAIR = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])


@pytest.fixture(scope="module", params=["sde", "ode"])
def certified(request):
    process = fp.reverse_process(PAIR, 1, strength=3.0, sampler=request.param, horizon=5.0)
    return request.param, fp.solve(process, certify=True)


def test_reference_cases_reach_a_bound_that_holds(certified):
    sampler, solution = certified
    h, p = A1 if sampler == "sde" else B1
    assert solution.certificate.kind == "bound"
    assert 0 < solution.l1_error[-1] <= 1e-7
    assert solution.l1_error[0] <= 1e-10
    assert solution.entropy.kind == solution.posterior_mass.kind == "bound"
    assert solution.entropy[-1].contains(h)
    assert solution.posterior_mass[-1].contains(p)
    assert solution.complement_mass[-1].contains(1 - p)
    assert solution.mass[-1].contains(1.0)
    assert solution.entropy.error[-1] < 200 * solution.l1_error[-1]
    assert solution.posterior_mass.error[-1] < 2 * solution.l1_error[-1]
    assert solution.mean.kind == solution.covariance.kind == "bound"
    assert solution.mean.error[-1] < 1e-5 and solution.covariance.error[-1] < 1e-3


def test_certified_and_plain_solutions_agree(certified):
    _, solution = certified
    plain = fp.solve(solution.process, tol=1e-9)
    for name in ("entropy", "mean", "covariance", "posterior_mass"):
        assert np.all(getattr(solution, name).agrees(getattr(plain, name)))
    assert np.array_equal(solution.taus, plain.taus)
    assert np.all(np.isinf(plain.l1_error))
    assert plain.entropy.kind == "refinement"


# --- spoiled solutions ------------------------------------------------------------------------

SHORT = fp.reverse_process(PAIR, 1, strength=3.0, horizon=1.5)
SHORT_ODE = SHORT.with_noise_level(0.0)


def dense(process, tol=1e-10):
    times = dense_times(first_ends(process, np.array([0.0, process.horizon])))
    return dense_solution(fp.solve, process, times, "auto", tol, 0.06, None)


@pytest.fixture(scope="module")
def good():
    return dense(SHORT)


@pytest.fixture(scope="module")
def good_ode():
    return dense(SHORT_ODE)


def with_run(solution, run):
    """The solution with another run in its reading."""
    companions = getattr(solution.reading, "companions", None)
    if companions is None:
        return replace(solution, reading=replace(solution.reading, best=run))
    reading = GridReading(run, {"same": run.mass}, np.zeros(run.taus.size))
    return replace(solution, reading=reading)


def summed(solution):
    """The certificate's L1 error with the quadrature summed, which is quick."""
    interpolant = interpolate(solution, 1e-9, enclose=False)
    return float(interpolant.certificate.l1[-1])


def distance(solution, reference):
    """L1 distance of two solutions at the end."""
    a, b = solution.density(-1), reference.density(-1)
    x = np.linspace(min(a.points[0], b.points[0]), max(a.points[-1], b.points[-1]), 4001)
    return float(np.sum(np.abs(a.pdf(x) - b.pdf(x))) * (x[1] - x[0]))


def test_an_unspoiled_solution_has_a_small_certificate(good, good_ode):
    assert summed(good) < 1e-8
    assert summed(good_ode) < 1e-8


@pytest.mark.parametrize("sampler", ["sde", "ode"])
def test_a_wrong_drift_is_seen(sampler, good, good_ode):
    right, reference = (SHORT, good) if sampler == "sde" else (SHORT_ODE, good_ode)
    wrong = fp.Process(
        lambda x, tau: right.drift(x, tau) + 1e-6,
        (lambda tau: right.noise(tau)) if sampler == "sde" else 0.0,
        right.initial,
        right.horizon,
        divergence=right.divergence,
    )
    spoiled = replace(dense(wrong), process=right)
    damage = distance(spoiled, reference)
    assert damage > 2e-7
    assert damage <= summed(spoiled) < 50 * damage


def test_a_dropped_factor_of_the_noise_is_seen(good):
    wrong = fp.Process(
        SHORT.drift,
        lambda tau: SHORT.noise(tau) * (1 - 1e-6),
        SHORT.initial,
        SHORT.horizon,
        divergence=SHORT.divergence,
    )
    spoiled = replace(dense(wrong), process=SHORT)
    assert 1e-7 < distance(spoiled, good) <= summed(spoiled)


def test_a_dropped_divergence_is_seen(good_ode):
    run = good_ode.reading.best
    logs = run.log_density.copy()
    # at the last times the divergence is left out of one step
    logs[-5:] -= 1e-6 * np.tanh(run.points[-5:])
    spoiled = with_run(good_ode, replace(run, log_density=logs))
    assert 1e-7 < distance(spoiled, good_ode) <= summed(spoiled)


def test_one_bad_step_in_time_is_seen(good):
    run = good.reading.best
    points = run.points.copy()
    points[40:] += 1e-6
    spoiled = with_run(good, replace(run, points=points))
    assert 1e-7 < distance(spoiled, good) <= summed(spoiled)


def test_one_bad_output_is_seen(good):
    run = good.reading.best
    for k in (30, run.taus.size - 1):
        logs = run.log_density.copy()
        logs[k] += 1e-6 * np.sin(run.points[k])
        spoiled = with_run(good, replace(run, log_density=logs))
        assert summed(spoiled) > 5e-7


@pytest.mark.parametrize("narrow", [2.0, 3.0, 4.0])
def test_a_box_too_small_is_seen(good, narrow):
    run = good.reading.best
    middle, half = run.points.mean(axis=1), np.ptp(run.points, axis=1)[0] / 2
    keep = np.abs(run.points[0] - middle[0]) <= half * narrow / 8
    spoiled = with_run(
        good,
        Run(run.taus, *(a[:, keep] for a in (run.points, run.mass, run.log_density))),
    )
    lost = float(1 - spoiled.reading.best.mass[-1].sum())
    assert lost > 1e-7
    assert lost <= summed(spoiled)


@pytest.mark.parametrize("when", ["always", "at the end"])
def test_a_scaled_density_is_seen(good, when):
    run = good.reading.best
    factor = np.full((run.taus.size, 1), 1 + 1e-6)
    if when == "at the end":
        factor[:-1] = 1
    spoiled = with_run(
        good, replace(run, mass=run.mass * factor, log_density=run.log_density + np.log(factor))
    )
    assert summed(spoiled) >= 0.999e-6


def test_values_that_differ_from_the_density_count_too(good):
    run = good.reading.best
    mass = run.mass.copy()
    mass[-1] *= 1 + 1e-6
    spoiled = with_run(good, replace(run, mass=mass))
    found = summarise(spoiled, interpolate(spoiled, 1e-9), [run.taus.size - 1])
    assert found.kind == "bound"
    assert 0.999e-6 <= found.l1[-1] < 1.1e-6
    assert found.estimates["mass"][-1].contains(1.0)
    assert found.estimates["mass"].error[-1] > 0.999e-6


def test_too_few_times_give_a_large_certificate():
    solution = fp.solve(SHORT)
    found = certify(solution)
    assert found.l1[-1] > 1e-3
    late = fp.solve(SHORT, taus=[0.5, 1.5])
    assert np.all(np.isinf(certify(late).l1))


# --- closed forms -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_certificate_exceeds_the_true_error_of_closed_forms(seed):
    rng = np.random.default_rng(seed)
    name = ("ou", "linear-vp", "ve", "ou")[seed]
    mixture = fp.GaussianMixture([0.4, 0.6], rng.normal(size=2), rng.uniform(0.3, 2.0, 2))
    horizon = 1.0 if name == "linear-vp" else float(rng.uniform(1, 3))
    process = fp.reverse_process(
        mixture,
        0,
        noise_level=float(rng.uniform(0.3, 1.5)) if seed % 2 else 0.0,
        horizon=horizon,
        schedule=fp.schedule_named(name),
    )
    solution = fp.solve(process, tol=1e-7, certify=True)
    mean, variance = fp.unguided_moments(process, horizon)
    m, v = float(np.ravel(mean)[0]), float(np.ravel(variance)[0])
    density = solution.density(-1)
    exact = np.exp(-0.5 * (density.points - m) ** 2 / v) / np.sqrt(2 * np.pi * v)
    weights = np.gradient(density.points)
    error = float(np.sum(np.abs(density.values - exact) * weights))
    assert solution.certificate.kind == "bound"
    assert error <= solution.l1_error[-1] <= 1e-5
    assert solution.entropy[-1].contains(0.5 * np.log(2 * np.pi * np.e * v))
    assert solution.mean[-1].contains(m)
    assert solution.covariance[-1].contains(v)


def test_moments_and_height_bound_those_of_the_law():
    process = fp.reverse_process(
        fp.GaussianMixture([0.3, 0.7], [-1.0, 2.0], [0.3, 1.0]), 1, strength=2.0, horizon=2.0
    )
    solution = fp.solve(process, taus=np.linspace(0, 2, 5))
    found = reach(MixtureField(process), solution.taus)
    for i in range(len(solution)):
        x, mass = solution.density(i).points, solution.density(i).mass
        # the rounding of empty nodes would count at e^{x^2}
        mass = np.where(mass > 1e-13, mass, 0.0)
        assert np.log(mass @ np.exp(x**2 / (2 * found.spread[i]))) <= found.log_moment[i]
        assert mass @ x**2 <= found.second_moment(i)
        assert np.log(solution.density(i).values.max()) <= found.log_height[i]
        for power in (0, 1, 2):
            beyond = mass @ (np.abs(x) ** power * (np.abs(x) > 3))
            assert beyond <= found.beyond(i, 3.0, power) + 1e-15


def test_the_entropy_of_the_interpolant_is_enclosed(good):
    interpolant = interpolate(good, 1e-9, enclose=False)
    part = Slice.of(interpolant, len(good) - 1)
    found = entropy(part)
    x = np.linspace(part.centre - part.half, part.centre + part.half, 20001)
    q = np.maximum(part.at(x), 0)
    truth = -float(np.sum(q * np.log(np.maximum(q, 1e-300)))) * (x[1] - x[0])
    assert abs(found.value - truth) <= found.error + 1e-11
    assert found.error < 1e-8 and found.moved < 1e-10


def test_the_entropy_inequality_on_pairs_of_densities():
    rng = np.random.default_rng(8)
    x = np.linspace(-10, 10, 4001)
    h = x[1] - x[0]
    for _ in range(200):
        m, s, d = rng.normal(), np.exp(rng.normal(0, 0.5)), 10 ** rng.uniform(-8, -1.5)
        p = np.exp(-0.5 * ((x - m) / s) ** 2)
        p /= p.sum() * h
        q = np.where(np.abs(x) < 6, p * (1 + d * np.sign(np.sin(rng.uniform(1, 9) * x))), 0)
        h_p, h_q = (-np.sum(f * np.log(np.maximum(f, 1e-300))) * h for f in (p, q))
        eps = float(np.sum(np.abs(p - q)) * h)
        height = float(np.log(max(p.max(), q.max())))
        bound = entropy_error(eps, height, 12.0, float(np.sum(p * x**2) * h))
        assert abs(h_p - h_q) <= bound


# --- other processes, and the plane -------------------------------------------------------------


def test_a_users_process_is_certified_up_to_quadrature():
    process = fp.Process(
        lambda x, tau: -x + np.sin(x + tau), 1.0, fp.GaussianMixture([1.0], [0.0], 1.0), 1.0
    )
    solution = fp.solve(process, certify=True, tol=1e-7)
    assert solution.certificate.kind == "residual"
    assert solution.entropy.kind == "residual"
    assert solution.l1_error[-1] < 1e-7


def closed_form_plane(noise_level, times):
    """An unguided process in the plane and its exact Gaussian law on a moving grid."""
    mixture = fp.GaussianMixture(
        [0.5, 0.5], [[1.0, 0.5], [-1.0, 0.0]], [[0.5, 0.2], [0.2, 0.4]]
    )  # fmt: skip
    process = fp.reverse_process(mixture, 0, noise_level=noise_level, horizon=1.0)
    y = np.stack(np.meshgrid(*[np.linspace(-8.2, 8.2, 96)] * 2, indexing="ij"), -1).reshape(-1, 2)
    cells = (16.4 / 95) ** 2
    points, density, areas = [], [], []
    for tau in times:
        mean, covariance = fp.unguided_moments(process, tau)
        factor = np.linalg.cholesky(np.reshape(covariance, (2, 2)))
        points.append(np.ravel(mean) + y @ factor.T)
        scale = np.linalg.det(factor)
        density.append(np.exp(-0.5 * np.sum(y * y, axis=1)) / (2 * np.pi * scale))
        areas.append(np.full(len(y), scale * cells))
    arrays = [np.array(a) for a in (points, density, areas)]
    return process, grid_run(times, *arrays, shape=(96, 96))


@pytest.fixture(scope="module")
def plane():
    times = dense_times(np.array([0.0, 0.5, 0.8, 1.0]), 8)
    return closed_form_plane(1.0, times)


def in_plane(process, run):
    reading = GridReading(run, {"same": run.mass}, np.zeros(run.taus.size))
    return Solution(process, run.taus, "spectral", reading)


def test_a_closed_form_in_the_plane(plane):
    process, run = plane
    found = certify(in_plane(process, run))
    assert found.kind == "residual"
    assert 0 < found.l1[-1] < 1e-5
    mean, covariance = fp.unguided_moments(process, 1.0)
    entropy_value = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    assert np.all(found.estimates["entropy"][-1].contains(entropy_value))
    assert np.all(found.estimates["mean"][-1].contains(mean))
    assert np.all(found.estimates["covariance"][-1].contains(covariance))


@pytest.mark.parametrize("spoil", ["scaled", "moved", "drift"])
def test_spoiled_solutions_in_the_plane_are_seen(plane, spoil):
    process, run = plane
    base = float(certify(in_plane(process, run)).l1[-1])
    if spoil == "scaled":
        run = replace(run, mass=run.mass * (1 + 1e-4), log_density=run.log_density + 1e-4)
        damage = 0.999e-4
    elif spoil == "moved":
        points = run.points.copy()
        points[12:, :, 0] += 1e-4
        run = replace(run, points=points)
        # E|d log p/dx| * 1e-4 is at least this
        damage = 5e-5
    else:
        process = process.with_strength(1e-3)
        strong = fp.solve(process, tol=1e-6).mean.value[-1]
        # a displacement of the mean is at most the L1 distance times the reach
        damage = float(np.abs(strong - fp.unguided_moments(process.with_strength(0.0), 1.0)[0])
                       .max()) / 16  # fmt: skip
    found = float(certify(in_plane(process, run)).l1[-1])
    assert found >= damage
    assert found > base


def test_a_flow_in_the_plane_is_certified():
    mixture = fp.GaussianMixture([0.5, 0.5], [[1.0, 0.0], [-1.0, 0.5]])
    process = fp.reverse_process(mixture, 0, strength=1.0, sampler="ode", horizon=1.0)
    times = dense_times(np.array([0.0, 0.5, 1.0]), 8)
    solution = dense_solution(fp.solve, process, times, "auto", 1e-7, 0.25, None)
    found = certify_summed(solution, [0, len(solution) - 1])
    assert found.kind == "residual"
    assert found.l1[-1] < 1e-5
    plain = fp.solve(process, tol=1e-9)
    for name in ("entropy", "posterior_mass"):
        assert np.all(found.estimates[name].agrees(getattr(plain, name)))
    run = solution.reading.best
    logs = run.log_density + 1e-4 * np.tanh(run.points[..., 0])
    spoiled = with_run(solution, replace(run, log_density=logs))
    assert certify_summed(spoiled, [len(solution) - 1]).l1[-1] > 3e-5


def test_solving_in_the_plane_with_a_certificate():
    mixture = fp.GaussianMixture([1.0], [[0.5, 0.0]], [[0.6, 0.1], [0.1, 0.5]])
    process = fp.reverse_process(mixture, 0, sampler="ode", horizon=0.5)
    solution = fp.solve(process, certify=True, tol=1e-5)
    assert solution.taus.size == solution.l1_error.size == 2
    assert solution.entropy.kind == "residual"
    _, covariance = fp.unguided_moments(process, 0.5)
    truth = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    assert solution.l1_error[-1] < 1e-6
    assert np.all(solution.entropy[-1].contains(truth))


def test_filaments_of_a_flow_are_certified_in_the_starting_points(good_ode):
    found = certify_summed(good_ode, [0, len(good_ode) - 1])
    assert found.kind == "residual"
    assert found.l1[-1] < 1e-6
    run = good_ode.reading.best
    points = run.points.copy()
    points[40:] += 1e-6 * np.sin(points[40:])
    spoiled = certify_summed(with_run(good_ode, replace(run, points=points)), [len(good_ode) - 1])
    assert spoiled.l1[-1] > 5e-7
