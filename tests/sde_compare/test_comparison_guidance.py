"""Comparison theorems on guided samplers: T1, T1-mono and T1-discrete come out of the machinery."""

import numpy as np
import pytest

import fokker_planck as fp
from sde_compare import regions as rg
from sde_compare.comparison import compare
from sde_compare.comparison.steps import step_coefficients
from sde_compare.regions import Function
from sde_compare.rules import step_table
from sde_compare.symbolic import spread, symbolic

PLANE = fp.GaussianMixture([0.3, 0.4, 0.3], [[1.0, 1.0], [-1.0, 0.5], [0.5, -1.0]])
RIGHT = fp.GaussianMixture([0.3, 0.4, 0.3], [[1.0, 1.0], [-1.0, 1.0], [1.0, -2.0]])
LINE = fp.GaussianMixture([0.3, 0.4, 0.3], [2.0, 1.0, 0.0])
RATIOS = {"order": "log-ratios", "n_paths": 500, "n_steps": 60}


def pair(mixture, low, high, noise_level=1.0, horizon=3.0, **more):
    return [
        fp.reverse_process(mixture, 0, strength=s, noise_level=noise_level, horizon=horizon, **more)
        for s in (low, high)
    ]


def assert_applies(found):
    assert found.applies, str(found)
    assert rg.replay(found.proof()).accepted
    assert found.conclusion.real == found.conclusion.undecided == 0


# --- expressions against production --------------------------------------------------------------


def random_process(rng, trial):
    d, k = 1 + trial % 3, int(rng.integers(2, 6))
    roots = rng.normal(size=(k, d, d))
    covariances = roots @ np.swapaxes(roots, 1, 2) + 0.2 * np.eye(d)
    covariances = (covariances + np.swapaxes(covariances, 1, 2)) / 2
    labels = [0, 0, *[1] * (k - 2)] if trial % 5 == 4 and k > 2 else None
    mixture = fp.GaussianMixture(
        0.9 * rng.dirichlet(np.ones(k)) + 0.1 / k,
        2 * rng.normal(size=(k, d)),
        [None, 0.5, covariances[0], covariances][trial % 4],
        labels=labels,
    )
    schedules = (fp.OrnsteinUhlenbeck(), fp.VarianceExploding(2.0), fp.LinearVP(0.3, 12.0))
    return fp.reverse_process(
        mixture,
        0,
        strength=float(rng.uniform(0, 8)),
        noise_level=float(rng.choice([0, 1, 0.5])),
        schedule=schedules[int(rng.integers(3))],
        stop=float(rng.choice([0, 0.1])),
    )


@pytest.mark.parametrize("trial", range(24))
def test_expressions_agree_with_the_production_drift(trial):
    rng = np.random.default_rng(trial)
    process = random_process(rng, trial)
    made = symbolic(process)
    x = 2 * rng.normal(size=(40, process.dimension))
    for tau in process.horizon * np.array([0.0, 0.37, 0.9, 1.0]):
        at = {**dict(zip(made.names, x.T, strict=True)), "tau": tau}
        drift = np.stack([Function(e)(**at) for e in made.drift], axis=-1)
        # conditioning: a score is a difference of terms of the size of x / variance
        expected = process.drift(x, tau)
        assert np.abs(drift - expected).max() < 1e-12 * (1 + np.abs(expected).max())
        assert np.allclose(Function(made.posterior)(**at), np.exp(process.log_posterior(x, tau)))
        assert np.allclose(Function(made.noise)(tau=tau), process.noise(tau), rtol=1e-13)
        if process.mixture.labels is None:
            ratios = process.log_ratios(x, tau)
            for k, e in made.log_ratios.items():
                assert np.allclose(Function(e)(**at), ratios[k], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["ou", "ve", "linear-vp"])
@pytest.mark.parametrize(
    ("rule", "level"), [("euler", 0.7), ("exponential", 0.7), ("ddim", 0.0), ("ddpm", 1.0)]
)
def test_step_expressions_agree_with_the_step_table(name, rule, level):
    mixture = fp.GaussianMixture([0.5, 0.5], [[1.0, 0.0], [0.0, 2.0]], 0.4)
    schedule = fp.schedule_named(name)
    process = fp.reverse_process(mixture, 0, noise_level=level, schedule=schedule, stop=0.01)
    tau = np.linspace(0, process.horizon, 8)
    t = process.forward_time(tau)
    table = step_table(process, tau, rule)
    clock, slope, push = step_coefficients(process, rule)
    at = {"u": t[1:], "h": t[:-1] - t[1:]}
    s = np.asarray(Function(spread(process, clock), ("u", "h"))(**at))
    r = np.asarray(Function(clock.signal, ("u", "h"))(**at))
    assert np.allclose(
        Function(slope, ("u", "h"))(**at), table.linear - table.score / s, atol=1e-12
    )
    assert np.allclose(Function(push, ("u", "h"))(**at), table.score * r / s, rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": fp.Cosine()}, "schedule must be ou, ve or linear-vp"),
        ({"guidance": fp.LinearStrength(1.0, 0.0)}, "guidance must be a constant strength"),
        ({"mixture": fp.GaussianMixture([1 / 7] * 7, np.arange(7.0))}, "at most 6 components"),
        ({"mixture": fp.GaussianMixture([1.0], [[0.0] * 4])}, "dimension at most 3"),
    ],
)
def test_what_is_not_expressible_is_refused(change, message):
    options = {"mixture": LINE, **change}
    process = fp.reverse_process(options.pop("mixture"), 0, **options)
    with pytest.raises(ValueError, match=message):
        symbolic(process)
    assert compare(process, process, n_paths=0).hypothesis("ordered").status == "undecided"


