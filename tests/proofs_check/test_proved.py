"""PROVED on users' own models: with a proof that replays, and only where the proof covers them."""

import json

import numpy as np
import pytest

import fokker_planck as fp
import proofs_check as pc
from fokker_planck import GaussianMixture
from proofs_check.casework import run_case
from proofs_check.claims import curvature, t1, t1_discrete, t1_sigma
from proofs_check.claims.hypotheses import monotone_kind, movers
from proofs_check.registry import Case, Context
from proofs_check.store import content_key
from sde_compare import regions as rg

CONTEXT = Context(share=1e-3 / 50)


def own(weights, means, covariances=None, target=0, **more):
    mixture = GaussianMixture(weights, means, covariances)
    return fp.reverse_process(mixture, target, **{"strength": 2.0, "sampler": "sde", **more})


def verdict(claim, process, **options):
    record = run_case(claim, Case("own", process, options), CONTEXT)
    return record["verdict"], record["reason"]


# -- X6 speaks of two Euler steps of two unit classes on the line --------------------------------
def test_small_means_do_not_save_long_steps():
    """The noise that breaks T1 is far out: the proof region must not end before it."""
    process = own([0.5, 0.5], [-0.05, 0.05], target=1, horizon=2.04)
    assert verdict(t1_discrete.X6, process)[0] == "REFUTED"


@pytest.mark.parametrize(
    ("process", "why"),
    [
        (own([0.5, 0.5], [-1, 1], 4.0, horizon=2.5), "unit covariance"),
        (own([0.5, 0.5], [-1, 1], horizon=2.0), "A = 0"),
        (own([0.5, 0.5], [-1, 1], sampler="ode", horizon=2.5), "SDE sampler"),
        (own([0.5, 0.5], [[-1, 3], [1, -3]], horizon=2.5), "on the line"),
        (own([0.3, 0.3, 0.4], [-1, 1, 2], horizon=2.5), "two components"),
        (own([1.0], [0.0], horizon=2.5), "two components"),
    ],
)
def test_other_models_are_not_its_business(process, why):
    found, reason = verdict(t1_discrete.X6, process)
    assert found == "VACUOUS" and why in reason


def test_a_component_without_weight_is_none():
    process = own([0.5, 0.5, 0.0], [-1, 1, 7], horizon=2.5)
    assert verdict(t1_discrete.X6, process)[0] == "REFUTED"


# -- K1 and K2 -----------------------------------------------------------------------------------
def test_concavity_does_not_ask_for_a_constant_strength_and_contraction_does():
    process = own([0.5, 0.5], [-1, 1], strength=None, guidance=fp.IntervalStrength(2.0, 0.1, 1.0))
    assert verdict(curvature.K1, process)[0] == "PROVED"
    assert verdict(curvature.K2, process)[0] == "VACUOUS"


def test_three_dimensions_are_proved_too():
    process = own([0.3, 0.7], np.eye(3)[:2])
    assert verdict(curvature.K1, process)[0] == "PROVED"
    assert verdict(curvature.K2, process)[0] == "PROVED"


def test_point_masses_are_outside_the_proof_of_contraction():
    atoms = fp.atoms([-1.0, 1.0], [0.5, 0.5])
    process = fp.reverse_process(atoms, 1, strength=2.0, sampler="sde", stop=0.01)
    found, reason = verdict(curvature.K2, process)
    assert found == "VACUOUS" and "point masses" in reason
    assert verdict(curvature.K1, process)[0] == "PROVED"


# -- T1-Sigma and T1-mono: what counts is the distinct means -------------------------------------
def test_rivals_with_the_targets_mean_neither_help_nor_harm():
    process = own([0.5, 0.25, 0.25], [0.0, 0.0, 1.0], sampler="ode")
    assert len(movers(process)) == 1
    for claim in (t1.T1, t1.T1_MONO, t1_sigma.CLAIM):
        assert verdict(claim, process)[0] == "SUPPORTED"


@pytest.mark.parametrize(
    ("means", "kind"),
    [
        ([0, 0, 1, 2], "line"),
        ([0, 1, 1], "two"),
        ([0, -1, 1], ""),
        ([[0, 0], [1, 2], [2, 4]], "line"),
        ([[0, 0], [1, 2], [-2, -4]], ""),
        ([[0, 0], [1, 2], [-2, 1]], "orthogonal"),
        ([[0, 0], [1, 2], [2, 1]], ""),
    ],
)
def test_the_cases_of_monotonicity_are_told_apart_exactly(means, kind):
    weights = np.full(len(means), 1 / len(means))
    assert monotone_kind(own(weights, means)) == kind


