"""Figures and commands in the plane: what a panel shows, what solve prints and draws."""

import json

import numpy as np
import pytest
from figure_records import plane_time as frames_by_hand
from PIL import Image

import fokker_planck as fp
from proofs_check.figures import plane, plane_time

MODEL = [
    *("--weights", "[.3,.3,.4]", "--means", "[[0,2],[-1.7,-1],[1.7,-1]]", "--target", "0"),
    *("--strength", "1", "--horizon", "2", "--tol", "1e-4"),
]


@pytest.fixture(scope="module")
def solution():
    mixture = fp.GaussianMixture([0.5, 0.5], [[1.0, 0.0], [-1.0, 0.0]])
    process = fp.reverse_process(mixture, 0, sampler="ode", horizon=2.0, initial="exact")
    return fp.solve(process, taus=[1.0, 2.0], tol=1e-5)


def test_a_panel_holds_the_density_its_levels_and_its_marks(solution):
    edges = plane.extent([solution])
    data = plane.panel(solution, -1, edges)
    x, y = plane.lines(edges, plane.N_POINTS)
    exact = np.exp(-0.5 * ((x - 1) ** 2 + y[:, None] ** 2)) / (2 * np.pi)
    assert np.allclose(data["pdf"], exact, rtol=2e-4)
    # of a normal law in the plane the share q lies above (1 - q) / (2 pi)
    assert np.allclose(data["levels"], (1 - np.array(plane.SHARES)) / (2 * np.pi), rtol=0.1)
    assert data["means"] == [[1.0, 0.0], [-1.0, 0.0]] and data["target"] == [0]
    assert edges[1] - edges[0] == pytest.approx(edges[3] - edges[2])
    assert edges[0] < -2.5 and edges[1] > 4
    json.dumps(data, allow_nan=False)


def test_panels_share_scale_and_edges():
    record = frames_by_hand()
    figure = plane.draw_single(record, 3)
    again = plane.draw_single(record, 4)
    scales = [f.axes[0].images[0].norm for f in (figure, again)]
    assert scales[0].vmin == scales[1].vmin and scales[0].vmax == scales[1].vmax
    boxes = [f.axes[0].get_position().bounds for f in (figure, again)]
    assert boxes[0] == boxes[1]
    assert figure.axes[0].get_aspect() == 1.0
    many = plane_time.draw(record)
    panels = [ax for ax in many.axes if ax.images]
    assert len(panels) == 10
    assert len({ax.images[0].norm.vmax for ax in panels}) == 1
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in panels}) == 1


def test_an_animation_has_a_frame_per_time_and_holds_the_last(tmp_path):
    path = plane_time.save_animation(frames_by_hand(), tmp_path / "a.gif", dpi=40)
    with Image.open(path) as image:
        assert image.format == "GIF" and image.info["loop"] == 0
        durations = []
        for i in range(image.n_frames):
            image.seek(i)
            durations.append(image.info["duration"])
    assert durations[-1] > 5 * durations[0]
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


def test_solve_in_the_plane_prints_vectors_and_matrices(cli):
    out = cli("solve", *MODEL, "--sampler", "ode", "--json")
    assert out.code == 0
    found = json.loads(out.out)
    assert np.shape(found["mean"]["value"]) == np.shape(found["mean"]["error"]) == (2,)
    assert (
        np.shape(found["covariance"]["value"]) == np.shape(found["covariance"]["error"]) == (2, 2)
    )
    assert found["entropy"]["error"] <= 1e-4 and found["method"] == "characteristics"
    text = cli("solve", *MODEL, "--sampler", "ode")
    assert text.code == 0 and "covariance" in text.out
    rows = [line for line in text.out.splitlines() if line.count("±") == 2]
    assert len(rows) == 2  # the covariance, one row per line


def test_solve_draws_the_plane(cli, tmp_path, monkeypatch):
    out = cli("solve", *MODEL, "--sampler", "ode", "--figure", tmp_path / "p.png", "--quiet")
    assert out.code == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(plane_time, "N_FRAMES", 3)
    monkeypatch.setattr(plane, "N_POINTS", 41)
    out = cli("solve", *MODEL, "--sampler", "ode", "--figure", tmp_path / "p.gif", "--quiet")
    assert out.code == 0
    with Image.open(tmp_path / "p.gif") as image:
        assert image.n_frames == 3


def test_bad_input_in_the_plane_is_one_line(cli, tmp_path):
    line = ["--weights", "[.5,.5]", "--means", "[-1,1]", "--target", "1"]
    space = ["--weights", "[1]", "--means", "[[0,0,0]]", "--target", "0"]
    for arguments, words in (
        ([*line, "--figure", tmp_path / "a.gif"], "figure must end in .pdf, .png, .svg, got"),
        ([*MODEL, "--figure", tmp_path / "a.jpg"], "figure must end in .pdf, .png, .svg, .gif"),
        (space, "means must have dimension 1 or 2, got 3"),
        ([*MODEL, "--sampler", "ode", "--method", "spectral"], "needs noise_level > 0"),
    ):
        outcome = cli("solve", *arguments)
        assert outcome.code == 2 and words in outcome.err, outcome.err
        assert outcome.err.count("\n") == 1
