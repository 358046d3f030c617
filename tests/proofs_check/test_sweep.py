"""Sweeps: the same table however they were run, cells kept by content, honest about failures."""

import contextlib
import csv
import io
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from run_records import strict_json
from small_sweeps import SPEC, TOML, files, run_sweep, spec

import proofs_check.sweep.measure as measuring
from proofs_check.store import plain
from proofs_check.sweep import parse_spec, read_spec, runner
from proofs_check.sweep.cells import cells

ROOT = Path(__file__).resolve().parents[2]


# --- what comes out ------------------------------------------------------------------------------


def test_a_sweep_from_the_command_line_is_the_same_for_any_number_of_workers(cli, tmp_path):
    (tmp_path / "a.toml").write_text(TOML)
    first = cli("sweep", "a.toml", "--jobs", "1")
    assert first.code == 0 and first.err == ""
    assert first.out.startswith("6 cells, 6 computed (")
    assert first.out.endswith("table: a-sweep/table.csv\n")
    second = cli("sweep", "a.toml", "--jobs", "2", "--out", "two", "--json")
    assert second.code == 0 and second.err == ""
    printed = strict_json(second.out)
    assert files(tmp_path / "a-sweep") == files(tmp_path / "two")
    table = strict_json((tmp_path / "two" / "table.json").read_text())
    assert printed["rows"] == table["rows"] and printed["computed"] == 6
    # strength 0: the output is the target's law but for the finite horizon
    row = table["rows"][0]
    assert row["point"] == {"separation": 1.0, "strength": 0.0}
    assert row["values"]["entropy"]["value"] == pytest.approx(1.4189385332, abs=1e-8)
    assert row["values"]["modes"] == {"value": 1.0, "error": 0.0, "kind": "refinement"}
    confidence = [row["values"]["confidence"]["value"] for row in table["rows"]]
    assert confidence[:3] == sorted(confidence[:3]) and confidence[3:] == sorted(confidence[3:])
    assert all(0 < row["values"]["confidence"]["error"] < 1e-8 for row in table["rows"])
    again = cli("sweep", "a.toml", "--quiet")
    assert (again.code, again.out, again.err) == (0, "", "")


def test_csv_and_json_say_the_same(tmp_path, stub):
    run_sweep(spec(), tmp_path)
    table = strict_json((tmp_path / "table.json").read_text())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert len(rows) == len(table["rows"]) == table["cells"] == 10
    for row, full in zip(rows, table["rows"], strict=True):
        assert {name: float(row[name]) for name in full["point"]} == full["point"]
        item = full["values"]["confidence"]
        assert float(row["confidence"]) == item["value"]
        unknown = item["error"] is None
        assert row["confidence_error"] == ("" if unknown else repr(item["error"]))


def test_vectors_have_a_column_per_entry(tmp_path, monkeypatch):
    item = {"value": [[1.0, 0.5], [0.5, 2.0]], "error": [[0.1] * 2] * 2, "kind": "bound"}
    record = {"values": {"variance": item}, "reason": "", "note": ""}
    monkeypatch.setattr(measuring, "measure", lambda settings: record)
    run_sweep(spec(strength=[1.0]), tmp_path)
    header = (tmp_path / "table.csv").read_text().splitlines()[0].split(",")
    assert header[1:5] == [
        *("variance[0][0]", "variance[0][0]_error", "variance[0][1]", "variance[0][1]_error")
    ]


def test_a_failed_cell_has_a_reason_and_no_number(cli, tmp_path, stub):
    (tmp_path / "a.toml").write_text(TOML.replace("to = 4", "to = 99"))
    outcome = cli("sweep", "a.toml", "--jobs", "1")
    assert outcome.code == 4 and "2 FAILED" in outcome.out
    assert outcome.err.splitlines() == [
        f"failed: separation {d}, strength 99: SolverError: too hard" for d in (1, 2)
    ]
    rows = strict_json((tmp_path / "a-sweep" / "table.json").read_text())["rows"]
    assert rows[2]["values"] is None and rows[2]["reason"] == "SolverError: too hard"
    assert (tmp_path / "a-sweep" / "table.csv").read_text().splitlines()[3].count(",,") >= 1
    assert len(stub) == 6 and cli("sweep", "a.toml").code == 4 and len(stub) == 6


