"""What the figures of proofs, crossings and hypotheses record, against what it is drawn from."""

import numpy as np
import pytest

import fokker_planck as fp
import sde_compare as sc
from proofs_check.figures import (
    BY_NAME,
    TITLES,
    box_panels,
    catalogue,
    crossings,
    hypothesis_map,
)
from proofs_check.figures import proof_boxes as boxes
from sde_compare import losing
from sde_compare.steering import change_of_odds, steered


@pytest.mark.parametrize("module", [boxes, crossings, hypothesis_map])
def test_a_figure_of_fixed_cases_refuses_a_model(module):
    process = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1)
    with pytest.raises(ValueError, match="process must be None"):
        module.compute(0, "quick", process)


def test_verify_leaves_out_the_figures_that_go_by_name(tmp_path):
    assert set(BY_NAME) < set(TITLES)
    assert not set(BY_NAME) & set(catalogue.selection(None, tmp_path))
    assert catalogue.selection([BY_NAME[0]], tmp_path) == [BY_NAME[0]]


def test_the_list_says_which_figures_go_by_name(cli):
    marked = [
        line.split()[0] for line in cli("figures", "--list").out.splitlines() if "by name" in line
    ]
    assert marked == list(BY_NAME)


# -- boxes -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def proof():
    return boxes.compute(0, "quick")


def areas(panel):
    return np.prod(np.array(panel["high"]) - np.array(panel["low"]), axis=0)


def test_the_boxes_of_the_proof_tile_the_region_and_depth_is_their_size(proof):
    panel = proof["panels"][0]
    whole = np.prod([high - low for low, high in panel["root"]])
    assert areas(panel).sum() == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(areas(panel), whole * 0.5 ** np.array(panel["depth"]), rtol=1e-12)
    assert 200 < len(panel["depth"]) < 1000
    assert (
        max(panel["depth"]) <= panel["deepest"] and 2 * len(panel["depth"]) - 1 == panel["examined"]
    )
    assert f"{len(panel['depth'])} boxes tile the region" in proof["caption"]


def test_boxes_are_smaller_where_the_margin_is(proof):
    panel = proof["panels"][0]
    kernel = boxes.t1_sigma.decided(boxes.border_process("quick"))[1].function
    middle = 0.5 * (np.array(panel["low"]) + np.array(panel["high"]))
    margin, depth = kernel(s=middle[0], q=middle[1]), np.array(panel["depth"])
    assert 0 < panel["bound"] <= margin.min() and panel["bound"] <= panel["grid_least"]
    near = margin < box_panels.level_of(panel)
    assert depth[near].min() > depth[~near].min() and np.median(depth[near]) > np.median(depth)


def test_the_dip_is_refuted_inside_its_outline_and_unseen_by_the_grid(proof):
    panel = proof["panels"][1]
    assert panel["status"] == "refuted" and panel["value"] < 0 < panel["grid_least"]
    point = np.array([panel["witness"]["s"], panel["witness"]["q"]])
    low, high = np.array(panel["box"]).T
    assert (low <= point).all() and (point <= high).all()
    curve = np.array(panel["zero"])
    assert (curve.min(axis=1) < point).all() and (point < curve.max(axis=1)).all()
    assert np.ptp(curve, axis=1).max() < 1e-3
    inside = (np.array(panel["low"]) < point[:, None]) & (point[:, None] < np.array(panel["high"]))
    assert not inside.all(axis=0).any()  # no proved box holds the witness
    assert f"cut {boxes.box_depth(panel)} times" in proof["caption"]


def test_depths_count_cuts_along_both_axes():
    low, high = np.array([[0.0, 0.5], [0.0, 2.0]]), np.array([[0.5, 0.75], [4.0, 3.0]])
    assert boxes.depths(low, high, [[0, 1], [0, 4]]).tolist() == [1, 4]


def test_an_undecided_condition_is_not_drawn():
    kernel = boxes.t1_sigma.decided(boxes.border_process("quick"))[1]
    expression = boxes.expression_of(kernel.function.spec())
    found = boxes.rg.decide(expression, kernel.region, max_boxes=3)
    assert found.status == "undecided"
    with pytest.raises(ArithmeticError, match="not decided by boxes"):
        boxes.panel(found)


