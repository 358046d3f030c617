"""Reproducibility to the bit, closed forms, and bad input of ``sample`` and ``two_step_sizes``."""

import numpy as np
import pytest

import fokker_planck as fp
import sde_compare as sc
from sde_compare import engine, samplers

PAIR = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
SDE = fp.reverse_process(PAIR, 1, strength=3.0)
ODE = fp.reverse_process(PAIR, 1, strength=3.0, sampler="ode")
PLANE = fp.reverse_process(
    fp.GaussianMixture([0.3, 0.7], [[-1.0, 0.0], [1.0, 0.5]], [[2.0, 0.3], [0.3, 1.0]]), 1
)
CASES = [(SDE, "euler"), (SDE, "ddpm"), (ODE, "ddim"), (ODE, "exponential"), (PLANE, "euler")]


@pytest.mark.parametrize(("process", "rule"), CASES)
def test_threads_and_schedule_do_not_change_a_bit(process, rule, monkeypatch):
    n = 3 * engine.block_size(process.dimension) + 17
    one = sc.sample(process, n, 7, rule, threads=1).points
    assert np.array_equal(one, sc.sample(process, n, 7, rule, threads=2).points)
    plain = samplers.run_blocks

    def shuffled(task, n_blocks, threads, progress):
        plain(task, n_blocks, threads, progress, order=[2, 0, 3, 1])

    monkeypatch.setattr(samplers, "run_blocks", shuffled)
    assert np.array_equal(one, sc.sample(process, n, 7, rule, threads=2).points)


@pytest.mark.parametrize(("process", "rule"), CASES)
def test_the_first_paths_of_a_longer_run_are_those_of_a_shorter_one(process, rule):
    long = sc.sample(process, engine.block_size(process.dimension) + 50, 5, rule).points
    for n in (1, 7, engine.block_size(process.dimension)):
        assert np.array_equal(long[:n], sc.sample(process, n, 5, rule).points)


def test_streams_follow_the_content():
    base = sc.sample(SDE, 100, 5).points
    assert np.array_equal(base, sc.sample(fp.reverse_process(PAIR, 1, scale=4.0), 100, 5).points)
    others = [
        sc.sample(SDE, 100, 5, seed=1),
        sc.sample(SDE, 100, 5, "exponential"),
        sc.sample(SDE.with_strength(2.9), 100, 5),
        sc.sample(SDE, 100, 6),
    ]
    starts = [sc.sample(SDE, 100, 5, times=[0.0]).states[0]]
    starts += [
        sc.sample(s.process, 100, s.n_steps, s.rule, s.seed, times=[0.0]).states[0] for s in others
    ]
    assert len({start[0, 0] for start in starts}) == len(starts)


def test_a_process_of_the_users_own_is_sampled_reproducibly():
    def build():
        return fp.Process(lambda x, tau: -x, 1.0, fp.GaussianMixture([1.0], [0.0]), 2.0)

    assert np.array_equal(sc.sample(build(), 50, 9).points, sc.sample(build(), 50, 9).points)
    with pytest.raises(ValueError, match="posterior"):
        _ = sc.sample(build(), 5, 5).posterior_mass


def test_stored_states_end_in_the_output_and_progress_reaches_the_end():
    seen = []
    run = sc.sample(
        SDE,
        20_000,
        10,
        times=[5.0, 0.0, 2.6],
        progress=lambda done, total: seen.append((done, total)),
    )
    assert np.allclose(run.times, [0.0, 2.5, 5.0])
    assert np.array_equal(run.states[-1], run.points)
    assert seen == [(i, 3) for i in range(4)]


def test_a_time_grid_of_equal_steps_has_the_law_of_the_default():
    tau = np.linspace(0, 5, 9)
    a = samplers.Track(SDE, samplers.time_nodes(SDE, 8, tau), "euler")
    b = samplers.Track(SDE, samplers.time_nodes(SDE, 8), "euler")
    assert np.array_equal(a.linear, b.linear) and np.array_equal(a.shift, b.shift)
    assert sc.sample(SDE, 10, 8, time_grid=tau).points.shape == (10, 1)


