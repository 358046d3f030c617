"""Step rules: coefficients against the formulas of docs/theory.md (T1-discrete), and orders."""

from itertools import pairwise

import numpy as np
import pytest

import fokker_planck as fp
import sde_compare as sc
from sde_compare.engine import Track, block_generator, simulate_block
from sde_compare.rules import noise_weights, step_table, subdivide, time_nodes

PAIR = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
UNEVEN = np.array([0.0, 0.7, 1.1, 2.6, 3.1, 4.0, 4.9, 5.0])


def process(strength=3.0, level=1.0, mixture=PAIR, target=1, horizon=5.0):
    return fp.reverse_process(
        mixture, target, strength=strength, noise_level=level, horizon=horizon
    )


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, 1.7])
def test_euler_and_exponential_coefficients(level):
    h = np.diff(UNEVEN)
    euler = step_table(process(level=level), UNEVEN, "euler")
    assert np.allclose(euler.linear, 1 + h, rtol=1e-14)
    assert np.allclose(euler.score, (1 + level**2) * h, rtol=1e-14)
    assert np.allclose(euler.noise, level * np.sqrt(2 * h), rtol=1e-14)
    exponential = step_table(process(level=level), UNEVEN, "exponential")
    assert np.allclose(exponential.linear, np.exp(h), rtol=1e-13)
    assert np.allclose(exponential.score, (1 + level**2) * np.expm1(h), rtol=1e-13)
    assert np.allclose(exponential.noise, level * np.sqrt(np.expm1(2 * h)), rtol=1e-12)


def test_ddim_and_ddpm_updates_as_practitioners_write_them():
    r = np.exp(UNEVEN - 5.0)
    abar, abar_next = r[:-1] ** 2, r[1:] ** 2
    x, s = 0.37, -1.2
    table = step_table(process(level=0.0), UNEVEN, "ddim")
    noise = -np.sqrt(1 - abar) * s  # the network's epsilon
    data = (x - np.sqrt(1 - abar) * noise) / np.sqrt(abar)
    expected = np.sqrt(abar_next) * data + np.sqrt(1 - abar_next) * noise
    assert np.allclose(table.linear * x + table.score * s, expected, rtol=1e-12)
    assert not table.noise.any()
    table = step_table(process(), UNEVEN, "ddpm")
    alpha = abar / abar_next
    mean = (x + (1 - alpha) * s) / np.sqrt(alpha)
    assert np.allclose(table.linear * x + table.score * s, mean, rtol=1e-12)
    beta_tilde = (1 - alpha) * (1 - abar_next) / (1 - abar)
    assert np.allclose(table.noise**2, beta_tilde, rtol=1e-12, atol=1e-15)
    assert table.noise[-1] == 0.0  # the last step adds no noise


@pytest.mark.parametrize("cuts", [2, 3])
def test_exponential_rule_is_exact_on_its_linear_part(cuts):
    """Fine steps with a zero score compose to the coarse one, noise included."""
    fine = subdivide(UNEVEN, cuts)
    small = step_table(process(), fine, "exponential")
    large = step_table(process(), UNEVEN, "exponential")
    linear, noise = small.linear.reshape(-1, cuts), small.noise.reshape(-1, cuts)
    assert np.allclose(linear.prod(axis=1), large.linear, rtol=1e-13)
    carried = noise * np.cumprod(linear[:, ::-1], axis=1)[:, ::-1] / linear
    assert np.allclose((carried**2).sum(axis=1), large.noise**2, rtol=1e-12)
    weights = noise_weights(process(), fine, "exponential", cuts)
    assert np.allclose(weights * large.noise[:, None], carried, rtol=1e-12)


@pytest.mark.parametrize("rule", ["euler", "exponential", "ddpm"])
def test_noise_weights_keep_the_variance(rule):
    weights = noise_weights(process(), subdivide(UNEVEN, 4), rule, 4)
    assert np.allclose((weights**2).sum(axis=1), 1.0, rtol=1e-14)
    if rule == "euler":
        assert np.allclose(weights, 0.5)


def chain_moments(p, rule, n_steps):
    """Mean and variance of the chain at strength 0, from the coefficients that production uses."""
    track = Track(p, time_nodes(p, n_steps), rule)
    mean, variance = float(p.initial.means[0, 0]), float(p.initial.covariances[0, 0, 0])
    for a, b, c in zip(track.linear, track.shift, track.table.noise, strict=True):
        mean, variance = a * mean + b, a * a * variance + c * c
    return mean, variance


