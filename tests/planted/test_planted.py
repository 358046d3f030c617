"""False claims, planted: each must come out REFUTED or VACUOUS, never SUPPORTED."""

import dataclasses

import numpy as np
import pytest

import fokker_planck as fp
from proofs_check.casework import run_case
from proofs_check.claims import e1, e2, g0, i4, t1, t1_discrete, t2, x1, x5
from proofs_check.claims.tables import case
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Context
from proofs_check.verdict import Verdict

CONTEXT = Context(share=1e-3 / 50)


def outcome(claim, item):
    record = run_case(claim, item, CONTEXT)
    assert record["verdict"] != "ERROR", record["reason"]
    return record


def negated(evidence):
    if evidence.cap is not None:
        return evidence
    return dataclasses.replace(evidence, value=-evidence.value, p_value=None)


def flipped(claim):
    """The claim with its inequality turned round, and so its second method."""

    def gather(item, context):
        return [negated(found) for found in claim.gather(item, context)]

    def confirm(item, context, failed):
        witness = claim.confirm(item, context, failed)
        return Witness(witness.data, negated(witness.second))

    return dataclasses.replace(claim, gather=gather, confirm=confirm)


@pytest.mark.parametrize(
    ("claim", "item"),
    [
        (t1.T1, case("two", 3, "ode")),
        (t1.T1, case("two", 3, "sde")),
        (t1.T1_MONO, case("two", 4, "sde")),
        (t1_discrete.CLAIM, case("two", 8, "sde", rule="euler", n_steps=5)),
        (t1_discrete.CLAIM, case("plane-orthogonal", 6, "ode", rule="ddim", n_steps=6)),
        (e1.CLAIM, case("two", 3, "ode")),
        (e2.CLAIM, case("two", 3, "sde")),
        (t2.CLAIM, case("two", 1, "sde", initial="exact")),
    ],
    ids=lambda x: getattr(x, "id", None),
)
def test_a_theorem_with_its_sign_flipped_is_refuted(claim, item):
    assert outcome(claim, item)["verdict"] == "SUPPORTED"
    record = outcome(flipped(claim), item)
    assert record["verdict"] == "REFUTED"
    assert record["witness"]["confirmed"]


# --- a wrong constant ---------------------------------------------------------------------------


def test_reciprocal_confidence_below_nine_tenths_of_the_truth_is_refuted():
    item = case("two", 1, "sde", initial="exact")
    truth = t2.reciprocal_gap(item).details["output"]

    def evidence(method):
        found = t2.reciprocal_gap(item, method)
        gap = found.value - found.details["start"] + 0.9 * truth  # 0.9 truth - E[1/P] at output
        return dataclasses.replace(found, value=gap)

    claim = dataclasses.replace(
        t2.CLAIM,
        gather=lambda item, context: [evidence("auto")],
        confirm=lambda item, context, failed: Witness({}, evidence("central")),
    )
    assert outcome(claim, item)["verdict"] == "REFUTED"


def test_a_tail_bound_below_what_happens_is_refuted():
    item = case("near-unequal", 1, "sde")
    factor = 0.9 * t2.tail_evidence(item, CONTEXT)[0].details["frequency"] / t2.TARGETS[0]

    def evidence(rule):
        return t2.tail_evidence(item, CONTEXT, rule, factor=0.5 * factor)[0]

    claim = dataclasses.replace(
        t2.CLAIM,
        gather=lambda item, context: [evidence("euler")],
        confirm=lambda item, context, failed: Witness({}, evidence("exponential")),
    )
    record = outcome(claim, item)
    assert record["verdict"] == "REFUTED"
    assert record["evidence"][0]["details"]["p_value"] < 1e-6


def test_an_entropy_identity_with_a_wrong_factor_is_refuted():
    item = case("two", 3, "ode")

    def wrong(found):
        # the integral counted with 1 + lambda^2 of the SDE
        return dataclasses.replace(found, value=found.value - found.details["loss_integral"])

    claim = dataclasses.replace(
        e1.CLAIM,
        gather=lambda item, context: [wrong(e1.identity_check(item))],
        confirm=lambda item, context, failed: Witness({}, wrong(e1.identity_check(item))),
    )
    assert outcome(claim, item)["verdict"] == "REFUTED"


