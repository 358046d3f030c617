"""The spectral method: reference values, convergence, guards."""

from __future__ import annotations

import numpy as np
import pytest

import fokker_planck as fp

TWO = fp.GaussianMixture([0.5, 0.5], [-1, 1])
REFERENCE = {"entropy": 1.0942411700358, "posterior_mass": 0.9556945098651344}


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_values_lie_within_the_claim(name):
    solution = fp.solve(fp.reverse_process(TWO, 1, strength=3.0))
    estimate = getattr(solution, name)[-1]
    assert solution.method == "spectral"
    assert estimate.error <= 1e-8
    # the reference is given to 13 digits
    assert abs(estimate.value - REFERENCE[name]) <= estimate.error + 5e-14


def test_the_error_falls_to_1e_10_and_the_claim_follows_it():
    process = fp.reverse_process(TWO, 1, strength=3.0)
    errors, claims = [], []
    for tol in (1e-4, 1e-6, 1e-8, 1e-10):
        estimate = fp.solve(process, tol=tol).entropy[-1]
        errors.append(abs(estimate.value - REFERENCE["entropy"]))
        claims.append(estimate.error)
        assert claims[-1] <= tol
        assert errors[-1] <= claims[-1] + 5e-14
    assert errors[-1] < 1e-10
    assert claims == sorted(claims, reverse=True)


@pytest.mark.parametrize("noise_level", [0.3, 1.0, 2.0])
def test_any_noise_level_against_the_closed_form(noise_level):
    process = fp.reverse_process(
        fp.GaussianMixture([0.4, 0.6], [-1, 1.5], [0.5, 2.0]), 1, noise_level=noise_level
    )
    taus = np.array([0.0, 1.0, 4.0, 5.0])
    solution = fp.solve(process, taus=taus, method="spectral")
    m, v = fp.unguided_moments(process, taus)
    assert np.all(solution.mean.contains(m))
    assert np.all(solution.covariance.contains(v))
    assert np.all(solution.entropy.contains(0.5 * np.log(2 * np.pi * np.e * v)))
    assert np.all(solution.entropy.error <= 1e-8)


def test_small_variance_is_followed_by_the_moving_frame():
    process = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1, 1], 1e-2), 1)
    solution = fp.solve(process)
    _, v = fp.unguided_moments(process, process.horizon)
    truth = 0.5 * np.log(2 * np.pi * np.e * float(v))
    assert solution.entropy[-1].contains(truth)
    assert solution.entropy[-1].error <= 1e-8