@pytest.mark.parametrize("level", [0.0, 1.0])
@pytest.mark.parametrize("rule", ["euler", "exponential"])
def test_weak_order_one_without_sampling_noise(rule, level):
    """At strength 0 the chain is Gaussian: its moments are exact, so only the step matters."""
    mixture = fp.GaussianMixture([0.3, 0.7], [-0.5, 1.5], [0.6, 0.6])
    p = process(0.0, level, mixture)
    exact = np.array([float(m) for m in fp.unguided_moments(p, p.horizon)])
    steps = np.array([200, 400, 800, 1600])
    errors = np.array([np.abs(np.array(chain_moments(p, rule, n)) - exact) for n in steps])
    slopes = -np.diff(np.log(errors), axis=0) / np.log(2)
    assert np.all(np.abs(slopes[-1] - 1) < 0.05), slopes
    extrapolated = [
        2 * np.array(chain_moments(p, rule, 2 * n)) - chain_moments(p, rule, n) for n in (400, 800)
    ]
    second = np.abs(np.array(extrapolated) - exact)
    assert np.all(second[1] < 0.35 * second[0] + 1e-12)  # what is left is of second order
    assert np.all(second[1] < 5e-5)


@pytest.mark.parametrize("rule", ["euler", "exponential", "ddim"])
def test_guided_ode_converges_at_order_one_path_by_path(rule):
    """Ddim on steps equal in the angle arccos r: in t it has order one up to a logarithm."""
    p = process(3.0, 0.0)
    ends = []
    for n in (100, 200, 400, 800):
        tau = time_nodes(p, n)
        if rule == "ddim":
            angle = np.linspace(np.arccos(np.exp(-5.0)), 0.0, n + 1)
            tau = np.append(5.0 + np.log(np.cos(angle[:-1])), 5.0)
            tau[0] = 0.0
        track = Track(p, tau, rule)
        runner = track.start(np.linspace(-2.5, 2.5, 101))
        for j in range(n):
            runner.feed(j, np.zeros(101))
        ends.append(runner.x)
    moves = [np.abs(b - a).max() for a, b in pairwise(ends)]
    slopes = np.diff(np.log(moves)) / np.log(0.5)
    assert np.all(np.abs(slopes - 1) < 0.15), slopes


def test_ddim_at_strength_zero_contracts_by_cosines():
    """Unit covariance: y = x - r mu is multiplied by cos(theta - theta'), r = cos(theta)."""
    p = process(0.0, 0.0)
    tau = time_nodes(p, 13)
    track = Track(p, tau, "ddim")
    runner = track.start(np.array([0.4, -1.3]))
    for j in range(13):
        runner.feed(j, np.zeros(2))
    r = np.exp(tau - 5.0)
    shrink = np.prod(np.cos(np.diff(np.arccos(r))))
    assert np.allclose(runner.x, 1.0 + (np.array([0.4, -1.3]) - r[0]) * shrink, rtol=1e-12)


def test_ddim_is_exact_for_a_point_mass():
    """Without data variance the flow is a change of scale, which one step follows exactly."""
    mixture = fp.GaussianMixture([1.0], [0.7], [1e-14])
    p = fp.reverse_process(mixture, 0, sampler="ode")
    grid = np.array([0.0, 1.3, 4.0])
    ends = []
    for nodes in (grid, subdivide(grid, 40)):
        p_part = Track(p, nodes, "ddim").start(np.array([-1.0, 0.2, 2.0]))
        for j in range(len(nodes) - 1):
            p_part.feed(j, np.zeros(3))
        ends.append(p_part.x)
    assert np.allclose(ends[0], ends[1], rtol=1e-11)


@pytest.mark.parametrize("rule", ["euler", "exponential"])
def test_strong_order_one_with_additive_noise(rule):
    """RMS distances between resolutions of one Brownian path halve with the step.

    Over 8192 paths the slope has a standard deviation below 0.01, so a tolerance of 0.1 raises a
    false alarm with probability below 1e-12.
    """
    p = process()
    tau = time_nodes(p, 1600)
    tracks = [Track(p, tau, rule, stride) for stride in (8, 4, 2, 1)]
    ends = simulate_block(tracks, 1600, block_generator("strong order", 0))
    rms = [np.sqrt(np.mean((b - a) ** 2)) for a, b in pairwise(ends)]
    slopes = np.diff(np.log(rms)) / np.log(0.5)
    assert np.all(np.abs(slopes - 1) < 0.1), slopes


@pytest.mark.parametrize(
    ("p", "rule", "words"),
    [
        (process(), "milstein", "rule must be one of"),
        (process(), "ddim", "noise_level 1"),
        (process(level=0.5), "ddpm", "noise_level 0.5"),
        (process(level=0.0), "ddpm", "noise_level 0"),
        (fp.Process(lambda x, tau: -x, 1.0, PAIR, 1.0), "exponential", "rule must be euler"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(p, rule, words):
    with pytest.raises(ValueError, match=words):
        sc.sample(p, 10, 10, rule)


def test_subdivision_keeps_every_node_to_the_bit():
    assert np.array_equal(subdivide(UNEVEN, 7)[::7], UNEVEN)