# -- crossings ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def crossed():
    return [
        crossings.panel(crossings.centre_process(), 12, 4, 0.1, 30, 0),
        crossings.panel(crossings.separated_process(), 5, 4, 0.0, 30, 0),
    ]


def test_first_crossings_are_where_the_drawn_gain_first_falls(crossed):
    for panel in crossed:
        for run in panel["runs"]:
            gain, first = np.array(run["gain"]), np.array(run["first"])
            below = gain[:, 1:] < -panel["loss"]
            expected = np.where(below.any(axis=1), 1 + below.argmax(axis=1), -1)
            np.testing.assert_array_equal(first, expected)
            assert run["n_crossing"] == np.sum(first > 0)
            assert gain.shape == (30, run["n_steps"] + 1) and np.all(gain[:, 0] == 0)
        assert sum(panel["counts"].values()) == 30


def test_a_centre_target_loses_and_a_case_of_t1_only_seems_to(crossed):
    centre, separated = crossed
    assert centre["counts"]["real"] > 0
    assert separated["counts"]["real"] == 0 and separated["counts"]["artefact"] > 0
    assert separated["runs"][0]["n_crossing"] > 0 == separated["runs"][1]["n_crossing"]


def test_the_two_runs_of_a_row_share_their_brownian_paths():
    process = crossings.separated_process()
    gain = crossings.gain_above(process, 0.0)
    paths = sc.couple(
        process, process.with_strength(0.0), 5, 100, refine=2, observables={"gain": gain}
    )
    coarse, fine = (crossings.curves(run, gain, 0.0) for run in (paths, paths.refined))
    assert np.abs(coarse - fine[:, ::2]).max() < 0.2 * np.abs(fine).max()


# -- hypotheses --------------------------------------------------------------------------------
def test_the_map_says_what_its_cells_say(monkeypatch):
    monkeypatch.setattr(hypothesis_map, "SIZE", {"quick": 2})
    monkeypatch.setattr(hypothesis_map, "EDGES", (-3.0, 5.0, -2.0, 1.0))
    record = hypothesis_map.compute(0, "quick")
    first, second = record["panels"]
    for panel in record["panels"]:
        v = np.array([0.5, 0.25])
        sigma = np.array(panel["variances"])
        for found in panel["cells"]:
            third = -np.array(found["mean"])
            ends = [
                (v * third * (1 + (sigma - 1) * np.exp(-2 * s)) ** -2).sum() for s in (0.0, 5.0)
            ]
            assert (found["hypothesis"] == "proved") == (min(ends) >= 0)
            if found["hypothesis"] == "proved":
                assert found["loss"] is None and found["change"] is None
            else:
                assert found["loss"]["value"] + found["loss"]["error"] < 0
                assert found["change"]["error"] < 1e-2
    assert [hypothesis_map.state(c) for c in first["cells"]] == [
        "applies",
        "rises",
        "applies",
        "falls",
    ]
    assert hypothesis_map.state(second["cells"][2]) == "rises"  # the Gram condition is not enough
    assert "proved on 2 of 4 cells, refuted on 2" in record["caption"]
    assert hypothesis_map.draw(record).axes


def test_what_is_not_known_of_a_cell_is_shown_as_such():
    def state(hypothesis, value=0.0, error=1.0):
        return hypothesis_map.state(
            {"hypothesis": hypothesis, "change": {"value": value, "error": error}}
        )

    assert state("undecided") == "open"
    assert state("refuted", 0.1, 0.2) == state("refuted", 0.1, None) == "undecided"
    assert (state("refuted", 0.3, 0.2), state("refuted", -0.3, 0.2)) == ("rises", "falls")


@pytest.mark.parametrize(("name", "mean"), [("T1", (2.0, -3.0)), ("T1-Sigma", (-3.0, 0.5))])
def test_a_losing_path_loses_by_another_method(name, mean):
    process = hypothesis_map.moved(name, mean)
    found = losing.losing_path(process)
    again = steered(process, process.with_strength(0.0), found.taus, found.curve, "Radau")
    value, error = change_of_odds(process, again)
    assert value + error < 0 and abs(value - found.loss) < error + found.error


def test_no_losing_path_where_the_theorem_holds():
    assert losing.losing_path(hypothesis_map.moved("T1-Sigma", (-2.0, -3.0))) is None
