"""Agreement: right samplers pass at the stated false-alarm rate, planted faults are caught."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import fokker_planck as fp
import sde_compare as sc
from sde_compare import engine
from sde_compare.checks import distribution_check, mean_check
from sde_compare.step_sizes import step_sizes

MIXTURE = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])


def unguided(level=1.0):
    return fp.reverse_process(MIXTURE, 1, noise_level=level)


# --- right samplers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "rule"),
    [(1.0, "euler"), (1.0, "exponential"), (1.0, "ddpm"), (0.0, "euler"), (0.0, "ddim")],
)
def test_right_samplers_agree_with_the_closed_form(closed_form, level, rule):
    """False-alarm rate 1e-3 per case by construction; in fact far lower (see below)."""
    result = sc.agreement(closed_form(unguided(level)), rule=rule, n_paths=50_000)
    assert result.holds, str(result)
    assert [check.name for check in result.checks] == ["posterior_mass", "entropy", "distribution"]


def test_false_alarm_rate(closed_form):
    """At alpha = 0.2, 60 runs of a right sampler; this test's own false-alarm rate is 1e-7."""
    solution = closed_form(unguided())
    alarms = sum(
        not sc.agreement(solution, n_paths=2000, n_steps=40, seed=s, alpha=0.2).holds
        for s in range(60)
    )
    assert alarms <= stats.binom.isf(1e-7, 60, 0.2)


def test_discretisation_is_told_apart(closed_form):
    """Four steps: the check does not alarm, and says that the step size is to blame."""
    coarse = sc.agreement(closed_form(unguided()), n_paths=50_000, n_steps=8)
    assert coarse.holds
    assert {check.dominant for check in coarse.checks} == {"discretisation"}
    fine = sc.agreement(closed_form(unguided()), n_paths=2000, n_steps=400)
    assert {check.dominant for check in fine.checks} == {"sampling"}


def test_a_solver_error_is_allowed_for_and_named():
    n = 10_000
    values = [np.random.default_rng(0).random(n)] * 3
    wrong = mean_check("mean", fp.Estimate(0.9, 1e-6), values, 0.0, 1.0, 1e-3)
    assert wrong.p_value < 1e-12
    unsure = mean_check("mean", fp.Estimate(0.9, 0.5), values, 0.0, 1.0, 1e-3)
    assert unsure.p_value == 1.0 and unsure.dominant == "solver"
    unknown = mean_check("mean", fp.Estimate(0.9, np.inf), values, 0.0, 1.0, 1e-3)
    assert unknown.p_value == 1.0


# --- steps that are not yet small -----------------------------------------------------------------

STEEP = [  # covariance, means, strength, sampler, horizon, rule, steps
    (0.25, (-1, 1), 16, "sde", 5.0, "ddpm", 200),
    (0.1, (-1, 1), 0, "sde", 5.0, "ddpm", 200),
    (0.1, (-1, 1), 16, "sde", 5.0, "ddpm", 200),
    (0.1, (-1, 1), 3, "ode", 5.0, "ddim", 200),
    (0.05, (-1, 1), 3, "ode", 5.0, "ddim", 200),
    (0.05, (-1, 1), 8, "sde", 5.0, "ddpm", 200),
    (0.01, (-1, 1), 3, "sde", 5.0, "exponential", 200),
    (1.0, (-1, 1), 50, "sde", 12.0, "ddpm", 50),
    (1.0, (-2, 0, 2), 50, "sde", 5.0, "euler", 200),
]


@pytest.mark.parametrize(
    ("covariance", "means", "strength", "sampler", "horizon", "rule", "n_steps"), STEEP
)
def test_a_right_sampler_passes_at_steps_that_are_not_small(
    covariance, means, strength, sampler, horizon, rule, n_steps
):
    """Seeds 0 to 2: false-alarm rate at most 1e-3 each, as stated by the check itself."""
    weights = np.full(len(means), 1 / len(means))
    mixture = fp.GaussianMixture(weights, list(means), covariance)
    process = fp.reverse_process(
        mixture, len(means) - 1, strength=strength, sampler=sampler, horizon=horizon
    )
    solution = fp.solve(process)
    for seed in range(3):
        result = sc.agreement(solution, n_paths=50_000, n_steps=n_steps, rule=rule, seed=seed)
        assert result.holds, str(result)