def test_the_fine_half_of_a_pair_is_the_sample():
    for rule in ("euler", "exponential", "ddpm"):
        pair = sc.two_step_sizes(SDE, 9000, 12, rule, seed=3)
        assert np.array_equal(pair.fine.points, sc.sample(SDE, 9000, 12, rule, seed=3).points)
        assert pair.coarse.n_steps == 6


@pytest.mark.parametrize("rule", ["euler", "exponential", "ddpm"])
def test_both_halves_of_a_pair_have_the_law_of_the_rule(rule):
    """Unguided chains are Gaussian with known moments.

    Bounded functions and Bernstein intervals at 1e-8 each: twelve checks in all three cases
    together raise a false alarm with probability below 2e-7.
    """
    from scipy.stats import norm

    p = fp.reverse_process(fp.GaussianMixture([1.0], [1.3], [0.4]), 0)
    pair = sc.two_step_sizes(p, 100_000, 20, rule)
    for run in (pair.fine, pair.coarse):
        track = engine.Track(p, run.tau, rule)
        mean, variance = 0.0, 1.0
        for a, b, c in zip(track.linear, track.shift, track.table.noise, strict=True):
            mean, variance = a * mean + b, a * a * variance + c * c
        law = norm(mean, np.sqrt(variance))
        for level in (0.2, 0.7):
            edge = law.ppf(level)
            share = run.expectation(lambda x, e=edge: x <= e, 0.0, 1.0, confidence=1 - 1e-8)
            assert share.contains(level)


def test_extrapolation_meets_the_reference_value():
    """P = 0.9556945098651, with 5e-4 for the bias of second order left by 200 steps.

    The false-alarm rate is that of one Bernstein interval at 1e-8.
    """
    pair = sc.two_step_sizes(SDE, 200_000, 200)
    fine, coarse = (np.exp(SDE.log_posterior(s.points, 5.0)) for s in (pair.fine, pair.coarse))
    value = sc.empirical_bernstein(2 * fine - coarse, -1.0, 2.0, 1 - 1e-8)
    assert abs(value.value - 0.9556945098651) < value.error + 5e-4
    assert value.error < 4e-3


def test_estimates_of_samples():
    """Descriptive numbers lie where they should; each at more than eight standard deviations."""
    run = sc.sample(ODE, 30_000, 400, "ddim")
    assert abs(run.entropy.value - 0.8639) < 0.08
    assert abs(run.posterior_mass.value + run.complement_mass.value - 1) < 1e-12
    assert run.posterior_mass.kind == "interval" and run.posterior_mass.confidence == 0.99
    assert run.mean.value.shape == (1,)
    assert set(run.to_dict()) >= {"posterior_mass", "entropy", "mean", "seed"}


def test_one_path_knows_nothing():
    run = sc.sample(SDE, 1, 2)
    for estimate in (run.posterior_mass, run.entropy, run.mean):
        assert np.all(np.isinf(estimate.error))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_paths": 0}, "n_paths must be >= 1, got 0"),
        ({"n_paths": 2.5}, "n_paths must be a whole number"),
        ({"n_paths": True}, "n_paths must be a whole number"),
        ({"n_steps": 0}, "n_steps must be >= 1, got 0"),
        ({"n_steps": "5"}, "n_steps must be a whole number"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"rule": "heun"}, "rule must be one of euler, exponential, ddim, ddpm, got 'heun'"),
        ({"threads": 0}, "threads must be >= 1"),
        ({"time_grid": [0.0, 5.0]}, "time_grid must have shape"),
        ({"time_grid": [0.0, 3.0, 2.0, 5.0]}, "time_grid must rise"),
        ({"time_grid": [0.0, 1.0, 2.0, 4.0]}, "time_grid must rise from 0 to 5"),
        ({"time_grid": [0.0, 1.0, np.nan, 5.0]}, "time_grid must be finite"),
        ({"times": [6.0]}, "times must lie in"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, words):
    with pytest.raises(ValueError, match=words) as caught:
        sc.sample(SDE, **{"n_paths": 10, "n_steps": 3, **arguments})
    assert "\n" not in str(caught.value)


def test_an_odd_number_of_steps_has_no_half():
    with pytest.raises(ValueError, match="n_steps must be even, got 7"):
        sc.two_step_sizes(SDE, 10, 7)