def test_mass_is_kept_and_the_density_matches_at_points():
    process = fp.reverse_process(TWO, 1)
    solution = fp.solve(process)
    m, v = (float(item) for item in fp.unguided_moments(process, process.horizon))
    x = np.linspace(m - 4, m + 4, 9)
    exact = np.exp(-((x - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)
    assert abs(solution.mass[-1].value - 1) < 1e-12
    assert np.allclose(solution.density(-1).pdf(x), exact, atol=1e-8)
    points, cdf, error = solution.distribution(-1)
    from scipy.special import ndtr

    assert np.abs(cdf - ndtr((points - m) / np.sqrt(v))).max() <= error < 1e-5


def test_entropy_production():
    """I1 for the SDE: dH/dtau = E div b + lambda^2 E |grad log p|^2, by central differences."""
    process = fp.reverse_process(TWO, 1, strength=3.0)
    h, tau = 1e-3, 4.0
    solution = fp.solve(process, taus=[tau - h, tau, tau + h], tol=1e-10)
    density = solution.density(1)
    keep = density.reliable
    slope = np.gradient(density.log_values[keep], density.points[keep], edge_order=2)
    fisher = float(np.sum(density.mass[keep] * slope**2))
    rate = solution.expectation(process.divergence)[1].value + fisher
    change = (solution.entropy[2].value - solution.entropy[0].value) / (2 * h)
    assert change == pytest.approx(rate, abs=2e-4)


def test_a_double_well_of_the_users_own():
    """The stationary law of dx = (x - x^3) dtau + dB is exp(x^2 - x^4 / 2), a Boltzmann law."""
    process = fp.Process(lambda x, tau: x - x**3, 1.0, fp.GaussianMixture([1.0], [0.5], 0.3), 40.0)
    solution = fp.solve(process, tol=1e-7)
    x = np.linspace(-4, 4, 4001)
    p = np.exp(x**2 - x**4 / 2)
    p /= p.sum() * (x[1] - x[0])
    second = float(np.sum(x * x * p) * (x[1] - x[0]))
    mean_square = solution.expectation(lambda y, tau: y * y)[-1]
    # the slowest even mode has decayed by exp(-lambda_2 tau), lambda_2 > 2, over 12 time units
    assert abs(mean_square.value - second) <= mean_square.error + 1e-9


def test_a_stiff_process_is_refused_at_once_and_auto_takes_an_implicit_method():
    start = fp.GaussianMixture([1.0], [0.5], 0.3)
    process = fp.Process(lambda x, tau: 20 * (x - x**3), 1.0, start, 40.0)
    with pytest.raises(fp.SolverError, match="too stiff"):
        fp.solve(process, method="spectral")
    solution = fp.solve(process, tol=1e-4)
    assert solution.method == "central"
    assert "too stiff" in solution.message


def test_the_ode_is_refused():
    with pytest.raises(ValueError, match="spectral"):
        fp.solve(fp.reverse_process(TWO, 1, sampler="ode"), method="spectral")


@pytest.mark.parametrize(
    "noise",
    [
        lambda tau: 1.0 if tau < 0.5 else 0.0,
        lambda tau: 10.0 if 0.25 < tau < 0.2525 else 1.0,
        lambda tau: 40.0 if 0.5 < tau < 0.5004 else 1.0,
    ],
)
def test_noise_with_jumps_is_refused_in_one_line(noise):
    start = fp.GaussianMixture([1.0], [0.0])
    with pytest.raises(ValueError, match="noise must be smooth in tau"):
        fp.Process(lambda x, tau: -x, noise, start, 1.0)


@pytest.mark.parametrize("method", ["auto", "central"])
def test_a_narrow_smooth_pulse_of_noise_is_not_stepped_over(method):
    """For dx = -x dtau + g dB: Var = e^{-2T} + integral of g^2 e^{-2(T - tau)}."""

    def noise(tau):
        return 1.0 + 20 * np.exp(-(((tau - 0.3) / 0.004) ** 2))

    process = fp.Process(lambda x, tau: -x, noise, fp.GaussianMixture([1.0], [0.0]), 1.0)
    taus = np.linspace(0, 1, 400_001)
    truth = np.exp(-2) + np.trapezoid(noise(taus) ** 2 * np.exp(2 * (taus - 1)), taus)
    estimate = fp.solve(process, method=method, tol=1e-6).covariance[-1]
    assert abs(estimate.value - truth) <= estimate.error + 1e-10
    assert estimate.error < 1e-3


def test_output_times_may_lie_close_together():
    process = fp.reverse_process(TWO, 1, strength=3.0)
    close = fp.solve(process, taus=[2.0, 2.0 + 1e-12, 5.0], method="spectral")
    assert close.entropy[0].agrees(close.entropy[1])
    assert abs(close.entropy[2].value - REFERENCE["entropy"]) <= close.entropy[2].error + 5e-14


@pytest.mark.parametrize(
    ("noise_level", "variance", "horizon"),
    [(3, 4, 1), (3, 15, 1), (2, 15, 1), (1, 15, 5), (3, 1, 5)],
)
def test_what_the_steps_lose_of_the_frame_is_claimed(noise_level, variance, horizon):
    mixture = fp.GaussianMixture([0.5, 0.5], [-1, 1], variance)
    process = fp.reverse_process(mixture, 1, noise_level=noise_level, horizon=horizon)
    solution = fp.solve(process, method="spectral")
    m, v = (float(item) for item in fp.unguided_moments(process, horizon))
    truths = {"mean": m, "covariance": v, "entropy": 0.5 * np.log(2 * np.pi * np.e * v)}
    for name, truth in truths.items():
        estimate = getattr(solution, name)[-1]
        assert abs(estimate.value - truth) <= estimate.error + 4e-16 * (1 + abs(truth)), name


@pytest.mark.parametrize("tol", [1e-5, 1e-7, 1e-9])
def test_work_and_claim_follow_the_tolerance(tol):
    """The claim lands below what was asked, not a thousand times below."""
    process = fp.reverse_process(fp.GaussianMixture([0.2, 0.8], [-1.5, 1]), 1, strength=5.0)
    truth = fp.solve(process, tol=1e-11)
    solution = fp.solve(process, tol=tol)
    for name in ("entropy", "mean", "covariance", "posterior_mass"):
        a, b = getattr(solution, name)[-1], getattr(truth, name)[-1]
        assert abs(a.value - b.value) <= a.error + b.error
    assert 1e-4 * tol < max(solution.entropy[-1].error, solution.mean[-1].error) <= tol
    assert solution.cost["steps"] < truth.cost["steps"]


def test_the_box_is_part_of_the_claim():
    """Strong guidance pushes mass through a box that is too narrow for it, step after step."""
    mixture = fp.GaussianMixture([0.16, 0.53, 0.02, 0.29], [-1.15, -0.91, -0.69, 1.15])
    process = fp.reverse_process(mixture, 3, strength=14.2, horizon=7.8)
    truth = fp.solve(process, tol=1e-10)
    for tol in (1e-6, 1e-8):
        solution = fp.solve(process, tol=tol)
        for name in ("entropy", "covariance", "posterior_mass"):
            a, b = getattr(solution, name)[-1], getattr(truth, name)[-1]
            assert abs(a.value - b.value) <= a.error + b.error, name


@pytest.mark.parametrize("interval", [(0.3, 1.5), (0.0, 0.7), (2.0, 9.0)])
def test_guidance_in_an_interval_lands_on_its_jumps(interval):
    rule = fp.IntervalStrength(4.0, *interval)
    process = fp.reverse_process(TWO, 1, guidance=rule)
    solution = fp.solve(process, method="spectral")
    assert solution.entropy[-1].error <= 1e-8
    other = fp.solve(process, method="finite-volume", tol=1e-4)
    for name in ("entropy", "mean", "posterior_mass"):
        assert getattr(solution, name)[-1].agrees(getattr(other, name)[-1]), name


def test_an_output_at_a_jump_and_beside_it():
    process = fp.reverse_process(TWO, 1, guidance=fp.IntervalStrength(4.0, 0.3, 1.5))
    at = process.breaks[0]
    solution = fp.solve(process, taus=[at - 1e-12, at, at + 1e-12, 5.0], method="spectral")
    for i in (0, 2):
        assert solution.entropy[i].agrees(solution.entropy[1])
    assert solution.entropy[3].agrees(fp.solve(process, method="spectral").entropy[-1])