def test_steps_that_do_not_contract_are_not_resolved():
    """Changes of 0.4 at every halving: no rejection, however far off, and strict JSON."""
    values = [np.full(10_000, v) for v in (0.0, 0.4, 0.8)]
    check = mean_check("mean", fp.Estimate(0.9, 1e-6), values, 0.0, 1.0, 1e-3)
    assert not check.resolved and check.p_value == 1.0 and check.contraction == 1.0
    result = sc.Agreement((check,), 1e-3)
    assert result.holds and result.unresolved == (check,)
    assert "not resolved" in str(result)
    json.dumps(result.to_dict(), allow_nan=False)
    turned = [np.full(10_000, v) for v in (0.4, 0.0, 0.9)]
    assert not mean_check("mean", fp.Estimate(0.9, 0.0), turned, 0.0, 1.0, 1e-3).resolved
    halved = [np.full(10_000, v) for v in (0.1, 0.2, 0.4)]
    right = mean_check("mean", fp.Estimate(0.0, 0.0), halved, 0.0, 1.0, 1e-3)
    wrong = mean_check("mean", fp.Estimate(0.9, 0.0), halved, 0.0, 1.0, 1e-3)
    assert right.p_value == 1.0
    assert right.contraction == pytest.approx(0.5) and wrong.p_value < 1e-12
    assert right.discretisation == pytest.approx(0.1)


def test_points_that_are_not_finite_resolve_nothing():
    x = np.random.default_rng(1).standard_normal(1000)
    points = np.linspace(-1, 1, 9)
    ends = [x, x, np.where(x > 2, np.inf, x)]
    check = distribution_check(points, stats.norm.cdf(points + 1), 0.0, ends, 1e-3)
    assert not check.resolved and check.p_value == 1.0
    json.dumps(check.to_dict(), allow_nan=False)


def test_the_number_of_steps_is_rounded_up_to_a_multiple_of_four(closed_form):
    result = sc.agreement(closed_form(unguided()), n_paths=100, n_steps=9)
    assert result.settings["n_steps"] == [12, 6, 3]


def test_three_step_sizes_share_their_noise():
    pair = sc.two_step_sizes(unguided(), 100, 8, seed=2)
    runs = step_sizes(unguided(), 100, 8, seed=2)
    assert [run.n_steps for run in runs] == [8, 4, 2]
    for a, b in zip((pair.fine, pair.coarse), runs, strict=False):
        assert np.array_equal(a.points, b.points)
    with pytest.raises(ValueError, match="n_steps must be a multiple of 4, got 6"):
        step_sizes(unguided(), 10, 6)


# --- forms of input and output -------------------------------------------------------------------


def test_samples_and_pairs_give_the_same_report(closed_form):
    solution = closed_form(unguided())
    run = sc.sample(solution.process, 5000, 20, seed=4)
    pair = sc.two_step_sizes(solution.process, 5000, 20, seed=4)
    direct = sc.agreement(solution, n_paths=5000, n_steps=20, seed=4)
    for other in (sc.agreement(solution, run), sc.agreement(solution, pair)):
        assert other.to_dict() == direct.to_dict()


def test_the_report_is_strict_json_and_reads_well(closed_form):
    result = sc.agreement(closed_form(unguided()), n_paths=2000, n_steps=20)
    record = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert record["holds"] is True and len(record["checks"]) == 3
    assert "agrees" in str(result).splitlines()[0]
    assert result["entropy"].name == "entropy"
    assert abs(record["settings"]["truncated_entropy"]) < 1e-4


def test_families_are_decided_together(closed_form):
    result = sc.agreement(closed_form(unguided()), n_paths=2000, n_steps=20)
    family = sc.combine({"one": result, "two": result})
    assert len(family.checks) == 6 and family.checks[3].name == "two: posterior_mass"
    values = [np.zeros(10_000)] * 3
    near = mean_check("near", fp.Estimate(0.0298, 0.0), values, 0.0, 1.0, 1e-3)
    assert near.p_value < 1e-3  # alone it is rejected, among many it is not
    alone = sc.Agreement((near,), 1e-3)
    assert not alone.holds
    crowd = sc.combine(
        {str(i): alone for i in range(2)} | {f"right {i}": result for i in range(400)}
    )
    assert len(crowd.rejected) in (0, 2)
    assert np.all(crowd.adjusted >= [check.p_value for check in crowd.checks])


def test_surprisal_is_bounded_and_close_to_the_entropy(closed_form):
    solution = closed_form(unguided())
    surprisal = sc.Surprisal(solution.density(-1))
    far = surprisal(np.array([-50.0, 0.0, 1.0, 60.0]))
    assert far.min() >= surprisal.lower and far.max() == surprisal.upper
    expected = surprisal.expectation(solution)
    assert 0 < solution.entropy[0].value - expected.value < 1e-4
    run = sc.sample(solution.process, 20_000, 400)
    cross = run.cross_entropy(solution, 1 - 1e-9)
    assert abs(cross.value - expected.value) < cross.error + 0.01  # 0.01 for 400 Euler steps


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"alpha": 0.0}, "alpha must be > 0"),
        ({"alpha": 1.0}, "alpha must be < 1"),
        ({"n_steps": 0}, "n_steps must be >= 1"),
        ({"n_steps": 2.5}, "n_steps must be a whole number"),
        ({"paths": sc.sample(unguided(), 10, 6)}, "multiple of 4 steps, got 6"),
        ({"paths": fp.reverse_process(MIXTURE, 1, horizon=2.0)}, "paths must end at"),
        ({"rule": "leapfrog"}, "rule must be one of"),
    ],
)
def test_bad_input_is_refused(closed_form, arguments, words):
    arguments = {"n_paths": 10, "n_steps": 4, **arguments}
    with pytest.raises(ValueError, match=words):
        sc.agreement(closed_form(unguided()), **arguments)


