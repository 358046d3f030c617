"""Chains as a model: steps against their formulas, accuracy at symmetric points, time grids."""

import numpy as np
import pytest

import fokker_planck as fp

PAIR = fp.GaussianMixture([0.3, 0.7], [-1.0, 1.5])
CENTRE = fp.GaussianMixture([1 / 3] * 3, [-3.0, 0.0, 3.0])
WIDE = fp.GaussianMixture(
    [0.2, 0.2, 0.2, 0.2, 0.2], [-3.0, -1.0, 0.0, 1.0, 3.0], [2, 0.5, 1, 0.5, 2]
)
RULES = [("euler", 1.0), ("exponential", 1.0), ("ddpm", 1.0), ("euler", 0.0), ("ddim", 0.0)]


def process(mixture=PAIR, target=0, strength=2.0, level=1.0, horizon=3.0, **more):
    return fp.reverse_process(
        mixture, target, strength=strength, noise_level=level, horizon=horizon, **more
    )


@pytest.mark.parametrize("mixture, target", [(PAIR, 0), (CENTRE, 1), (WIDE, 2)])
@pytest.mark.parametrize("rule, level", [*RULES, ("heun", 0.0)])
def test_a_step_is_its_formula_and_its_slope_the_derivative(mixture, target, rule, level):
    model = process(mixture, target, level=level)
    chain = fp.chain(model, 7, rule)
    x = np.linspace(-6, 6, 41)
    for k in (0, 3, 6):
        tau, end = chain.tau[k], chain.tau[k + 1]
        if rule == "heun":
            h = end - tau
            first = model.drift(x, tau)
            wanted = x + h / 2 * (first + model.drift(x + h * first, end))
        else:
            wanted = chain.table.linear[k] * x + chain.table.score[k] * model.score(x, tau)
        found, slope, size = chain.step(k, x)
        assert np.all(np.abs(found - wanted) <= 1e-14 * (1 + size))
        h = 1e-3
        near = [chain.step(k, x + j * h)[0] - chain.step(k, x - j * h)[0] for j in (1, 2, 3)]
        difference = (45 * near[0] - 9 * near[1] + near[2]) / (60 * h)
        assert np.allclose(slope, difference, rtol=1e-9, atol=1e-9)


def test_a_user_process_a_class_and_a_power_rule_have_steps():
    own = fp.Process(lambda x, tau: -np.sin(x), 0.5, fp.GaussianMixture([1.0], [0.2]), 2.0)
    found, slope, _ = fp.chain(own, 4).step(1, np.array([0.3]))
    assert np.isclose(found[0], 0.3 - 0.5 * np.sin(0.3), rtol=1e-15)
    assert np.isclose(slope[0], 1 - 0.5 * np.cos(0.3), rtol=1e-10)
    labelled = fp.GaussianMixture([0.3, 0.3, 0.4], [-2.0, 0.0, 1.0], labels=[0, 0, 1])
    for model in (
        process(labelled, 0),
        process(PAIR, guidance=fp.PowerStrength(2.0, 1.0), strength=None),
    ):
        chain = fp.chain(model, 5)
        x = np.linspace(-2, 2, 9)
        found, slope, _ = chain.step(2, x)
        wanted = x + 0.6 * model.drift(x, chain.tau[2])
        assert np.allclose(found, wanted, rtol=1e-13, atol=1e-14)
        assert np.allclose(slope, 1 + 0.6 * model.divergence(x, chain.tau[2]), rtol=1e-12)


@pytest.mark.parametrize("mixture, target", [(CENTRE, 1), (WIDE, 2)])
@pytest.mark.parametrize("rule", ["euler", "exponential", "ddim", "heun"])
def test_a_step_keeps_its_relative_accuracy_at_the_symmetric_point(mixture, target, rule):
    chain = fp.chain(process(mixture, target, 80.0, 0.0, 6.0), 60, rule)
    for k in (0, 30, 45, 55, 59):
        x = np.array([1e-200, -1e-200, 1e-30, 1e-12])
        found, slope, _ = chain.step(k, x)
        assert np.allclose(found / x, slope[0], rtol=1e-13, atol=1e-13 * abs(slope[0]))
        # the plain score loses it
    wanted = 1e-30 * chain.table.linear[50] + chain.table.score[50] * chain.process.score(
        np.array([1e-30]), chain.tau[50]
    )
    if rule != "heun":
        assert abs(wanted[0] / 1e-30 - chain.step(50, np.array([1e-30]))[1][0]) > 1.0


