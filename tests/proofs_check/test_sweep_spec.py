"""The TOML file of a sweep: what it may say, and the one line that anything else gets."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.sweep import parse_spec, read_spec
from proofs_check.sweep.axes import AXES, axis_values
from proofs_check.sweep.cells import cells

MODEL = {"weights": [0.25, 0.5, 0.25], "means": [-3.0, 0.0, 3.0], "target": 1}


def spec(chain=None, model=None, **axes):
    data = {"model": {**MODEL, **(model or {})}, "axes": axes}
    return parse_spec(data if chain is None else {**data, "chain": chain})


def test_the_last_axis_varies_fastest_and_fixed_fields_stay():
    found = cells(spec(model={"horizon": 4.0}, noise_level=[0, 1], strength=[0.0, 2.0, 5.0]))
    points = [tuple(cell.point.values()) for cell in found]
    assert points == [(0, 0), (0, 2), (0, 5), (1, 0), (1, 2), (1, 5)]
    assert all(cell.settings["model"]["horizon"] == 4.0 for cell in found)
    assert len({cell.key for cell in found}) == 6


def test_without_axes_there_is_one_cell():
    assert [cell.point for cell in cells(spec())] == [{}]


def test_a_file_is_read(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(
        'title = "T"\n[model]\nweights = [0.5, 0.5]\nmeans = [-1, 1]\ntarget = 1\n'
        "[axes]\nstrength = { from = 0, to = 4, count = 3 }\n"
        '[output]\nquantities = ["modes"]\ntol = 1e-5\nprominence = 0.1\n'
    )
    found = read_spec(path)
    assert found.title == "T" and found.axes == {"strength": (0.0, 2.0, 4.0)}
    assert found.quantities == ("modes",) and found.tol == 1e-5 and found.prominence == 0.1
    assert json.loads(json.dumps(found.to_dict()))["output"]["tol"] == 1e-5


@pytest.mark.parametrize(
    ("text", "needles"),
    [
        ("[model", ("file", "a.toml")),
        ("x = 1", ("x", "1")),
        ("", ("model",)),
        ("model = 3", ("model", "3")),
        ("title = 3\n[model]", ("title", "3")),
        ("[model]\nweigths = [1]", ("model.weigths", "[1]", "weights")),
        ("[model]\nmethod = 'x'", ("model.method", "'x'")),
        ("[model]\nschedule = 1979-05-27", ("model.schedule", "1979")),
        ("[model]\n[axes]\nstrenght = [1]", ("axes.strenght", "strength")),
        ("[model]\n[axes]\nstrength = 3", ("axes.strength", "3")),
        ("[model]\n[axes]\nstrength = []", ("axes.strength", "[]")),
        ("[model]\n[axes]\nstrength = [1, 1]", ("axes.strength", "[1, 1]")),
        ("[model]\n[axes]\nstrength = [true]", ("axes.strength", "True")),
        ("[model]\n[axes]\nstrength = [nan]", ("axes.strength", "nan")),
        ("[model]\n[axes]\nstrength = ['a']", ("axes.strength", "'a'")),
        ("[model]\n[axes]\nsteps = [1.5]", ("axes.steps", "1.5")),
        ("[model]\n[axes]\nsteps = [0]", ("axes.steps", "0")),
        ("[model]\n[axes]\nstrength = {from=0, to=1}", ("axes.strength.count",)),
        ("[model]\n[axes]\nstrength = {from=0, to=1, count=0}", ("axes.strength.count", "0")),
        ("[model]\n[axes]\nstrength = {from=0, to=1, count=1}", ("axes.strength.count", "1")),
        ("[model]\n[axes]\nstrength = {from=1, to=1, count=2}", ("axes.strength.to", "1")),
        ("[model]\n[axes]\nstrength = {from=0, to=1, n=2}", ("axes.strength", "'n'")),
        (
            "[model]\n[axes]\nstrength = {from=0, to=1, count=3, spacing='log'}",
            ("axes.strength.from", "0"),
        ),
        (
            "[model]\n[axes]\nstrength = {from=1, to=2, count=3, spacing='cubic'}",
            ("axes.strength.spacing", "'cubic'"),
        ),
        ("[model]\n[axes]\nstrength = [1]\nscale = [2]", ("axes.strength", "axes.scale")),
        ("[model]\nstrength = 1\n[axes]\nscale = [2]", ("strength", "axes.scale")),
        ("[model]\nsampler = 'ode'\n[axes]\nnoise_level = [1]", ("sampler", "axes.noise_level")),
        ("[model]\n[chain]\nsteps = 3\n[axes]\nstep = [1]", ("steps", "axes.step")),
        ("[model]\n[chain]\nrule = 'magic'", ("chain.rule", "'magic'")),
        ("[model]\n[chain]\nrule = 'euler'", ("chain.steps",)),
        ("[model]\n[axes]\nstep_strength = [1]", ("chain.steps",)),
        ("[model]\n[chain]\nsteps = 0", ("chain.steps", "0")),
        ("[model]\n[chain]\nstep = -1.0", ("chain.step", "-1")),
        ("[model]\n[chain]\ngrid = 'signal'\nstep = 0.1", ("grid", "'signal'")),
        ("[model]\n[chain]\ngrid = 'magic'\nsteps = 5", ("chain.grid", "'magic'")),
        ("[model]\n[chain]\nsteps = 5\ntogether = 0", ("chain.together", "0")),
        (
            "[model]\n[chain]\nsteps = 5\ntogether = 4\n[output]\nquantities = ['modes']",
            ("chain.together", "4", "modes"),
        ),
        ("[model]\n[output]\nquantities = ['mood']", ("output.quantities", "'mood'")),
        ("[model]\n[output]\nquantities = []", ("output.quantities", "[]")),
        ("[model]\n[output]\nquantities = ['mean', 'mean']", ("output.quantities", "'mean'")),
        ("[model]\n[output]\ntol = 0", ("output.tol", "0")),
        ("[model]\n[output]\nprominence = 2", ("output.prominence", "2")),
        ("[model]\n[output]\nerror = 2", ("output.error", "2")),
        (
            "[model]\n[axes]\nstrength = {from=0, to=1, count=2000}\n"
            "horizon = {from=1, to=2, count=2000}",
            ("axes", "4000000"),
        ),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_field_and_value(tmp_path, text, needles):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        read_spec(path)
    for needle in needles:
        assert needle in str(caught.value)
    assert len(str(caught.value)) < 250 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "axes", "needles"),
    [
        ({"weights": [0.5, 0.6, 0.1]}, {}, ("weights", "0.6")),
        ({"target": 3}, {}, ("target", "3")),
        ({"target": None}, {}, ("target",)),
        ({"means": "many"}, {}, ("means", "'many'")),
        ({"weights": [True, False, False]}, {}, ("weights", "True")),
        ({}, {"strength": [1.0, -1.0, 2.0]}, ("strength", "-1")),
        ({}, {"noise_level": [0.0, -0.5]}, ("noise_level", "-0.5")),
        ({}, {"scale": [1.0, 0.5]}, ("scale", "0.5")),
        ({}, {"weight": [0.5, 1.5]}, ("weight", "1.5")),
        ({"labels": [0, 1, 0]}, {"weight": [0.5]}, ("labels", "weight")),
        ({}, {"separation": [-1.0]}, ("separation", "-1")),
        ({"means": [1.0, 1.0, 1.0]}, {"separation": [1.0]}, ("means", "[1.0, 1.0, 1.0]")),
        ({}, {"horizon": [0.0]}, ("horizon", "0")),
        ({}, {"step": [0.1, 0.0]}, ("step", "0")),
        ({}, {"step": [0.1, 7.0]}, ("step", "7")),
        ({}, {"step": [0.1], "step_strength": [-2.0]}, ("step_strength", "-2")),
    ],
)
def test_a_model_that_cannot_be_stated_is_refused_before_any_work(model, axes, needles):
    with pytest.raises(ValueError) as caught:
        cells(spec(model=model, **axes))
    for needle in needles:
        assert needle in str(caught.value)


@pytest.mark.parametrize("name", ["none.toml", "folder", "latin.toml"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.toml").write_bytes(b"title = '\xe9'")
    with pytest.raises(ValueError, match=rf"file must be .*{name}"):
        read_spec(tmp_path / name)


# --- axes ----------------------------------------------------------------------------------------

NUMBERS = st.floats(1e-6, 1e6)


@given(NUMBERS, NUMBERS, st.integers(2, 50), st.sampled_from(["linear", "log"]))
def test_a_range_reaches_both_ends_and_goes_one_way(first, last, count, spacing):
    if abs(first - last) <= 1e-9 * first:
        return
    stated = {"from": first, "to": last, "count": count, "spacing": spacing}
    values = np.array(axis_values("strength", stated))
    assert values.size == count and values[0] == first and values[-1] == last
    assert np.all(np.diff(values) * (last - first) > 0)
    gaps = np.diff(np.log(values) if spacing == "log" else values)
    assert np.allclose(gaps, gaps[0], rtol=1e-6)


def test_a_range_of_steps_is_whole_and_has_each_number_once():
    stated = {"from": 1, "to": 8, "count": 20, "spacing": "log"}
    assert axis_values("steps", stated) == (1, 2, 3, 4, 5, 6, 7, 8)


@given(st.floats(0.01, 5.0), st.floats(0.0, 20.0))
def test_a_length_of_step_takes_the_nearest_whole_number_of_steps(step, product):
    (cell,) = cells(spec(model={"horizon": 5.0}, step=[step], step_strength=[product]))
    chain = cell.settings["chain"]
    assert chain["steps"] == max(1, round(5.0 / step)) and chain["step"] == 5.0 / chain["steps"]
    assert math.isclose(cell.settings["model"]["strength"] * chain["step"], product, abs_tol=1e-300)
    assert set(cell.derived()) == {"steps", "strength"}


def test_early_stopping_shortens_the_time_that_steps_divide():
    found = cells(spec(model={"stop": 1.0}, horizon=[3.0, 5.0], step=[0.5]))
    assert [cell.settings["chain"]["steps"] for cell in found] == [4, 8]


@given(st.floats(0.01, 0.99), st.floats(0.1, 8.0))
def test_axes_of_the_mixture_change_it_as_they_say(weight, separation):
    (cell,) = cells(spec(weight=[weight], separation=[separation]))
    model = cell.settings["model"]
    assert model["weights"][1] == weight and math.isclose(sum(model["weights"]), 1.0)
    assert model["weights"][0] == model["weights"][2]
    assert math.isclose(model["means"][2] - model["means"][0], separation)
    (cell,) = cells(spec(mean_scale=[separation]))
    assert np.allclose(cell.settings["model"]["means"], separation * np.array(MODEL["means"]))


def test_separation_is_the_largest_distance_in_the_plane_too():
    plane = {"weights": [0.5, 0.5], "means": [[0.0, 0.0], [3.0, 4.0]]}
    (cell,) = cells(spec(model=plane, separation=[10.0]))
    assert np.allclose(cell.settings["model"]["means"], [[0, 0], [6, 8]])


def test_every_axis_is_explained_in_the_help(cli):
    text = cli("sweep", "--help").out
    for name in AXES:
        assert name in text
