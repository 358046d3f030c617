import math

import pytest

from fokker_planck import Estimate
from proofs_check.evidence import Evidence, Witness
from proofs_check.verdict import (
    Verdict,
    as_expected,
    decide,
    decide_control,
    exit_code,
    worst,
)

V = Verdict
INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("value", "error", "verdict"),
    [
        (1.0, 0.5, V.SUPPORTED),
        (0.5, 0.5, V.SUPPORTED),  # the interval touches zero from above: still nonnegative
        (0.0, 0.0, V.SUPPORTED),
        (-0.5, 0.5, V.INCONCLUSIVE),  # touches zero from below: zero would satisfy the claim
        (-0.6, 0.5, V.REFUTED),
        (-1e-300, 0.0, V.REFUTED),
        (0.4, 0.5, V.INCONCLUSIVE),
        (0.0, 1e-300, V.INCONCLUSIVE),
        (5.0, INF, V.INCONCLUSIVE),
        (-5.0, INF, V.INCONCLUSIVE),
        (INF, 1.0, V.SUPPORTED),
        (-INF, 1.0, V.REFUTED),
        (NAN, 0.1, V.ERROR),
        (NAN, INF, V.ERROR),
    ],
)
def test_a_margin_is_decided_with_the_error_bar_against_it(value, error, verdict):
    assert decide(Estimate(value, error)) is verdict


@pytest.mark.parametrize(
    ("value", "error", "verdict"),
    [
        (0.0, 0.0, V.SUPPORTED),
        (1e-9, 1e-8, V.SUPPORTED),
        (-1e-8, 1e-8, V.SUPPORTED),
        (2e-8, 1e-8, V.REFUTED),
        (0.0, 1e-3, V.INCONCLUSIVE),  # agreement within a bar above the cap says little
        (1.0, 1e-3, V.REFUTED),
        (0.0, INF, V.INCONCLUSIVE),
        (NAN, 0.0, V.ERROR),
    ],
)
def test_a_control_needs_agreement_within_an_error_below_the_cap(value, error, verdict):
    assert decide_control(Estimate(value, error), 1e-6) is verdict


@pytest.mark.parametrize(
    ("verdicts", "found"),
    [
        ([], V.VACUOUS),
        ([V.VACUOUS, V.VACUOUS], V.VACUOUS),
        ([V.SUPPORTED, V.VACUOUS], V.SUPPORTED),
        ([V.PROVED, V.PROVED], V.PROVED),
        ([V.SUPPORTED, V.PROVED], V.SUPPORTED),
        ([V.SUPPORTED, V.INCONCLUSIVE], V.INCONCLUSIVE),
        ([V.INCONCLUSIVE, V.REFUTED, V.SUPPORTED], V.REFUTED),
        ([V.REFUTED, V.ERROR], V.ERROR),
    ],
)
def test_a_claim_takes_its_worst_case(verdicts, found):
    assert worst(verdicts) is found


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([(V.SUPPORTED, V.SUPPORTED), (V.REFUTED, V.REFUTED)], 0),
        ([(V.PROVED, V.SUPPORTED)], 0),
        ([(V.REFUTED, V.SUPPORTED)], 1),
        ([(V.SUPPORTED, V.REFUTED)], 1),  # a counterexample came out holding
        ([(V.INCONCLUSIVE, V.SUPPORTED)], 3),
        ([(V.VACUOUS, V.SUPPORTED)], 3),
        ([(V.INCONCLUSIVE, V.SUPPORTED), (V.REFUTED, V.SUPPORTED)], 1),
        ([(V.ERROR, V.SUPPORTED), (V.REFUTED, V.SUPPORTED), (V.INCONCLUSIVE, V.REFUTED)], 4),
    ],
)
def test_exit_codes_by_priority(pairs, code):
    assert exit_code(pairs) == code


def test_on_a_users_model_one_claim_that_applies_is_enough():
    pairs = [(V.SUPPORTED, V.SUPPORTED), (V.VACUOUS, V.SUPPORTED), (V.SUPPORTED, None)]
    assert exit_code(pairs, own_model=True) == 0
    assert exit_code([(V.VACUOUS, V.SUPPORTED)], own_model=True) == 3
    assert as_expected(V.REFUTED, None)
    assert as_expected(V.SUPPORTED, None)


# --- evidence -----------------------------------------------------------------------------------


def test_evidence_adds_its_budget_and_names_the_largest_part():
    evidence = Evidence("gap", "density", 1.0, {"time": 0.25, "space": 0.5})
    assert evidence.margin.error == 0.75
    assert evidence.dominant_error == "space"
    assert evidence.verdict is V.SUPPORTED


@pytest.mark.parametrize("part", [NAN, INF])
def test_an_unknown_part_makes_it_inconclusive_and_is_named(part):
    evidence = Evidence("gap", "density", 1.0, {"time": 0.25, "tail": part})
    assert evidence.verdict is V.INCONCLUSIVE
    assert evidence.dominant_error == "tail"
    assert "tail error dominates" in evidence.reason()
    assert "unknown" in evidence.reason()


def test_the_reason_says_what_would_decide_it():
    evidence = Evidence("gap", "paths", 1e-9, {"sampling": 1e-3}, remedy="more paths")
    assert "inside its error" in evidence.reason()
    assert evidence.reason().endswith("more paths would decide it")
    control = Evidence("gap", "density", 0.0, {"time": 1e-2}, cap=1e-3)
    assert "above its cap" in control.reason()


def test_a_witness_is_confirmed_only_by_a_refuting_second_method():
    good = Evidence("second", "density", -1.0, {"time": 0.1})
    poor = Evidence("second", "density", -1.0, {"time": 2.0})
    assert Witness({}, good).confirmed
    assert not Witness({}, poor).confirmed
    assert Witness({"x": 1}, good).to_dict()["data"] == {"x": 1}
