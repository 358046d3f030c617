"""Couplings: one start, one noise; running minima; the same Brownian path at other steps."""

from itertools import pairwise

import numpy as np
import pytest

import fokker_planck as fp
import sde_compare as sc
from sde_compare.replay import split_normals
from sde_compare.rules import noise_weights, subdivide

PAIR = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
SDE = fp.reverse_process(PAIR, 1, strength=3.0)
ODE = SDE.with_noise_level(0.0)
THREE = fp.reverse_process(fp.GaussianMixture([1 / 3] * 3, [-2.0, 0.0, 2.0]), 1, horizon=6.0)


@pytest.mark.parametrize("process", [SDE, ODE])
@pytest.mark.parametrize("rule", ["euler", "exponential"])
def test_guidance_raises_every_log_ratio_of_two_components(process, rule):
    """T1 for the schemes, whose steps are below 1: no path may fall, so no false alarm is due."""
    paths = sc.couple(process, process.with_strength(0.0), 5000, 50, rule=rule, refine=2)
    for resolution in (paths, paths.refined):
        assert np.all(resolution.minimum["log_ratio"] > 0)


def test_a_centre_target_loses_confidence_on_some_paths():
    """X1: about a fifth of the paths; under 5 % of 8000 would be beyond thirty deviations."""
    paths = sc.couple(
        *(THREE.with_strength(1.0), THREE, 8000, 200),
        refine=2,
        observables=("log_ratio", "log_odds"),
    )
    for resolution in (paths, paths.refined):
        assert np.mean(resolution.minimum["log_odds"] < 0) > 0.05
        final = [THREE.log_posterior(x, 6.0) for x in (resolution.points_a, resolution.points_b)]
        assert np.mean(final[0] < final[1]) > 0.05
    agree = (paths.minimum["log_odds"] < 0) == (paths.refined.minimum["log_odds"] < 0)
    assert agree.mean() > 0.9  # the two resolutions see one Brownian path


def test_equal_processes_stay_equal():
    paths = sc.couple(SDE, SDE, 100, 30, refine=3)
    assert np.array_equal(paths.points_a, paths.points_b)
    assert not paths.minimum["log_ratio"].any()
    assert np.all(paths.minimum_step["log_ratio"] == 1)


def test_running_minimum_is_that_of_the_stored_path():
    tau = np.linspace(0, 6, 41)
    paths = sc.couple(
        *(THREE.with_strength(2.0), THREE, 300, 40),
        times=tau,
        observables={"rise": lambda a, b, s: a - b * np.cos(s)},
    )
    value = paths.states_a[1:, :, 0] - paths.states_b[1:, :, 0] * np.cos(tau[1:, None])
    assert np.allclose(paths.minimum["rise"], value.min(axis=0))
    assert np.array_equal(paths.minimum_step["rise"], 1 + value.argmin(axis=0))
    assert np.array_equal(paths.states_a[0], paths.states_b[0])
    assert np.array_equal(paths.states_a[-1], paths.points_a)


def test_threads_do_not_change_a_bit():
    a = sc.couple(SDE, ODE, 20_000, 5, threads=1, refine=2)
    b = sc.couple(SDE, ODE, 20_000, 5, threads=2, refine=2)
    assert np.array_equal(a.points_a, b.points_a) and np.array_equal(a.points_b, b.points_b)
    assert np.array_equal(a.refined.minimum["log_ratio"], b.refined.minimum["log_ratio"])


@pytest.mark.parametrize("rule", ["euler", "exponential", "ddpm"])
def test_replay_gives_the_run_back(rule):
    chosen = [3, 9000, 17, 8191]
    paths = sc.couple(
        SDE, SDE.with_strength(0.0), 9001, 16, rule=rule, refine=2, times=np.linspace(0, 5, 17)
    )
    again = sc.replay(paths, chosen)
    assert np.array_equal(again.path_a, paths.states_a[:, chosen].swapaxes(0, 1))
    assert np.array_equal(again.path_b[:, -1], paths.points_b[chosen])
    fine = sc.replay(paths.refined, chosen)
    assert np.array_equal(fine.path_a[:, -1], paths.refined.points_a[chosen])
    assert np.array_equal(fine.path_b, sc.replay(paths, chosen, refine=2).path_b)


