"""Samplers on every schedule, class, pair, rule and stop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import fokker_planck as fp
import sde_compare as sc
from sde_compare.engine import Track, block_generator, simulate_block
from sde_compare.rules import step_table, time_nodes

SCHEDULES = [fp.OrnsteinUhlenbeck(), fp.LinearVP(), fp.Cosine(), fp.VarianceExploding()]
RULES = [("euler", 0.0), ("euler", 1.0), ("exponential", 0.6), ("ddim", 0.0), ("ddpm", 1.0)]
MIXTURE = fp.GaussianMixture([0.3, 0.7], [-0.5, 1.5], [0.6, 0.6])
CLASSES = fp.GaussianMixture([0.3, 0.3, 0.4], [-2.0, 1.0, 2.0], [0.5, 1.0, 0.8], [0, 0, 1])
#: family-wise false-alarm rate of the sampled tests of this file but for the agreements, which
#: have their own of 1e-3 each
ALARM = 1e-6


def chain_moments(p, rule, n_steps):
    """Mean and variance of the Gaussian chain at strength 0, from the coefficients in use."""
    track = Track(p, time_nodes(p, n_steps), rule)
    mean, variance = float(p.initial.means[0, 0]), float(p.initial.covariances[0, 0, 0])
    for a, b, c in zip(track.linear, track.shift, track.table.noise, strict=True):
        mean, variance = a * mean + b, a * a * variance + c * c
    return np.array([mean, variance])


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize(("rule", "level"), RULES)
def test_every_rule_converges_to_the_closed_form_on_every_schedule(schedule, rule, level):
    p = fp.reverse_process(MIXTURE, 1, noise_level=level, schedule=schedule, stop=0.02)
    exact = np.array([float(m) for m in fp.unguided_moments(p, p.horizon)])
    steps = (400, 800, 1600)
    values = np.array([chain_moments(p, rule, n) for n in steps])
    errors = np.abs(values - exact)
    assert errors[-1].max() < 0.015
    # order one: halving the step halves the error, up to what is rounding already
    assert np.all(errors[1:] < 0.56 * errors[:-1] + 1e-12)
    assert np.abs(2 * values[-1] - values[-2] - exact).max() < 1e-3


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize(("rule", "level"), RULES)
def test_sampled_moments_are_those_of_the_chain(schedule, rule, level):
    """The chain at strength 0 is Gaussian: exact tests of mean and variance, Bonferroni."""
    p = fp.reverse_process(MIXTURE, 1, noise_level=level, schedule=schedule, stop=0.02)
    samples = sc.sample(p, 20_000, 40, rule, seed=1)
    mean, variance = chain_moments(p, rule, 40)
    x = samples.points[:, 0]
    share = ALARM / (2 * len(RULES) * len(SCHEDULES))
    z = (x.mean() - mean) / np.sqrt(variance / x.size)
    assert abs(z) < stats.norm.isf(share / 2)
    square = ((x - x.mean()) ** 2).sum() / variance
    law = stats.chi2(x.size - 1)
    assert law.ppf(share / 2) < square < law.isf(share / 2)


def test_the_last_step_of_ddpm_adds_noise_if_stopped_early():
    stopped, whole = (fp.reverse_process(MIXTURE, 1, stop=stop) for stop in (0.1, 0.0))
    tables = [step_table(p, time_nodes(p, 20), "ddpm") for p in (stopped, whole)]
    assert tables[0].noise[-1] > 0.1 and tables[1].noise[-1] == 0.0


MODELS = {
    "class": lambda: fp.reverse_process(CLASSES, 0, strength=2.0),
    "power": lambda: fp.reverse_process(MIXTURE, 0, guidance=fp.PowerStrength(2.0, 1.0)),
    "interval": lambda: fp.reverse_process(
        MIXTURE, 0, guidance=fp.IntervalStrength(2.0, 0.25, 2.0)
    ),
    "linear": lambda: fp.reverse_process(
        MIXTURE, 0, guidance=fp.LinearStrength.between(3.0, 1.0, 5.0)
    ),
    "error": lambda: fp.reverse_process(
        MIXTURE, 0, strength=2.0, perturbation=fp.cosine_error("classifier", 0.3, 2.0)
    ),
    "pair": lambda: fp.pair_process(CLASSES.class_law(0), MIXTURE, strength=1.0),
    "plane": lambda: fp.reverse_process(
        fp.GaussianMixture(
            [0.3, 0.3, 0.4], [[-1.0, 0.0], [1.0, 0.5], [0.0, -1.0]], labels=[0, 0, 1]
        ),
        0,
        strength=2.0,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_production_steps_equal_steps_with_the_drift_of_the_model(name):
    p = MODELS[name]()
    plain = fp.Process(p.drift, np.sqrt(2.0), p.initial, p.horizon)
    tau = np.linspace(0, 5, 101)  # a jump of the interval lies on a node
    tracks = [Track(q, tau, "euler") for q in (p, plain)]
    a, b = simulate_block(tracks, 100, block_generator("same noise", 0))
    assert np.abs(a - b).max() < 1e-10 * np.abs(b).max()


def test_paths_of_classes_and_pairs_couple():
    a = MODELS["class"]()
    paths = sc.couple(a, a.with_strength(0.0), 50, 20, observables=["log_ratio", "log_odds"])
    # with two classes the one log-ratio is the log-odds
    assert np.allclose(paths.minimum["log_ratio"], paths.minimum["log_odds"], atol=1e-9)
    pair = MODELS["pair"]()
    assert sc.couple(pair, pair.with_strength(0.0), 50, 20).minimum == {}
    with pytest.raises(ValueError, match="observables need one mixture"):
        sc.couple(pair, pair, 50, 20, observables=["log_odds"])
    with pytest.raises(ValueError, match="process must have a posterior"):
        _ = sc.sample(pair, 10, 10).posterior_mass
    assert "posterior_mass" not in sc.sample(pair, 10, 10).to_dict()


@pytest.mark.parametrize("name", ["class", "pair"])
def test_density_and_samples_agree(name):
    """False-alarm rate 1e-3 each, if the solver's errors hold."""
    schedule = fp.LinearVP()
    if name == "class":
        p = fp.reverse_process(CLASSES, 0, strength=2.0, schedule=schedule)
    else:
        p = fp.pair_process(CLASSES.class_law(0), CLASSES, strength=2.0, schedule=schedule)
    found = sc.agreement(fp.solve(p, tol=1e-6), n_paths=16_000, n_steps=120, rule="exponential")
    assert found.holds and not found.unresolved, str(found)
