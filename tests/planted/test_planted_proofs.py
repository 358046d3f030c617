"""False statements over regions, and proofs that are none: never PROVED."""

import copy
import dataclasses

import pytest

import fokker_planck as fp
from fokker_planck import GaussianMixture
from proofs_check.casework import run_case
from proofs_check.claims import curvature, steered, t1, t1_discrete, t1_sigma
from proofs_check.claims.tables import case
from proofs_check.evidence import Evidence
from proofs_check.registry import Case, Context
from sde_compare import regions as rg

CONTEXT = Context(share=1e-3 / 50)
TWO = case("two", 3, "sde")


def changed(claim, monkeypatch, name, change):
    """Return the verdict of a claim whose function is spoiled before it is decided."""
    honest = rg.decide

    def decide(f, region, **more):
        return honest(change(f), region, **{**more, "max_boxes": 20_000})

    monkeypatch.setattr(rg, "decide", decide)
    return run_case(claim, name, CONTEXT)


def energy(dimension):
    return rg.total([e**2 for e in rg.variables([f"e{i}" for i in range(dimension)])])


@pytest.mark.parametrize("claim", [curvature.K1, curvature.K2], ids=lambda c: c.id)
@pytest.mark.parametrize(
    "change",
    [lambda f: -f, lambda f: f - energy(1) / 100, lambda f: f - rg.number("1e-9")],
    ids=["sign flipped", "constant off by a hundredth", "shifted by 1e-9"],
)
def test_a_spoiled_curvature_is_refuted(claim, change, monkeypatch):
    record = changed(claim, monkeypatch, TWO, change)
    assert record["verdict"] == "REFUTED", record["reason"]
    assert record["witness"]["confirmed"]


def test_a_dropped_term_of_the_sum_of_squares_is_no_identity(monkeypatch):
    honest = rg.decide

    def decide(f, region, equals=None, **more):
        assert equals is not None
        return honest(f, region, equals=equals.args[0], max_boxes=2000, **more)

    monkeypatch.setattr(rg, "decide", decide)
    record = run_case(curvature.K1, case("plane-three", 2, "sde"), CONTEXT)
    assert record["verdict"] == "INCONCLUSIVE"
    assert "not shown to be equal" in record["reason"]


def test_conditions_that_do_not_hold_make_a_case_vacuous():
    crossed = steered.losing_cases("quick", 0)[0]  # Euclidean condition only
    record = run_case(t1_sigma.CLAIM, crossed, CONTEXT)
    assert record["verdict"] == "VACUOUS" and "< 0" in record["reason"]
    long = case("two", 8, "sde", horizon=5.1, rule="euler", n_steps=5)  # h = 1.02
    assert run_case(t1_discrete.CLAIM, long, CONTEXT)["verdict"] == "VACUOUS"
    long = case("two", 8, "sde", horizon=3.5, rule="exponential", n_steps=5)  # above log 2
    assert run_case(t1_discrete.CLAIM, long, CONTEXT)["verdict"] == "VACUOUS"
    short = case("two", 8, "sde", horizon=3.4, rule="exponential", n_steps=5)
    assert run_case(t1_discrete.CLAIM, short, CONTEXT)["verdict"] == "SUPPORTED"
    oblique = steered.rungs_cases("quick", 0)[0]
    assert run_case(t1.T1_MONO, oblique, CONTEXT)["verdict"] == "VACUOUS"
    own = case("two", 8, "sde")
    assert run_case(t1_discrete.CLAIM, own, CONTEXT)["verdict"] == "VACUOUS"


def test_the_kernel_condition_is_strict_about_its_border():
    """Mean vectors on either side of the border of the condition, 1e-6 apart in relative terms."""
    found = []
    for slack in (1e-6, -1e-6):
        # SDE, Sigma = diag(1, 1/4): 1 - c / a(s)^2 >= 0 for all s iff c <= a(0)^2 = 1/16
        v = [[1.0, 1.0], [1.0, -(1 - slack) / 16]]
        means = [[0.0, 0.0], *([-x, -y] for x, y in v)]
        mixture = GaussianMixture([1 / 3] * 3, means, [[1.0, 0.0], [0.0, 0.25]])
        process = fp.reverse_process(mixture, 0, strength=2.0, sampler="sde")
        found.append(t1_sigma.KERNEL.on(Case("border", process)).status)
    assert found == ["proved", "refuted"]


def bare(decision, proof):
    return Evidence("planted", "proof", 0.0, {}, kind="bound", decision=decision, proof=proof)


def test_nothing_is_proved_without_a_proof_that_replays():
    (x,) = rg.variables("x")
    good = rg.proof_of("good", "", [rg.decide(rg.exp(x) - x + 1, {"x": (-2, 2)})])
    edited = copy.deepcopy(good)
    edited["parts"][0]["proof"]["boxes"][0][1] += 0.25
    raised = copy.deepcopy(good)
    raised["parts"][0]["proof"]["bound"] += 1
    for proof, verdict in ((good, "PROVED"), (None, "ERROR"), (edited, "ERROR"), (raised, "ERROR")):
        claim = dataclasses.replace(
            curvature.K1, gather=lambda item, context, proof=proof: [bare("proved", proof)]
        )
        assert run_case(claim, TWO, CONTEXT)["verdict"] == verdict