def test_both_forms_of_the_guidance_join_without_a_seam():
    score = fp.chain(process(CENTRE, 1), 5)._line
    x = np.linspace(0.05, 3, 200)
    near = score.guidance(4, x)
    score.mirrored = False
    for a, b in zip(near[:2], score.guidance(4, x)[:2], strict=True):
        assert np.allclose(a, b, rtol=1e-13, atol=1e-15)


def test_time_grids_are_what_they_say():
    model = process(horizon=5.0)
    assert np.allclose(fp.time_grid(model, 5), [0, 1, 2, 3, 4, 5])
    signal = np.exp(-(5 - fp.time_grid(model, 8, "signal")))
    assert np.allclose(np.diff(signal), np.diff(signal)[0], rtol=1e-12)
    t = 5 - fp.time_grid(model, 9, "log-snr", last=0.01)
    snr = -2 * t[:-1] - np.log(-np.expm1(-2 * t[:-1]))
    assert np.allclose(np.diff(snr), np.diff(snr)[0], rtol=1e-10)
    assert t[-1] == 0 and np.isclose(t[-2], 0.01)
    stopped = process(horizon=5.0, stop=0.1)
    t = stopped.forward_time(fp.time_grid(stopped, 9, "log-snr"))
    snr = -2 * t - np.log(-np.expm1(-2 * t))
    assert np.allclose(np.diff(snr), np.diff(snr)[0], rtol=1e-9) and np.isclose(t[-1], 0.1)


def test_the_linear_beta_grid_is_that_of_ho_et_al():
    beta = np.linspace(1e-4, 0.02, 1000)
    assert np.allclose(
        np.exp(-2 * fp.linear_beta_times(1000))[1:], np.cumprod(1 - beta), rtol=1e-12
    )
    times = fp.linear_beta_times(50)
    product = np.cumprod(1 - np.linspace(2e-3, 0.4, 50))
    assert np.allclose(times[1:], -np.log(product) / 2, rtol=1e-13)
    model = process(horizon=float(times[-1]))
    tau = fp.time_grid(model, 50, "linear-beta")
    assert np.allclose(model.horizon - tau, times[::-1], atol=1e-14)
    chain = fp.chain(model, tau, "ddpm")
    assert np.allclose(chain.table.linear[::-1] ** -2, 1 - np.linspace(2e-3, 0.4, 50), rtol=1e-12)


@pytest.mark.parametrize(
    "call, line",
    [
        (lambda: fp.chain("x", 5), "process must be"),
        (lambda: fp.chain(process(), 0), "time_grid must be >= 1, got 0|time_grid must be a whole"),
        (lambda: fp.chain(process(), 2.5), "time_grid must be a whole number, got 2.5"),
        (lambda: fp.chain(process(), [0.0]), "time_grid must have at least two times"),
        (lambda: fp.chain(process(), [0.0, 2.0, 1.0, 3.0]), "time_grid must rise from 0 to 3"),
        (lambda: fp.chain(process(), [0.0, 2.0]), "time_grid must rise from 0 to 3"),
        (lambda: fp.chain(process(), 5, "rk4"), "rule must be one of .*heun, got 'rk4'"),
        (lambda: fp.chain(process(), 5, "heun"), "'heun' needs the ODE sampler .* noise_level 1"),
        (lambda: fp.chain(process(), 5, "ddim"), "'ddim' needs the ODE sampler"),
        (lambda: fp.chain(process(level=0.0), 5, "ddpm"), "'ddpm' needs the SDE sampler"),
        (lambda: fp.time_grid(process(), 5, "cosine"), "kind must be one of"),
        (lambda: fp.time_grid(process(), 50, "linear-beta"), "horizon must be 5.884.* got 3.0"),
        (lambda: fp.linear_beta_times(10), "n_steps must keep every beta below 1, got 10"),
        (lambda: fp.solve(fp.chain(process(), 5), [0.5]), r"taus must be nodes .*0\.5"),
        (lambda: fp.solve(fp.chain(process(), 5), method="spectral"), "method must be auto"),
        (lambda: fp.solve(fp.chain(process(), 5), certify=True), "certify must be False"),
    ],
)
def test_bad_input_is_one_line(call, line):
    with pytest.raises(ValueError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)