# --- T1 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.0, 1.0, 0.5])
@pytest.mark.parametrize("name", ["ou", "ve", "linear-vp"])
def test_t1(level, name):
    more = {"horizon": 1.0, "schedule": fp.schedule_named(name)}
    found = compare(*pair(PLANE, 0.0, 3.0, level, **more), **RATIOS)
    assert_applies(found)
    assert found.theorem.id == "kamke-mueller"
    # the whole space and all times: no box is needed
    for name_ in ("closed", "ordered", "quasi-monotone"):
        assert "no box" in found.hypothesis(name_).detail


def test_t1_with_more_rivals_than_dimensions():
    means = [[3.0, 3.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    mixture = fp.GaussianMixture([0.2] * 5, means, 0.5)
    assert_applies(compare(*pair(mixture, 0.0, 3.0), **RATIOS))


@pytest.mark.parametrize("seed", range(6))
def test_t1_with_any_floats(seed):
    """Random means, weights and variances in the published range, kept where T1 is meant."""
    rng = np.random.default_rng(seed)
    k, d = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    ways = np.abs(rng.normal(size=(k - 1, d))) * rng.uniform(0.1, 4)
    means = rng.normal(size=d) - np.vstack([np.zeros(d), ways])
    weights = 0.95 * rng.dirichlet(np.ones(k)) + 0.05 / k
    mixture = fp.GaussianMixture(weights, means, float(rng.uniform(0.3, 3)))
    schedule = fp.schedule_named(("ou", "ve", "linear-vp")[seed % 3])
    strength, level = float(rng.uniform(0, 16)), float(rng.choice([0, 1, 0.3]))
    options = {"horizon": 1.0, "schedule": schedule}
    found = compare(*pair(mixture, 0.0, strength, level, **options), **RATIOS | {"n_paths": 100})
    assert_applies(found)


def test_t1_refuted_for_a_centre_target():
    mixture = fp.GaussianMixture([1 / 3] * 3, [0.0, 2.0, -2.0])
    found = compare(*pair(mixture, 0.0, 1.0, horizon=6.0), **RATIOS)
    assert found.theorem is None
    assert found.hypothesis("ordered").status == "refuted"
    assert found.hypothesis("quasi-monotone").status == "proved"
    assert found.conclusion.real > 0


def test_less_guidance_is_not_above_more():
    found = compare(*pair(PLANE, 3.0, 1.0), **RATIOS)
    assert found.hypothesis("ordered").status == "refuted" and found.conclusion.real > 400


# --- T1-mono -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mixture", [RIGHT, LINE, fp.GaussianMixture([0.5, 0.5], [1.0, -1.0], 2.0)])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_t1_mono(mixture, level):
    found = compare(*pair(mixture, 1.0, 3.0, level), **RATIOS)
    assert_applies(found)
    assert found.theorem.id == ("kamke-mueller" if mixture is RIGHT else "scalar-ode")


def test_t1_mono_refuted_without_orthogonality():
    found = compare(*pair(PLANE, 1.0, 3.0), **RATIOS)
    assert found.theorem is None
    fall = found.hypothesis("quasi-monotone")
    assert fall.status == "refuted" and found.hypothesis("ordered").status == "proved"
    # the point, evaluated by differences of the production drift along W^+
    v = np.array([[2.0, 0.5], [0.5, 2.0]])
    tau = float(fall.witness["tau"])
    x = np.linalg.solve(v, [float(fall.witness["q0"]), float(fall.witness["q1"])])
    step = 1e-5 * np.linalg.inv(v).T
    process = pair(PLANE, 1.0, 3.0)[0]
    slopes = [v @ (process.drift(x + e, tau) - process.drift(x - e, tau)) / 2e-5 for e in step]
    assert min(slopes[1][0], slopes[0][1]) < 0


def test_coordinate_order_of_one_dimension():
    found = compare(*pair(LINE, 1.0, 3.0), n_paths=200, n_steps=50)
    assert_applies(found)


# --- T1-discrete ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "level", "horizon", "holds"),
    [
        ("euler", 1.0, 3.0, True),  # h = 1
        ("euler", 1.0, 3.0 + 1e-13, False),
        ("euler", 0.5, 12.0, True),  # h = 4 = 1 / lambda^2
        ("euler", 0.0, 30.0, True),
        ("exponential", 1.0, 3 * 0.6931471805599, True),  # log 2 = 0.69314718055994...
        ("exponential", 1.0, 3 * 0.69314718056, False),
        ("exponential", 0.0, 30.0, True),
        ("ddim", 0.0, 30.0, True),
        ("ddpm", 1.0, 30.0, True),
    ],
)
def test_t1_discrete(rule, level, horizon, holds):
    options = {**RATIOS, "n_steps": 3}
    found = compare(
        *pair(PLANE, 0.0, 3.0, level, horizon), theorem="step-map", rule=rule, **options
    )
    if holds:
        assert_applies(found)
    else:
        assert found.theorem is None
        fall = found.hypothesis("nondecreasing")
        assert fall.status == "refuted"
        assert float(fall.witness["h"]) == pytest.approx(horizon / 3, rel=1e-12)


def test_bad_input_is_one_line():
    ode, sde = pair(PLANE, 0.0, 1.0, 0.0)[0], pair(PLANE, 0.0, 1.0)[1]
    with pytest.raises(ValueError, match="noise_level must be the same"):
        compare(ode, sde, order="log-ratios")
    odd = fp.GaussianMixture([0.5, 0.5], [1.0, -1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="common isotropic covariance"):
        compare(*pair(odd, 0.0, 1.0), order="log-ratios")
    with pytest.raises(ValueError, match="region must be left out"):
        compare(*pair(LINE, 0.0, 1.0), order="log-ratios", region={"x": (0, 1)})
