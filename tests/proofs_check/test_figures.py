"""Figures are drawn from stored records alone, the same bytes each time, in every format."""

import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from figure_records import BY_HAND
from matplotlib.text import Text
from run_records import claim_record, write_run

from proofs_check.figures import TITLES, catalogue, histogram, save_figure, verdicts
from proofs_check.figures.style import SUFFIXES


@pytest.fixture
def stored(tmp_path):
    """A folder with a record of every figure."""
    (tmp_path / "figures" / "data").mkdir(parents=True)
    for name, record in BY_HAND.items():
        catalogue.data_path(name, tmp_path).write_text(json.dumps(record()), encoding="utf-8")
    return tmp_path


def test_every_figure_has_a_record_by_hand():
    assert list(BY_HAND) == list(TITLES)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_figure_is_drawn_from_its_stored_record_in_three_formats(stored, name):
    files = catalogue.draw_record(name, stored)
    assert [path.suffix for path in files] == list(SUFFIXES)
    heads = [path.read_bytes()[:8] for path in files]
    assert heads[0].startswith(b"%PDF") and heads[1].startswith(b"<?xml")
    assert heads[2] == b"\x89PNG\r\n\x1a\n"
    module = import_module(f"proofs_check.figures.{name}")
    again = save_figure(module.draw(BY_HAND[name]()), stored / "again.svg")
    assert again.read_bytes() == files[1].read_bytes()
    assert [p.name for p in (stored / "figures").iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("name", BY_HAND)
def test_no_two_labels_of_a_figure_overlap(name):
    figure = import_module(f"proofs_check.figures.{name}").draw(BY_HAND[name]())
    renderer = figure.canvas.get_renderer()
    hidden = {
        label for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for label in unseen(axis)
    }
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t not in hidden]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_visible()]
    clashes = [
        (a, b)
        for i, (a, box) in enumerate(boxes)
        for b, other in boxes[i + 1 :]
        if _area(box, other) > 0.1 * _least(box, other)
    ]
    assert clashes == []


def unseen(axis):
    """Labels of ticks outside the view or switched off: they are not drawn."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [
        label
        for tick in ticks
        for label, on in (
            (tick.label1, tick.label1.get_visible()),
            (tick.label2, tick.label2.get_visible()),
        )
        if not (on and low <= tick.get_loc() <= high)
    ]


def _least(a, b):
    return min(a.width * a.height, b.width * b.height)


def _area(a, b):
    wide = min(a.x1, b.x1) - max(a.x0, b.x0)
    high = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(wide, 0) * max(high, 0)


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    import matplotlib

    before = matplotlib.rcParams["font.size"]
    with matplotlib.rc_context({"font.size": 31.0}):
        histogram.draw(BY_HAND["histogram"]())
        assert matplotlib.rcParams["font.size"] == 31.0
    assert matplotlib.rcParams["font.size"] == before


def test_residuals_are_standard_normal_when_the_density_is_right():
    panel = BY_HAND["histogram"]()["panels"][0]
    r = histogram.residuals(panel, 10_000)
    assert r.size == 20 and abs(r.mean()) < 1 and 0.5 < r.std() < 1.6
    wrong = {**panel, "counts": (np.array(panel["counts"]) * 2).tolist()}
    assert np.abs(histogram.residuals(wrong, 10_000)).max() > histogram.family_band(20)


def test_the_overview_of_verdicts_reads_the_stored_claims(tmp_path):
    write_run(tmp_path, [claim_record("E1", "SUPPORTED"), claim_record("X5", "REFUTED", "REFUTED")])
    record = verdicts.compute(0, "quick", tmp_path)
    first, second = record["claims"]
    assert first["cases"][0]["margin"] == pytest.approx(3e8)
    assert first["cases"][0]["difference"] == pytest.approx(1e-3)
    assert second["cases"][0]["margin"] == pytest.approx(-3e8)
    assert second["cases"][1]["margin"] is None
    assert "2 vacuous" in record["caption"]


def test_figures_draws_stored_records_and_lists_names(cli, stored):
    for name in TITLES:
        if name != "verdicts":
            catalogue.data_path(name, stored).unlink()
    out = cli("figures", "--stored", "--out", stored)
    assert out.code == 0
    assert out.out == f"figure: {catalogue.figure_path('verdicts', stored, '.png')}\n"
    listing = cli("figures", "--list")
    assert listing.code == 0
    assert re.findall(r"^(\w+)", listing.out, re.MULTILINE) == list(TITLES)


def test_what_is_stored_and_cannot_be_drawn_is_named(cli, tmp_path):
    outcome = cli("figures", "--stored", "--out", "empty")
    assert outcome.code == 2 and "nothing is stored" in outcome.err
    assert not (tmp_path / "empty").exists()
    path = catalogue.data_path("fan", tmp_path)
    path.parent.mkdir(parents=True)
    for text in ("{}", "[1", "[]"):
        path.write_text(text, encoding="utf-8")
        outcome = cli("figures", "fan", "--stored", "--out", tmp_path)
        assert outcome.code == 2 and str(path) in outcome.err
        assert outcome.err.count("\n") == 1
    (tmp_path / "index.json").write_text("{}", encoding="utf-8")
    outcome = cli("figures", "verdicts", "--out", tmp_path)
    assert outcome.code == 2 and "index.json" in outcome.err


def test_a_figure_of_the_same_run_is_not_computed_again(tmp_path, monkeypatch):
    from proofs_check.cli.figures import make_figure

    calls = []

    def compute(seed, level, process):
        calls.append(seed)
        return BY_HAND["fan"]()

    monkeypatch.setattr("proofs_check.figures.fan.compute", compute)
    first = make_figure("fan", tmp_path, 0, "quick", False, None, True)
    assert make_figure("fan", tmp_path, 0, "quick", False, None, True) == first
    first.unlink()
    make_figure("fan", tmp_path, 0, "quick", False, None, True)  # drawn again, from the record
    assert first.is_file() and calls == [0]
    make_figure("fan", tmp_path, 1, "quick", False, None, True)
    make_figure("fan", tmp_path, 1, "quick", False, None, False)
    assert calls == [0, 1, 1]


def test_a_missing_record_or_an_unknown_name_is_bad_input(cli, tmp_path):
    for arguments in (
        ["figures", "fan", "--stored", "--out", str(tmp_path)],
        ["figures", "nonsense", "--out", str(tmp_path)],
        ["figures", "fan"],
        ["figures", "--quick", "--full", "--out", str(tmp_path)],
        ["figures", "verdicts", "--out", str(tmp_path)],
    ):
        outcome = cli(*arguments)
        assert outcome.code == 2, arguments
        assert outcome.err.count("\n") == 1 and "proofs-check: error: " in outcome.err
    assert not any(Path(tmp_path).rglob("*.png"))