def test_what_comparison_asks_of_means_on_a_line_in_the_plane_is_proved():
    process = own([0.3, 0.3, 0.4], [[0, 0], [1, 2], [2, 4]])
    assert t1.comparison_proof(process).decision == "proved"


def test_two_classes_need_no_axes():
    turned = np.array([[1.0, 0.3, 0.1], [0.3, 0.8, -0.2], [0.1, -0.2, 0.6]])
    process = own([0.5, 0.5], [[0, 0, 0], [1, 1, -1]], turned, sampler="ode")
    found = t1_sigma.KERNEL.on(Case("own", process))
    assert found.status == "proved"
    one = own([1.0], [[0, 0, 0]], turned)
    assert t1_sigma.KERNEL.on(Case("own", one)).status == "proved"
    three = own([0.3, 0.3, 0.4], [[0, 0, 0], [1, 1, -1], [2, 0, 0]], turned)
    assert t1_sigma.KERNEL.on(Case("own", three)).status == "undecided"


# -- chains --------------------------------------------------------------------------------------
def test_a_chain_of_ones_own():
    process = own([0.5, 0.5], [-1, 1])
    good = pc.verify(["T1-discrete"], process, n_steps=50, rule="ddpm")
    assert good["T1-discrete"]["verdict"] == "SUPPORTED"
    long = pc.verify(["T1-discrete"], process, n_steps=4)
    assert long["T1-discrete"]["verdict"] == "VACUOUS"
    for fields in ({"n_steps": 0}, {"n_steps": 5, "rule": "ddim"}):
        with pytest.raises(ValueError, match=r"n_steps|ddim"):
            pc.verify(["T1-discrete"], process, **fields)
    with pytest.raises(ValueError, match="n_steps must be given with a model"):
        pc.verify(["T1-discrete"], n_steps=5)


# -- files ---------------------------------------------------------------------------------------
def test_proofs_are_files_that_replay_and_go_with_the_run_that_wrote_them(tmp_path):
    kept = tmp_path / "proofs" / "mine.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    (tmp_path / "proofs" / "K2-two-sde-eta3.json").mkdir()  # in the way
    pc.verify(["K1", "K2"], out=tmp_path, jobs=1)
    record = json.loads((tmp_path / "claims" / "K2.json").read_text())
    names = [name for case in record["cases"] for name in case["proof_files"]]
    assert len(names) == len(record["cases"])
    for name in names:
        assert rg.replay_file(tmp_path / name).accepted
    assert all(case["proofs"] == [] for case in record["cases"])
    pc.verify(["K2"], out=tmp_path, jobs=1)
    left = {path.name for path in (tmp_path / "proofs").glob("*.json") if path.is_file()}
    assert "mine.json" in left and not any(name.startswith("K1") for name in left)


def test_without_a_folder_the_proofs_are_in_the_record():
    (case, *_) = pc.verify(["K2"], jobs=1)["K2"]["cases"]
    assert case["proof_files"] == []
    assert all(rg.replay(proof).accepted for proof in case["proofs"])


def test_a_kept_case_without_its_proof_is_done_again(tmp_path):
    pc.verify(["K2"], out=tmp_path, jobs=1)
    for path in (tmp_path / "cells").glob("*.json"):
        cell = json.loads(path.read_text())
        cell["record"]["proofs"] = []
        cell["check"] = content_key(cell["record"])
        path.write_text(json.dumps(cell))
    report = pc.verify(["K2"], out=tmp_path, jobs=1)
    assert report["K2"]["verdict"] == "PROVED"
    assert all(case["proof_files"] for case in report["K2"]["cases"])
    assert any("no proof that replays" in note for note in report["K2"]["notes"])


def test_an_object_with_one_key_twice_is_no_proof(tmp_path):
    (x,) = rg.variables("x")
    path = rg.write(tmp_path / "p.json", rg.proof_of("p", "", [rg.decide(x + 1, {"x": (0, 1)})]))
    text = path.read_text().replace('"region":', '"region":[["x","-100","100"]],"region":', 1)
    path.write_text(text)
    with pytest.raises(ValueError, match="cannot read a proof"):
        rg.read(path)
