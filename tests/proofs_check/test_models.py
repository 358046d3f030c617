"""Models beyond one Gaussian per class, on the command line and before the claims."""

from __future__ import annotations

import numpy as np
import pytest
from run_records import strict_json

import fokker_planck as fp
import proofs_check as pc
from proofs_check.casework import examine
from proofs_check.claims import e1, t1, t2
from proofs_check.registry import Case
from proofs_check.runner import checked_process
from proofs_check.verdict import Verdict

LABELLED = fp.GaussianMixture([0.25, 0.25, 0.5], [-1.0, 1.0, 3.0], labels=[0, 0, 1])
MODEL = ["--weights", "[.25,.25,.5]", "--means", "[-1,1,3]", "--target", "0", "--strength", "2"]
SAMPLE = ["--paths", "50", "--steps", "8", "--json"]
PAIR = ["--class-law", "logistic:1,0.5", "--total-law", '{"weights": [1], "means": [0]}']


@pytest.mark.parametrize(
    "words",
    [
        [*MODEL, "--labels", "[0,0,1]", "--schedule", "cosine"],
        [*MODEL, "--labels", "[0,0,1]", "--schedule", "linear-vp:0.2,10,1", "--stop", "0.01"],
        [*MODEL, "--schedule", "ve:2", "--guidance", "interval:0.5,2"],
        [*MODEL, "--guidance", "noise:0.3,3", "--sampler", "ode"],
        [*MODEL, "--guidance", "power:1.5", "--perturbation", "classifier:0.1,2"],
        [*MODEL[:-2], "--guidance", "linear:0,4", "--perturbation", "score:0.1,2,0.5"],
        [*PAIR, "--stop", "0.2", "--strength", "1"],
    ],
    ids=lambda words: " ".join(words[-4:]),
)
def test_a_model_stated_in_words_is_sampled(cli, words):
    outcome = cli("sample", *words, *SAMPLE)
    assert outcome.code == 0, outcome.err
    record = strict_json(outcome.out)
    assert ("posterior_mass" in record) == ("--class-law" not in words)


def test_words_state_what_python_states(cli):
    words = ["--labels", "[0,0,1]", "--schedule", "cosine:0.02", "--guidance", "interval:.1,.6"]
    record = strict_json(cli("sample", *MODEL, *words, *SAMPLE).out)
    process = fp.reverse_process(
        LABELLED,
        0,
        guidance=fp.IntervalStrength(2.0, 0.1, 0.6),
        schedule=fp.Cosine(0.02),
    )
    import sde_compare as sc

    assert record["mean"]["value"] == sc.sample(process, 50, 8).mean.value.tolist()


def test_a_pair_is_solved_without_a_posterior(cli):
    outcome = cli("solve", *PAIR, "--stop", ".3", "--sampler", "ode", "--tol", "1e-4", "--json")
    record = strict_json(outcome.out)
    assert outcome.code == 0 and "posterior_mass" not in record and record["entropy"]["value"] > 0


