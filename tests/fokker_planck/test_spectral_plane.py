"""The spectral method in the plane: reference case, closed forms, products, guards."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

import fokker_planck as fp
from fokker_planck.frame_plane import closure, root_frame
from fokker_planck.methods import passes_plane
from fokker_planck.methods.base import SolverError
from fokker_planck.methods.lawson_plane import PlaneProblem, Stepper, evaluated, resized
from fokker_planck.methods.spectral_plane import solve_spectral_plane
from fokker_planck.model.closed_form import unguided_law
from fokker_planck.solution import Solution
from tests.support.random_cases import random_rotation, random_schedule

ANGLES = np.deg2rad([90, 210, 330])
THREE = fp.GaussianMixture([1 / 3] * 3, 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1))
QUIET = {"over": "ignore", "under": "ignore", "invalid": "ignore", "divide": "ignore"}


def solved(process, tol=1e-6, taus=None) -> Solution:
    times = np.array([process.horizon]) if taus is None else np.asarray(taus, dtype=float)
    with np.errstate(**QUIET):
        reading, cost = solve_spectral_plane(process, times, tol, None)
        return Solution(process, times, "spectral", reading, cost)


def turned(mixture: fp.GaussianMixture, turn: np.ndarray) -> fp.GaussianMixture:
    covariances = turn @ mixture.covariances @ turn.T
    return fp.GaussianMixture(mixture.weights, mixture.means @ turn.T, covariances)


def test_the_reference_case_at_1e_8():
    solution = solved(fp.reverse_process(THREE, 0, strength=2.0), 1e-8)
    for estimate, truth, digits in (
        (solution.entropy[-1], 2.52154862020, 5e-12),
        (solution.posterior_mass[-1], 0.98875846964220, 5e-15),
    ):
        assert estimate.error <= 1e-8
        # the references are given to 11 and 14 digits
        assert abs(estimate.value - truth) <= estimate.error + digits


def test_the_claim_follows_the_tolerance():
    process = fp.reverse_process(THREE, 0, strength=2.0)
    claims = []
    for tol in (1e-3, 1e-5):
        estimate = solved(process, tol).entropy[-1]
        claims.append(estimate.error)
        assert estimate.error <= tol
        assert abs(estimate.value - 2.52154862020) <= estimate.error
    assert claims[1] < claims[0]


def narrow_case(seed: int) -> fp.ReverseProcess:
    """A rotated covariance of variances 0.01 to 4, any schedule, start and noise level."""
    rng = np.random.default_rng(seed)
    turn, schedule = random_rotation(rng), random_schedule(rng)
    spectrum = np.exp(rng.uniform(np.log(0.01), np.log(4.0), size=2))
    other = random_rotation(rng)
    wide = other * np.exp(rng.uniform(np.log(0.2), np.log(4.0), size=2)) @ other.T
    law = fp.GaussianMixture([1.0], rng.normal(size=(1, 2)), turn * spectrum @ turn.T)
    start = fp.GaussianMixture([1.0], rng.normal(size=(1, 2)), wide)
    return fp.reverse_process(
        law,
        0,
        noise_level=float(rng.choice([0.3, 0.7, 1.0, 1.5])),
        schedule=schedule[0],
        horizon=schedule[1],
        initial=start if rng.integers(2) else None,
    )


@pytest.mark.parametrize("seed", range(10))
def test_rotated_narrow_covariances_against_the_closed_form(seed):
    process = narrow_case(seed)
    solution = solved(process)
    law = unguided_law(process, process.horizon)
    _, log_det = np.linalg.slogdet(2 * np.pi * np.e * law.covariance)
    assert np.all(solution.mean[-1].contains(law.mean))
    assert np.all(solution.covariance[-1].contains(law.covariance))
    assert solution.entropy[-1].contains(0.5 * log_det)
    assert solution.entropy[-1].error <= 2e-6


def test_a_start_of_several_components_in_different_directions():
    start = fp.GaussianMixture(
        [0.3, 0.7], [[-1.5, 0.5], [1.0, 0.0]], [[[1.0, 0.6], [0.6, 0.5]], [[0.4, 0.0], [0.0, 1.2]]]
    )
    law = fp.GaussianMixture([1.0], [[0.5, 0.0]], [[0.5, 0.2], [0.2, 0.3]])
    process = fp.reverse_process(law, 0, horizon=1.0, initial=start)
    solution = solved(process, taus=[0.0, 0.5, 1.0])
    for i, tau in enumerate(solution.taus):
        truth = unguided_law(process, float(tau))
        assert np.all(solution.mean[i].contains(truth.mean))
        assert np.all(solution.covariance[i].contains(truth.covariance))
        density = solution.density(i)
        gap = np.abs(density.values - np.exp(truth.log_density(density.points)))
        assert np.sum(gap * density.mass / np.maximum(density.values, 1e-12)) < 1e-6


def product(angle: float = 0.0, strength: float = 2.0) -> fp.ReverseProcess:
    """Components at the corners of a rectangle: the drift is a sum over two axes."""
    means = np.array([[-1.0, -0.7], [-1.0, 0.7], [1.0, -0.7], [1.0, 0.7]])
    weights = np.outer([0.4, 0.6], [0.5, 0.5]).ravel()
    c, s = np.cos(angle), np.sin(angle)
    mixture = fp.GaussianMixture(weights, means, np.diag([1.0, 0.5]))
    turn = np.array([[c, -s], [s, c]])
    return fp.reverse_process(turned(mixture, turn), 3, strength=strength, horizon=3.0)


def test_a_product_factors_into_two_lines():
    solution = solved(product(), 1e-7)
    lines = [
        fp.solve(fp.reverse_process(mixture, 1, strength=2.0, horizon=3.0), tol=1e-9)
        for mixture in (
            fp.GaussianMixture([0.4, 0.6], [-1, 1]),
            fp.GaussianMixture([0.5, 0.5], [-0.7, 0.7], 0.5),
        )
    ]
    assert (lines[0].entropy[-1] + lines[1].entropy[-1]).agrees(solution.entropy[-1])
    for axis in (0, 1):
        assert lines[axis].mean[-1].agrees(solution.mean[-1][axis])
        assert lines[axis].covariance[-1].agrees(solution.covariance[-1][axis, axis])
    assert solution.covariance[-1][0, 1].contains(0.0)


def test_rotation_changes_nothing():
    plain, rotated = (solved(product(angle)) for angle in (0.0, 0.7))
    c, s = np.cos(0.7), np.sin(0.7)
    turn = np.array([[c, -s], [s, c]])
    assert plain.entropy[-1].agrees(rotated.entropy[-1])
    assert plain.posterior_mass[-1].agrees(rotated.posterior_mass[-1])
    back = turn.T @ rotated.covariance[-1].value @ turn
    slack = 2 * (plain.covariance[-1].error.sum() + rotated.covariance[-1].error.sum())
    assert np.abs(back - plain.covariance[-1].value).max() <= slack


def test_a_strong_case_agrees_with_itself_at_a_smaller_tolerance():
    mixture = fp.GaussianMixture(
        [0.2, 0.5, 0.3],
        [[0.0, 0.0], [1.5, 0.5], [-1.0, 1.0]],
        [[[1.0, 0.4], [0.4, 0.5]], [[0.3, 0.0], [0.0, 0.8]], [[0.6, -0.3], [-0.3, 0.6]]],
    )
    process = fp.reverse_process(mixture, 0, strength=3.0, horizon=1.0)
    coarse, fine = solved(process, 1e-2), solved(process, 1e-4)
    assert coarse.entropy[-1].agrees(fine.entropy[-1])
    assert np.all(coarse.mean[-1].agrees(fine.mean[-1]))
    assert np.abs(coarse.entropy[-1].value - fine.entropy[-1].value) <= coarse.entropy[-1].error


class Switched(fp.Process):
    """A rotating drift whose centre jumps at tau = 0.4."""

    breaks = (0.4,)

    def __init__(self, centre=None):
        def drift(x, tau):
            at = (1.0 if tau > 0.4 else -1.0) if centre is None else centre
            offset = x - np.array([at, 0.0])
            return -offset + 2 * np.stack([-offset[..., 1], offset[..., 0]], axis=-1)

        start = fp.GaussianMixture([1.0], [[0.5, 0.2]], np.diag([0.5, 0.2]))
        super().__init__(drift, 1.0, start, 1.0)

    def piece(self, a, b):
        return Switched(-1.0 if b <= 0.4 else 1.0)


def test_a_jump_of_the_drift_in_time_and_a_user_process():
    solution = solved(Switched(), taus=[0.4, 1.0])
    rates = np.array([[-1.0, -2.0], [2.0, -1.0]])
    values, vectors = np.linalg.eig(rates)

    def flow(tau):
        return (vectors * np.exp(values * tau) @ np.linalg.inv(vectors)).real

    first = np.array([-1.0, 0.0]) + flow(0.4) @ (np.array([0.5, 0.2]) + np.array([1.0, 0.0]))
    last = np.array([1.0, 0.0]) + flow(0.6) @ (first - np.array([1.0, 0.0]))
    assert np.all(solution.mean[0].contains(first))
    assert np.all(solution.mean[1].contains(last))
    turn = flow(1.0) / np.exp(-1.0)
    spread = np.exp(-2.0) * turn @ np.diag([0.5, 0.2]) @ turn.T + 0.5 * (1 - np.exp(-2.0)) * np.eye(
        2
    )
    assert np.all(solution.covariance[1].contains(spread))


def test_what_leaves_the_box_is_bounded():
    """A box that cuts the start off: the bound holds the mass that is really outside."""
    law = fp.GaussianMixture([1.0], [[0.0, 0.0]])
    process = fp.reverse_process(law, 0, horizon=0.5)
    frame = root_frame(process)
    for half in (4.0, 5.0, 6.0):
        problem = PlaneProblem(process, frame, np.full(2, -half), np.full(2, 2 * half))
        mesh = np.linspace(0, 0.5, 9)
        start = np.fft.rfft2(problem.start_density((64, 64)))
        shapes = [(64, 64)] * 8
        run = passes_plane.fixed_pass(
            problem, start, (64, 64), np.array([0.5]), mesh, shapes, 1e-9, 1.0, lambda tau: None
        )
        bound = run.outputs[0].left.sum()
        # paths of an OU process at the edge: at least what is outside at one time
        outside = 4 * ndtr(-half)
        assert outside <= bound <= 1e3 * outside


def test_the_frame_follows_the_closure_with_exact_derivatives():
    process = fp.reverse_process(THREE, 0, strength=2.0)
    frame = root_frame(process)
    taus = np.linspace(0.0, 5.0, 7)
    means, covariances = closure(process, np.linspace(0.0, 5.0, 601))
    motion = frame.at(taus)
    assert np.abs(motion.centre - means[::100]).max() < 0.1
    assert np.abs(motion.root @ motion.root - covariances[::100]).max() < 0.1
    h = 1e-5
    ahead, behind = frame.at(taus[1:-1] + h), frame.at(taus[1:-1] - h)
    assert np.allclose((ahead.root - behind.root) / (2 * h), motion.root_rate[1:-1], atol=1e-7)
    assert np.allclose(
        (ahead.centre - behind.centre) / (2 * h), motion.centre_rate[1:-1], atol=1e-7
    )
    assert np.allclose(motion.inverse @ motion.root, np.eye(2), atol=1e-12)
    assert np.allclose(frame.log_volume(taus), np.log(np.linalg.det(motion.root)), atol=1e-12)


def test_transforms_are_resampled_exactly():
    process = fp.reverse_process(THREE, 0, strength=2.0)
    problem = PlaneProblem(process, root_frame(process), np.full(2, -9.0), np.full(2, 18.0))
    q = {shape: problem.start_density(shape) for shape in ((48, 54), (60, 64))}
    u = np.fft.rfft2(q[48, 54])
    finer = np.fft.irfft2(resized(u, (48, 54), (60, 64)), s=(60, 64))
    assert np.abs(finer - q[60, 64]).max() < 1e-11
    other = evaluated(u, (48, 54), problem, problem.nodes((60, 64)))
    assert np.abs(other - q[60, 64]).max() < 1e-11


def test_diffusion_alone_is_exact():
    """The integral of the full tensor over a step, against a dense sum."""
    process = narrow_case(3)
    problem = PlaneProblem(process, root_frame(process), np.full(2, -9.0), np.full(2, 18.0))
    nodes, weights = np.polynomial.legendre.leggauss(60)
    tau, h = 0.5 * process.horizon, 0.05 * process.horizon
    dense = sum(
        0.5 * h * w * problem.spread(tau + 0.5 * h * (1 + x))
        for x, w in zip(nodes, weights, strict=True)
    )
    assert np.allclose(
        problem.spent(np.array([tau]), np.array([h]))[0, -1],
        dense[[0, 0, 1], [0, 1, 1]],
        rtol=1e-11,
    )
    assert Stepper(problem, (32, 32)).longest_step(tau) > 0


def test_noise_that_starts_from_zero_and_changes_fast():
    start = fp.GaussianMixture([1.0], [[0.3, 0.0]], np.diag([0.5, 1.0]))

    def noise(tau):
        return tau + 2 * np.exp(-(((tau - 0.6) / 0.02) ** 2))

    solution = solved(fp.Process(lambda x, tau: -x, noise, start, 1.0), 1e-5)
    taus = np.linspace(0.0, 1.0, 20_001)
    added = np.trapezoid(noise(taus) ** 2 * np.exp(-2 * (1 - taus)), taus)
    truth = np.exp(-2.0) * np.diag([0.5, 1.0]) + added * np.eye(2)
    assert np.all(solution.covariance[-1].contains(truth))
    assert solution.entropy[-1].contains(0.5 * np.linalg.slogdet(2 * np.pi * np.e * truth)[1])
    assert solution.entropy[-1].error < 1e-5


def test_processes_without_noise_are_refused():
    start = fp.GaussianMixture([1.0], [[0.0, 0.0]])
    with pytest.raises(SolverError, match="vanishes"):
        solved(fp.Process(lambda x, tau: -x, lambda tau: 0.0 * tau, start, 1.0))
    with pytest.raises(ValueError, match="noise_level > 0"):
        solved(fp.reverse_process(THREE, 0, sampler="ode"))


def test_needles_in_two_directions_are_refused(monkeypatch):
    """No frame is narrow along both."""
    law = fp.GaussianMixture(
        [0.5, 0.5], np.zeros((2, 2)), [np.diag([1.0, 1e-4]), np.diag([1e-4, 1.0])], labels=[0, 0]
    )
    monkeypatch.setattr(passes_plane, "MOST_WORK", 500_000)
    with pytest.raises(SolverError, match="too narrow"):
        solved(fp.reverse_process(law, 0, horizon=3.0), 1e-4)
