"""The benchmarks run: contenders hit the references, ratios and figure are what they say."""

import importlib
import json
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch):
    """Import a module of the folder benchmarks/, which is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", ["A1", "B1", "C", "D"])
def test_the_drift_of_the_peers_is_the_project_s(bench, name):
    assert bench("cases").CASES[name].check() < 1e-13


def test_our_row_of_b1(bench):
    case = bench("cases").CASES["B1"]
    prepare = partial(bench("runs").prepare_ours, case, 1e-6)
    row = bench("measure").measure(case, "guidance-verifier", "tol 1e-06", prepare)
    assert row.note == ""
    assert row.true_error <= row.claimed_error < 1e-6


def test_characteristics_and_lines(bench):
    cases = bench("cases")
    run = bench("scipy_characteristics").prepare(cases.CASES["B1"], 12, 1e-4)
    assert cases.CASES["B1"].true_error(*run()) < 1e-5
    run = bench("scipy_characteristics").prepare(cases.CASES["D"], 12, 1e-4)
    assert cases.CASES["D"].true_error(*run()) < 1e-5
    lines = bench("scipy_lines")
    for method in ("LSODA", "Radau", "DOP853"):  # one Jacobian each: banded, sparse, none
        run = lines.prepare(cases.CASES["A1"], 0.25, method, 1e-5)
        assert cases.CASES["A1"].true_error(*run()) < 2e-6
    run = lines.prepare(cases.CASES["D"], 0.25, "DOP853", 1e-4)
    assert cases.CASES["D"].true_error(*run()) < 1e-3


def test_volumes_of_fipy(bench):
    pytest.importorskip("fipy")
    case = bench("cases").CASES["A1"]
    assert case.true_error(*bench("fipy_volumes").prepare(case, 0.2, 30)()) < 1e-2


def test_a_failing_run_is_a_row_with_a_note(bench):
    case = bench("cases").CASES["B1"]

    def prepare():
        raise RuntimeError("no such thing")

    row = bench("measure").measure(case, "x", "y", prepare)
    assert row.note == "RuntimeError: no such thing"
    assert row.true_error == float("inf")


def row(bench, package, seconds, error, settings="s", before=0.0):
    make = bench("measure").Row
    return make("A1", package, settings, seconds, before, 1, 1.09, 0.95, error)


def test_ratios_are_taken_at_equal_error_and_in_the_peer_s_favour(bench):
    rows = [
        row(bench, "guidance-verifier", 0.01, 1e-6),
        row(bench, "guidance-verifier", 0.02, 1e-9),
        row(bench, "FiPy", 1.0, 1e-4),
        row(bench, "FiPy", 3.0, 5e-6),
        row(bench, "py-pde", 0.5, 2e-6, before=2.0),
        row(bench, "scipy lines", 0.01, 1e-8, "DOP853, a"),
        row(bench, "scipy lines", 0.04, 1e-10, "DOP853, b"),
    ]
    comparison = bench("comparison")
    packages, lines = comparison.ratios(rows)
    # FiPy is beaten by py-pde at a smaller error, so it is not the fastest package anywhere
    assert packages.peer.startswith("py-pde")
    assert packages.value == pytest.approx(50) and packages.met is False
    assert packages.with_preparation == pytest.approx(250)
    # halfway between two runs on both logarithmic axes
    assert lines.peer_seconds == pytest.approx(0.02)
    assert lines.value == pytest.approx(1) and lines.met is False
    assert comparison.time_at([row(bench, "FiPy", 1.0, 1e-4)], 1e-9) is None


def test_record_table_and_figure(bench, tmp_path, monkeypatch):
    main = bench("__main__").main
    for name in bench("__main__").THREADS:  # main sets them; monkeypatch gives them back
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(bench("measure"), "REPEAT_SECONDS", 0.0)
    few = ["--cases", "B1", "--packages", "scipy characteristics", "--quick"]
    with monkeypatch.context() as patch:
        patch.setattr(bench("figure"), "write", lambda rows, folder: None)
        assert main([*few, "--no-sampling", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "benchmarks.json").read_text())
    assert len(record["rows"]) == 3
    table = (tmp_path / "benchmarks.md").read_text()
    assert "DOP853, 40 nodes per axis" in table
    assert main(["--redraw", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "benchmarks.md").read_text() == table
    assert (tmp_path / "work_precision.svg").exists()
    assert (tmp_path / "work_precision.png").exists()