@pytest.mark.parametrize(
    ("words", "needles"),
    [
        ([*MODEL, "--labels", "[0,0]"], ("labels", "[0, 0]")),
        ([*MODEL, "--labels", "[0,0,2]"], ("labels", "[0, 0, 2]")),
        ([*MODEL, "--labels", "[0,true,1]"], ("labels", "True")),
        ([*MODEL, "--stop", "9"], ("stop", "9")),
        ([*MODEL, "--schedule", "cosine:1,2"], ("schedule", "'cosine:1,2'")),
        ([*MODEL, "--schedule", "ve:fast"], ("schedule", "'ve:fast'")),
        ([*MODEL, "--schedule", "ve:-1"], ("rate", "-1")),
        ([*MODEL, "--schedule", "cosine", "--horizon", "1"], ("horizon", "1")),
        ([*MODEL, "--guidance", "interval:1"], ("guidance", "'interval:1'")),
        ([*MODEL, "--guidance", "interval:2,1"], ("high", "1")),
        ([*MODEL, "--guidance", "linear:1,2"], ("strength", "linear")),
        ([*MODEL[:-2], "--guidance", "power:1"], ("strength", "nothing")),
        ([*MODEL, "--guidance", "constant:1"], ("guidance", "'constant:1'")),
        ([*MODEL, "--perturbation", "noise:1,2"], ("perturbation", "'noise'")),
        ([*MODEL, "--perturbation", "score:1"], ("perturbation", "'score:1'")),
        ([*MODEL, *PAIR], ("weights", "class_law")),
        (PAIR, ("stop", "0")),
        (PAIR[:2], ("total_law", "nothing")),
        ([*PAIR[:3], "gauss", "--stop", "1"], ("total_law", "'gauss'")),
        ([*PAIR[:3], "uniform:0,1,2", "--stop", "1"], ("total_law", "'uniform:0,1,2'")),
    ],
    ids=lambda v: " ".join(v[-2:]) if isinstance(v, list) else "",
)
def test_bad_words_are_refused_in_one_line(cli, words, needles):
    outcome = cli("sample", *words, *SAMPLE)
    assert outcome.code == 2 and outcome.out == ""
    assert outcome.err.startswith("proofs-check: error: ") and outcome.err.count("\n") == 1
    for needle in needles:
        assert needle in outcome.err, outcome.err


def test_claims_need_a_posterior(cli):
    outcome = cli("verify", *PAIR, "--stop", "0.3")
    assert outcome.code == 2 and "posterior" in outcome.err and outcome.err.count("\n") == 1
    pair = fp.pair_process(LABELLED, LABELLED)
    with pytest.raises(ValueError, match="process must have a posterior"):
        pc.verify(["T1"], pair)


def verdict_of(claim, process):
    return examine(claim, Case("own", process))


def test_claims_about_gaussian_classes_are_vacuous_for_others():
    process = fp.reverse_process(LABELLED, 0, strength=1.0)
    for claim in (t1.T1, t1.T1_MONO, e1.CLAIM):
        records, verdict = verdict_of(claim, process)
        assert verdict is Verdict.VACUOUS
        assert [r["name"] for r in records] == ["class of one Gaussian"]
        assert "2 components" in records[0]["detail"]
    assert verdict_of(t2.CLAIM, process)[1] is None


def test_claims_about_exact_scores_are_vacuous_with_stated_errors():
    wrong = fp.reverse_process(
        fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]),
        1,
        strength=1.0,
        perturbation=fp.cosine_error("score", 0.1, 1.0),
    )
    for claim in (t1.T1, t2.CLAIM, e1.CLAIM):
        records, verdict = verdict_of(claim, wrong)
        assert verdict is Verdict.VACUOUS and records[0]["name"] == "exact scores"


def test_claims_about_one_strength_are_vacuous_for_other_rules():
    rule = fp.IntervalStrength(1.0, 0.2, 1.0)
    process = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1, guidance=rule)
    records, verdict = verdict_of(t1.T1, process)
    assert verdict is Verdict.VACUOUS and records[0]["name"] == "constant strength"


def test_labels_of_other_classes_are_dropped_before_the_claims():
    """The target's class is one component, so the scores are those without labels."""
    process = fp.reverse_process(LABELLED, 1, strength=2.0)
    plain = checked_process(process)
    x = np.linspace(-3, 3, 5)
    assert plain.mixture.labels is None and plain.target == 2
    assert np.array_equal(plain.drift(x, 3.0), process.drift(x, 3.0))
    assert verdict_of(t1.T1, plain)[1] is None
    kept = fp.reverse_process(LABELLED, 0, strength=2.0)
    assert checked_process(kept) is kept
    functions = fp.TimeStrength(lambda t: 1.0)
    with pytest.raises(ValueError, match="importable functions"):
        checked_process(fp.reverse_process(LABELLED, 0, guidance=functions))


def test_case_parameters_state_the_model():
    process = fp.reverse_process(LABELLED, 0, strength=1.0, schedule=fp.Cosine(), stop=0.1)
    found = Case("own", process).parameters()
    assert found["labels"] == [0, 0, 1] and found["stop"] == 0.1
    assert found["horizon"] == pytest.approx(0.99) and found["schedule"] == "cosine"