@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_a_score_factor_of_one_against_two_is_refuted_by_the_closed_form(sampler):
    """The SDE with s in place of 2 s, and the ODE with 2 s in place of s."""
    right = case("two-wide" if sampler == "ode" else "two-narrow", 0, sampler, horizon=1.0).process
    other = right.with_noise_level(0.0 if sampler == "sde" else 1.0)
    wrong = fp.Process(other.drift, right.noise(0.0), right.initial, right.horizon)

    def differences(method):
        solution, truth = fp.solve(wrong, method=method), i4.closed_form(right)
        return [
            i4.evidence(name, i4.read(solution, functional) - truth[name], units="1", cap=i4.CAP)
            for name, functional in i4.FUNCTIONALS.items()
        ]

    def confirm(item, context, failed):
        found = [item for item in differences("central") if item.name == failed.name]
        return Witness({}, found[0])

    claim = dataclasses.replace(
        i4.CLAIM, gather=lambda item, context: differences("auto"), confirm=confirm
    )
    assert outcome(claim, Case("wrong", right))["verdict"] == "REFUTED"


def test_two_routes_with_different_strengths_are_told_apart():
    class Lopsided(fp.ReverseProcess):
        def score(self, x, tau, route="classifier"):
            scale = 1.0 if route == "classifier" else 1 + 1e-9
            return scale * super().score(x, tau, route=route)

    p = case("two", 3, "ode").process
    parts = (p.mixture, p.target, p.guidance, p.noise_level, p.horizon, p.schedule, p.initial)
    found = g0.gather(Case("lopsided", Lopsided(*parts)), CONTEXT)
    assert [item.verdict for item in found] == [Verdict.REFUTED]


def test_a_wrong_route_is_confirmed_by_differenced_log_densities():
    class Wrong(fp.ReverseProcess):
        def score(self, x, tau, route="classifier"):
            shift = 0.0 if route == "classifier" else 1e-3
            return super().score(x, tau, route=route) + shift

    p = case("two", 3, "ode").process
    parts = (p.mixture, p.target, p.guidance, p.noise_level, p.horizon, p.schedule, p.initial)
    record = outcome(g0.CLAIM, Case("wrong", Wrong(*parts)))
    assert record["verdict"] == "REFUTED"


# --- a hypothesis silently violated -------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "item"),
    [
        (t1.T1, case("three-centre", 1, "sde")),
        (t1.T1, case("wide-narrow", 1, "sde")),
        (t1.T1_MONO, case("plane-three", 1, "sde")),
        (t2.CLAIM, case("two", 1, "ode")),
        (t2.CLAIM, case("two", 1, 0.5)),
        (e1.CLAIM, case("two", 1, "sde")),
        (e1.CLAIM, case("wide-narrow", 1, "ode")),
        (e2.CLAIM, case("near-unequal", 1, "sde")),
        (i4.CLAIM, case("two", 1e-300, "ode")),
        (x1.CLAIM, case("two", 1, "sde")),
        (x5.CLAIM, case("two", 1, "ode")),
    ],
    ids=lambda x: getattr(x, "id", None),
)
def test_a_violated_hypothesis_makes_the_case_vacuous(claim, item):
    assert outcome(claim, item)["verdict"] == "VACUOUS"


def test_a_weight_of_1e_300_still_counts_as_a_component():
    mixture = fp.GaussianMixture([0.5, 0.5, 1e-300], [-1.0, 0.0, 1.0])
    item = Case("whisper", fp.reverse_process(mixture, 1, strength=1.0))
    assert outcome(t1.T1, item)["verdict"] == "VACUOUS"


def test_a_mixture_start_is_outside_e2_and_i4():
    start = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
    mixture = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
    p = fp.reverse_process(mixture, 1, strength=1.0, initial=start)
    assert outcome(e2.CLAIM, Case("start", p))["verdict"] == "VACUOUS"
    assert outcome(i4.CLAIM, Case("start", p.with_strength(0)))["verdict"] == "VACUOUS"


# --- the unknown is not a yes -------------------------------------------------------------------


def test_an_unknown_error_never_supports():
    found = Evidence("gap", "density", 1e9, {"tail": np.inf})
    assert found.verdict is Verdict.INCONCLUSIVE