def test_a_chain_and_its_continuous_limit(tmp_path):
    data = {**SPEC, "axes": {"steps": [10, 1000]}, "output": {"tol": 1e-6}}
    data["model"] = {**SPEC["model"], "strength": 2.0, "horizon": 3.0}
    chain = [row["values"] for row in run_sweep(parse_spec(data), tmp_path).table["rows"]]
    (limit,) = run_sweep(parse_spec({**data, "axes": {}}), tmp_path).table["rows"]
    for name, item in limit["values"].items():
        coarse, fine = (abs(values[name]["value"] - item["value"]) for values in chain)
        assert fine < 0.05 * coarse and fine < 0.01  # of first order
        assert all(0 < values[name]["error"] < 1e-4 for values in chain)


def test_chains_that_are_stepped_together(tmp_path):
    data = {**SPEC, "axes": {"noise_level": [0, 1], "strength": [0.0, 8.0, 2.0, 4.0, 6.0]}}
    data["model"] = {k: v for k, v in SPEC["model"].items() if k != "sampler"}
    data["output"] = {"quantities": ["confidence", "mean"], "tol": 1e-5}
    alone = run_sweep(parse_spec({**data, "chain": {"steps": 20}}), tmp_path / "alone").table
    spec = parse_spec({**data, "chain": {"steps": 20, "together": 3}})
    keys = [cell.settings["together"] for cell in cells(spec)[:5]]
    assert keys == [[0.0, 2.0, 4.0], [6.0, 8.0], [0.0, 2.0, 4.0], [0.0, 2.0, 4.0], [6.0, 8.0]]
    whole = run_sweep(spec, tmp_path / "whole")
    for one, other in zip(alone["rows"], whole.table["rows"], strict=True):
        assert one["point"] == other["point"]
        for name in ("confidence", "mean"):
            a, b = one["values"][name], other["values"][name]
            assert abs(a["value"] - b["value"]) <= a["error"] + b["error"] < 1e-3
    # some of a block are missing: they come out as if the block had been whole
    (tmp_path / "half").mkdir()
    lines = (tmp_path / "whole" / "cells.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "half" / "cells.jsonl").write_text("".join(lines[::3]))
    assert run_sweep(spec, tmp_path / "half").computed == 6
    assert files(tmp_path / "half") == files(tmp_path / "whole")


def test_what_cannot_be_stepped_together_is_solved_alone(tmp_path):
    data = {**SPEC, "axes": {"strength": [0.0, 1.0]}, "chain": {"steps": 5, "rule": "heun"}}
    data["model"] = {**SPEC["model"], "labels": [0, 1], "covariances": [1.0, 0.5]}
    tables = [
        run_sweep(parse_spec({**data, "chain": {**data["chain"], "together": n}}), tmp_path).table
        for n in (1, 9)
    ]
    for one, other in zip(tables[0]["rows"], tables[1]["rows"], strict=True):
        assert one["values"]["confidence"]["value"] == pytest.approx(
            other["values"]["confidence"]["value"], abs=1e-6
        )


def test_a_grid_of_ddpm_brings_its_own_horizon(tmp_path):
    data = {**SPEC, "axes": {"steps": [50, 100]}, "chain": {"grid": "linear-beta"}}
    data["model"] = {**SPEC["model"], "strength": 2.0}
    found = cells(parse_spec(data))
    horizons = [cell.settings["model"]["horizon"] for cell in found]
    assert 4 < horizons[1] < horizons[0] < 8 and found[0].derived() == {}
    table = run_sweep(parse_spec({**data, "output": {"tol": 1e-5}}), tmp_path).table
    assert table["failed"] == 0
    data["model"]["horizon"] = 5.0
    with pytest.raises(ValueError, match=r"horizon must be .* for a linear-beta grid"):
        cells(parse_spec(data))


def test_the_example_shows_the_centre_split(tmp_path):
    """Fewer cells of it: docs/theory.md, D1 to D3."""
    example = read_spec(ROOT / "examples" / "phase.toml")
    axes = {"noise_level": (0.0, 1.0), "step": (0.1, 0.2), "step_strength": (0.75, 15.0)}
    assert list(example.axes) == list(axes) and len(cells(example)) < 200
    rows = run_sweep(replace(example, axes=axes), tmp_path).table["rows"]
    found = {tuple(row["point"].values()): row["values"] for row in rows}
    for level, step in ((0, 0.1), (0, 0.2), (1, 0.1), (1, 0.2)):
        safe, split = found[level, step, 0.75], found[level, step, 15.0]
        assert safe["modes"]["value"] == 1 < split["modes"]["value"]
        assert safe["confidence"]["value"] > 0.9 > split["confidence"]["value"]
        assert max(values["confidence"]["error"] for values in (safe, split)) < 1e-4
        assert safe["modes"]["error"] == 0


def test_an_output_that_a_law_does_not_have_is_unknown_and_the_others_are_there():
    from proofs_check.sweep.measure import measure

    folding = {"weights": [0.25, 0.5, 0.25], "means": [-3.0, 0.0, 3.0], "target": 1}
    record = measure(
        {
            "model": {**folding, "sampler": "ode", "strength": 100.0, "horizon": 5.0},
            "chain": {"rule": "euler", "grid": "uniform", "steps": 50},
            "output": {
                "quantities": ["confidence", "modes"],
                **{"tol": 1e-5, "prominence": 0.01, "bandwidth": 0.0},
            },
        }
    )
    assert record["values"]["modes"] == {"value": None, "error": None, "kind": "refinement"}
    assert record["values"]["confidence"]["error"] < 1e-5 and "modes: " in record["note"]
    json.dumps(record, allow_nan=False)


def test_what_no_solver_can_do_is_a_reason_too():
    from proofs_check.sweep.measure import measure

    three = {"weights": [1.0], "means": [[0.0, 0.0, 0.0]], "target": 0}
    output = {"quantities": ["entropy"], "tol": 1e-8}
    record = measure({"model": three, "chain": None, "output": output})
    assert record["values"] is None and "dimension 1 or 2, got 3" in record["reason"]


def test_a_lack_of_memory_is_not_kept(tmp_path, monkeypatch, stub):
    def measure(settings):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "measure", measure)
        found = run_sweep(spec(strength=[1.0]), tmp_path)
    assert found.table["failed"] == 1
    assert run_sweep(spec(strength=[1.0]), tmp_path).table["failed"] == 0