@pytest.mark.parametrize("rule", ["euler", "exponential"])
def test_replay_resolves_the_same_brownian_path_further(rule):
    """Distances to paths resolved 16 times further shrink like the step (strong order one).

    Over 400 paths the ratio, near 1/4, has a standard deviation of about 0.02.
    """
    distance = []
    for n_steps in (64, 256):
        paths = sc.couple(SDE, SDE.with_strength(0.0), 400, n_steps, rule=rule, seed=2)
        fine = sc.replay(paths, np.arange(400), 16)
        distance.append(np.sqrt(np.mean((fine.path_a[:, -1] - paths.points_a) ** 2)))
    assert distance[1] < 0.45 * distance[0]
    # and the split normals are standard: unguided output keeps its variance, at 8 sigma
    assert abs(fine.path_b[:, -1].var() - 1) < 8 * np.sqrt(2 / 400)


@pytest.mark.parametrize("rule", ["euler", "exponential"])
def test_deeper_replays_are_nested(rule):
    """Distances between successive doublings halve: they see one Brownian path.

    Over 300 paths the ratio, near 1/2, has a standard deviation of about 0.03; with unrelated
    fine noise it would be near 1.
    """
    paths = sc.couple(SDE, SDE.with_strength(0.0), 300, 40, rule=rule)
    ends = [sc.replay(paths, np.arange(300), 2**k).path_a[:, -1, 0] for k in range(5)]
    rms = [np.sqrt(np.mean((b - a) ** 2)) for a, b in pairwise(ends)]
    assert all(b < 0.75 * a for a, b in pairwise(rms)), rms


def test_a_replayed_path_does_not_depend_on_its_company():
    paths = sc.couple(SDE, ODE, 100, 10)
    alone = sc.replay(paths, [40], 6)
    among = sc.replay(paths, [3, 40, 77], 6)
    assert np.allclose(alone.path_a[0], among.path_a[1], rtol=1e-12, atol=1e-12)


def test_split_normals_add_up_and_stay_standard():
    """8192 values in each of 12 positions; tolerances at eight standard deviations."""
    tau = subdivide(np.linspace(0, 5, 4), 4)
    weights = noise_weights(SDE, tau, "exponential", 4)
    rng = np.random.default_rng(5)
    whole, fresh = rng.standard_normal((3, 8192)), rng.standard_normal((3, 4, 8192))
    pieces = split_normals(whole, fresh, weights).reshape(3, 4, 8192)
    assert np.allclose(np.einsum("kj,kjn->kn", weights, pieces), whole, atol=1e-12)
    for part in pieces:
        assert np.abs(np.cov(part) - np.eye(4)).max() < 8 * np.sqrt(2 / 8192)


def test_two_dimensions():
    mixture = fp.GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]])
    p = fp.reverse_process(mixture, 1, strength=2.0)
    paths = sc.couple(p, p.with_strength(0.0), 500, 20, observables=("log_ratio", "log_odds"))
    assert np.all(paths.minimum["log_ratio"] > 0)
    assert np.allclose(paths.minimum["log_ratio"], paths.minimum["log_odds"])
    assert np.array_equal(sc.replay(paths, [7]).path_a[:, -1], paths.points_a[[7]])


def test_processes_of_the_users_own():
    start = fp.GaussianMixture([1.0], [0.0])
    low = fp.Process(lambda x, tau: -x, 1.0, start, 2.0)
    high = fp.Process(lambda x, tau: 1 - x, 1.0, start, 2.0)
    paths = sc.couple(high, low, 100, 20, observables={"order": lambda a, b, tau: a - b})
    assert np.all(paths.minimum["order"] > 0)
    assert sc.couple(high, low, 10, 5).minimum == {}


@pytest.mark.parametrize(
    ("other", "arguments", "words"),
    [
        (SDE, {"coupling": "glued"}, "coupling must be one of synchronous, .*, got 'glued'"),
        (fp.reverse_process(PAIR, 1, horizon=4.0), {}, "horizon must be the same"),
        (fp.reverse_process(PAIR, 1, initial="exact"), {}, "initial must be the same"),
        (SDE, {"refine": 0}, "refine must be >= 1"),
        (SDE, {"observables": ("confidence",)}, "observables must be one of"),
        (fp.reverse_process(PAIR, 0), {"observables": ("log_ratio",)}, "observables need one"),
        (ODE, {"rule": "ddpm"}, "noise_level 0"),
    ],
)
def test_bad_pairs_are_refused(other, arguments, words):
    with pytest.raises(ValueError, match=words):
        sc.couple(SDE, other, 10, 4, **arguments)


@pytest.mark.parametrize(
    ("indices", "refine", "words"),
    [([10], 1, "indices must be in 0..9"), ([0.5], 1, "whole"), ([1], 3, "refine must divide")],
)
def test_bad_replays_are_refused(indices, refine, words):
    paths = sc.couple(SDE, ODE, 10, 4, refine=2)
    with pytest.raises(ValueError, match=words):
        sc.replay(paths, indices, refine)