# --- planted faults ------------------------------------------------------------------------------


def noisy(factor):
    """The unguided SDE of unit covariance, x + 2 (r mu - x), its noise off by a factor."""
    process = fp.reverse_process(MIXTURE, 1, horizon=2.0)
    wrong = fp.Process(
        *(lambda x, tau: 2 * np.exp(tau - 2.0) - x, factor * np.sqrt(2.0)),
        *(process.initial, process.horizon),
    )
    return process, wrong


@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_noise_off_by_two_percent_is_caught(closed_form, factor):
    """Missed only by a sampling error beyond three standard deviations."""
    process, wrong = noisy(factor)
    result = sc.agreement(closed_form(process), wrong, n_paths=400_000, n_steps=200)
    assert "entropy" in {check.name for check in result.rejected}, str(result)


def test_the_same_noise_unspoilt_passes(closed_form):
    """False-alarm rate at most 1e-3, as stated by the check itself."""
    process, right = noisy(1.0)
    assert sc.agreement(closed_form(process), right, n_paths=400_000, n_steps=100).holds


def test_a_shift_of_the_target_is_caught(closed_form):
    solution = closed_form(unguided())
    shifted = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 1.05]), 1)
    result = sc.agreement(solution, shifted)
    assert "distribution" in {check.name for check in result.rejected}, str(result)


# --- guided processes against the density solver -------------------------------------------------


@pytest.fixture(scope="module", params=["sde", "ode"])
def guided(request):
    process = fp.reverse_process(MIXTURE, 1, strength=3.0, sampler=request.param)
    return process, fp.solve(process)


@pytest.mark.parametrize("rule", ["euler", "exponential"])
def test_solver_and_sampler_agree(guided, rule):
    """False-alarm rate at most 1e-3 per case, as stated by the check itself."""
    process, solution = guided
    result = sc.agreement(solution, process, rule=rule, n_paths=100_000)
    assert result.holds, str(result)
    assert all(check.dominant != "solver" for check in result.checks)


def test_strength_taken_for_scale_is_caught(guided):
    process, solution = guided
    mistaken = process.with_strength(2.0)  # scale 3, not strength 3
    result = sc.agreement(solution, mistaken, n_paths=100_000)
    assert not result.holds, str(result)


def test_guidance_of_the_wrong_sign_is_caught(guided):
    process, solution = guided

    def drift(x, tau):
        t = process.forward_time(tau)
        score, _, gradient, _ = process.posterior.scores(x, t)
        return x + (1 + process.noise_level**2) * (score - 3.0 * gradient)

    wrong = fp.Process(drift, np.sqrt(2.0) * process.noise_level, process.initial, 5.0)
    result = sc.agreement(solution, wrong, n_paths=20_000)
    assert {check.name for check in result.rejected} == {c.name for c in result.checks}


def test_a_sampler_whose_noise_is_off_by_two_percent_is_caught(monkeypatch):
    """Planted in the step table of the samplers; missed beyond four standard deviations."""
    plain = engine.step_table

    def spoilt(*arguments):
        table = plain(*arguments)
        return replace(table, noise=1.02 * table.noise)

    process = fp.reverse_process(MIXTURE, 1, strength=3.0, horizon=2.0)
    solution = fp.solve(process)
    monkeypatch.setattr(engine, "step_table", spoilt)
    result = sc.agreement(solution, n_paths=400_000, n_steps=240)
    assert "entropy" in {check.name for check in result.rejected}, str(result)


@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_the_plane_by_marginals_posterior_and_surprisal(sampler):
    """The right sampler agrees; one of another strength differs (false alarms: 1e-3 a run)."""
    angle = np.deg2rad([90, 210, 330])
    means = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    mixture = fp.GaussianMixture(np.full(3, 1 / 3), means)
    process = fp.reverse_process(mixture, 0, strength=2.0, sampler=sampler, horizon=2.0)
    solution = fp.solve(process, tol=1e-4)
    right = sc.agreement(solution, n_paths=8000, n_steps=80)
    names = [check.name for check in right.checks]
    assert names == ["posterior_mass", "entropy", "distribution of x_0", "distribution of x_1"]
    assert right.holds
    wrong = sc.agreement(solution, process.with_strength(0.5), n_paths=8000, n_steps=80)
    assert not wrong.holds