# --- cells are kept by content -------------------------------------------------------------------


def test_a_changed_axis_keeps_the_cells_that_remain(tmp_path, stub):
    run_sweep(spec(strength=[0.0, 1.0]), tmp_path)
    found = run_sweep(spec(strength=[1.0, 0.5, 0.0]), tmp_path)
    assert (found.computed, found.restored) == (1, 2) and stub == [0.0, 1.0, 0.5]
    assert [row["point"]["strength"] for row in found.table["rows"]] == [1.0, 0.5, 0.0]


def test_what_a_cell_depends_on_is_in_its_key(monkeypatch):
    def key(**changes):
        data = {**SPEC, "axes": {"strength": [1.0]}}
        for name, value in changes.items():
            data[name] = {**data.get(name, {}), **value}
        return cells(parse_spec(data))[0].key

    others = [
        key(model={"horizon": 2.0}),
        key(output={"tol": 1e-6}),
        key(output={"quantities": ["modes"]}),
        key(output={"quantities": ["modes"], "prominence": 0.1}),
        key(chain={"steps": 5}),
        key(chain={"steps": 5, "rule": "heun"}),
        key(chain={"steps": 5, "grid": "signal"}),
    ]
    assert len({key(), *others}) == 8
    assert key() == key(output={"prominence": 0.1})  # no modes, no matter
    before = key()
    monkeypatch.setattr("proofs_check.sweep.cells.versions", lambda: {"source": "another"})
    assert key() != before


def test_cells_of_equal_content_are_computed_once(tmp_path, stub):
    data = {**SPEC, "axes": {"step": [0.099, 0.1, 0.1001]}}
    data["model"] = {**SPEC["model"], "strength": 1.0, "horizon": 2.0}
    found = run_sweep(parse_spec(data), tmp_path)
    assert found.computed == len(stub) == 1 and found.table["cells"] == 3 and found.restored == 0


def test_the_order_in_which_cells_were_finished_leaves_no_trace(tmp_path, stub, monkeypatch):
    run_sweep(spec(), tmp_path / "plain")

    def shuffled(function, tasks, jobs):
        order = random.Random(5).sample(range(len(tasks)), len(tasks))
        for index in order:
            yield index, function(*tasks[index])

    monkeypatch.setattr(runner, "run_tasks", shuffled)
    monkeypatch.setattr(runner, "TASKS", 3)
    run_sweep(spec(), tmp_path / "shuffled")
    assert files(tmp_path / "plain") == files(tmp_path / "shuffled")
    for name in ("plain", "shuffled"):
        assert sorted(p.name for p in (tmp_path / name).glob("[!.]*")) == [
            *("cells.jsonl", "table.csv", "table.json")
        ]
    kept = [(tmp_path / name / "cells.jsonl").read_bytes() for name in ("plain", "shuffled")]
    assert kept[0] == kept[1]


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words", "needles"),
    [
        ((), ["none.toml"], ("file", "none.toml")),
        ((), [], ("FILE",)),
        ((), ["a.toml", "--jobs", "0"], ("jobs", "0")),
        ((), ["a.toml", "--jobs", "two"], ("jobs", "'two'")),
        ((), ["a.toml", "--out", "a.toml/sub"], ("out", "a.toml/sub")),
        ((), ["a.toml", "--out", "a.toml"], ("out", "a.toml")),
        ((), ["a.toml", "--out", "taken"], ("out", "table.json is a folder")),
        (("separation", "seperation"), ["a.toml"], ("axes.seperation", "separation")),
        (("[-1, 1]", "[-1, inf]"), ["a.toml"], ("means", "inf")),
        (("from = 0", "from = -1"), ["a.toml"], ("strength", "-1")),
        (("target = 1", "target = 9"), ["a.toml"], ("target", "9")),
    ],
)
def test_bad_input_is_one_line_and_exit_2(cli, tmp_path, change, words, needles):
    (tmp_path / "a.toml").write_text(TOML.replace(*change) if change else TOML)
    (tmp_path / "taken" / "table.json").mkdir(parents=True)
    outcome = cli("sweep", *words)
    assert outcome.code == 2 and outcome.out == ""
    assert outcome.err.startswith("proofs-check: error: ") and outcome.err.count("\n") == 1
    for needle in needles:
        assert needle in outcome.err
    assert not (tmp_path / "a-sweep").exists()


def test_help_is_there_before_numpy():
    code = (
        "import sys; from proofs_check.cli import run\n"
        "assert run(['sweep', '--help']) == 0\n"
        "assert not {'numpy', 'scipy', 'rich', 'fokker_planck'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_lines_of_cells_are_strict_json(tmp_path, stub):
    run_sweep(spec(), tmp_path)
    lines = (tmp_path / "cells.jsonl").read_text().splitlines()
    assert len(lines) == 10 and [strict_json(line)["key"] for line in lines] == sorted(
        cell.key for cell in cells(spec())
    )
    assert plain(strict_json(lines[0])) == strict_json(lines[0])
    with contextlib.suppress(KeyError):
        assert strict_json(lines[0])["record"]["reason"] == ""
