"""Sweeps: the same table however they were run, cells kept by content, honest about failures."""

import contextlib
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import killed_sweep
import pytest
from run_records import strict_json

import proofs_check.sweep.measure as measuring
from proofs_check.store import plain
from proofs_check.sweep import journal, locks, parse_spec, read_spec, runner
from proofs_check.sweep.cells import cells

ROOT = Path(__file__).resolve().parents[2]
TOML = """
[model]
weights = [0.5, 0.5]
means = [-1, 1]
target = 1
sampler = "ode"
horizon = 3
[axes]
separation = [1.0, 2.0]
strength = {from = 0, to = 4, count = 3}
[output]
quantities = ["confidence", "entropy", "modes"]
"""
SPEC = {
    "model": {"weights": [0.5, 0.5], "means": [-1.0, 1.0], "target": 1, "sampler": "ode"},
    "axes": {"strength": [0.0, 1.0, 2.0, 3.0, 4.0], "horizon": [1.0, 2.0]},
}


def run_sweep(*arguments, **options):
    """Run a sweep in this process, where the solver may be replaced."""
    return runner.run_sweep(*arguments, **{"jobs": 1, **options})


def spec(**axes):
    return parse_spec({**SPEC, "axes": axes or SPEC["axes"]})


@pytest.fixture
def stub(monkeypatch):
    """Put something cheap in the place of the solver; return the list of what was computed."""
    done = []

    def measure(settings):
        strength = settings["model"]["strength"]
        done.append(strength)
        if strength > 90:
            return {"values": None, "reason": "SolverError: too hard", "note": ""}
        item = {"value": strength / 3, "error": None if strength > 3 else 1e-9, "kind": "bound"}
        return {"values": {"confidence": item}, "reason": "", "note": ""}

    monkeypatch.setattr(measuring, "measure", measure)
    return done


def files(folder):
    return {name: (folder / name).read_bytes() for name in ("table.json", "table.csv")}


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


# --- corrupted, interrupted, killed --------------------------------------------------------------


def flip(path, number):
    """Change one digit of a value in a line of a file."""
    lines = path.read_bytes().split(b"\n")
    place = lines[number].index(b'"value": ') + 9
    digit = b"7" if lines[number][place : place + 1] != b"7" else b"8"
    lines[number] = lines[number][:place] + digit + lines[number][place + 1 :]
    path.write_bytes(b"\n".join(lines))


def test_a_corrupted_cell_is_recomputed_and_named(cli, tmp_path, stub):
    (tmp_path / "a.toml").write_text(TOML)
    cli("sweep", "a.toml", "--jobs", "1")
    before = files(tmp_path / "a-sweep")
    path = tmp_path / "a-sweep" / "cells.jsonl"
    flip(path, 2)
    outcome = cli("sweep", "a.toml", "--jobs", "1", "--quiet")
    assert outcome.code == 0 and outcome.out == "" and len(stub) == 7
    assert outcome.err.startswith("note: cell in cells.jsonl line 3 (separation ")
    assert outcome.err.endswith(") was corrupted: recomputed\n")
    assert files(tmp_path / "a-sweep") == before
    assert cli("sweep", "a.toml", "--jobs", "1").err == ""  # once is enough


@pytest.mark.parametrize(
    "rubbish",
    [b"\x00\xff\n", b"{}\n", b"[1]\n", b"null\n", b'{"key": 1, "check": 2, "record": 3}\n', b"["],
)
def test_rubbish_in_a_file_does_no_harm(tmp_path, stub, rubbish):
    run_sweep(spec(), tmp_path)
    before = files(tmp_path)
    with (tmp_path / "cells.jsonl").open("ab") as file:
        file.write(rubbish)
    found = run_sweep(spec(), tmp_path)
    assert found.computed == 0 and files(tmp_path) == before
    assert len(found.notes) == (rubbish[-1:] == b"\n")
    assert run_sweep(spec(), tmp_path).notes == []


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_the_end_of_a_torn_journal_is_a_cell_that_was_not_finished(tmp_path, stub, cut):
    run_sweep(spec(), tmp_path)
    before = files(tmp_path)
    data = (tmp_path / "cells.jsonl").read_bytes()
    (tmp_path / "cells.jsonl").unlink()
    (tmp_path / "cells-1-abc.jsonl").write_bytes(data[:-cut])
    found = run_sweep(spec(), tmp_path)
    assert found.computed == 1 and found.notes == [] and files(tmp_path) == before


def test_a_line_after_a_torn_one_stands_by_itself(tmp_path):
    journal.append(tmp_path, [("a" * 32, {"x": 1})])
    (path,) = tmp_path.glob("cells-*")
    path.write_bytes(path.read_bytes() + b'{"key": "')
    journal.append(tmp_path, [("b" * 32, {"x": 2})])
    found = journal.load(tmp_path)
    assert sorted(found.records) == ["a" * 32, "b" * 32] and len(found.corrupted) == 1


def test_an_interrupted_sweep_keeps_its_cells_and_says_how_to_go_on(
    cli, tmp_path, stub, monkeypatch
):
    measure = measuring.measure

    def stop(settings):
        if len(stub) == 4:
            raise KeyboardInterrupt
        return measure(settings)

    (tmp_path / "a.toml").write_text(TOML)
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "measure", stop)
        outcome = cli("sweep", "a.toml", "--jobs", "1", "--out", "my out")
    assert outcome.code == 130 and outcome.out == ""
    assert outcome.err == (
        "proofs-check: interrupted; finished cells are kept; "
        "resume: proofs-check sweep a.toml --jobs 1 --out 'my out'\n"
    )
    assert not (tmp_path / "my out" / "table.json").exists()
    outcome = cli("sweep", "a.toml", "--jobs", "1", "--out", "my out")
    assert outcome.out.startswith("6 cells, 2 computed, 4 found stored") and len(stub) == 6


@pytest.mark.parametrize("jobs", [1, 2])
def test_ten_kills_at_random_moments_leave_no_trace(jobs):
    found = json.loads(
        subprocess.run(
            [sys.executable, killed_sweep.__file__, "10", str(jobs), "0"],
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        ).stdout
    )
    assert found["end"] == 0 and found["same"]
    assert found["different"] == found["cells"]
    assert found["begun"] - found["cells"] <= 10 * jobs
    assert found["torn"] == []
    assert found["left"] == ["cells.jsonl", "table.csv", "table.json"]
    assert sum(end == -9 for end in found["ends"]) >= 5
    assert found["stored"] == sorted(found["stored"])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_the_command_itself_is_killed_and_goes_on(tmp_path):
    for package in ("fokker_planck", "sde_compare", "proofs_check"):  # nobody edits a copy
        shutil.copytree(ROOT / package, tmp_path / "source" / package)
    text = TOML.replace("count = 3", "count = 12").replace('"ode"', '"sde"')
    (tmp_path / "a.toml").write_text(text)
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "source"), "OPENBLAS_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "proofs_check", "sweep", "a.toml", "--jobs", "2", "--out"]

    def stored():
        return len(journal.load(tmp_path / "out").records) if (tmp_path / "out").is_dir() else 0

    with subprocess.Popen([*line, "out"], cwd=tmp_path, env=env) as process:
        until = time.monotonic() + 60
        while stored() < 3 and time.monotonic() < until:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -9
    done = subprocess.run(
        [*line, "out"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0 and done.stderr == ""
    assert "found stored" in done.stdout and done.stdout.startswith("24 cells, ")
    whole = run_in(tmp_path, env, [*line[:5], "--jobs", "1", "--out", "whole"])
    assert whole.returncode == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def run_in(folder, env, line):
    return subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, timeout=100)


# --- lost workers, and more than one sweep at a time ---------------------------------------------


def test_cells_of_a_lost_worker_are_begun_again(tmp_path, stub, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    calls = []

    def breaking(function, tasks, jobs):
        calls.append(len(tasks))
        yield 0, function(*tasks[0])
        function(*tasks[1])  # finished and kept, but nobody is told
        if len(calls) < 3:
            yield 2, BrokenProcessPool("killed")
        yield from ((i, function(*tasks[i])) for i in range(2, len(tasks)))

    monkeypatch.setattr(runner, "run_tasks", breaking)
    found = run_sweep(spec(), tmp_path)
    assert calls == [10, 8, 6] and len(stub) == 10
    assert found.notes == [f"a worker was lost: {n} cells begun again" for n in (8, 6)]

    def broken(function, tasks, jobs):
        yield 0, BrokenProcessPool("killed")

    monkeypatch.setattr(runner, "run_tasks", broken)
    with pytest.raises(RuntimeError, match="before they finish a cell"):
        run_sweep(spec(), tmp_path / "other")


def test_a_second_sweep_in_the_same_folder_is_refused(cli, tmp_path, stub):
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "out").mkdir()
    with locks.alone(tmp_path / "out"):
        outcome = cli("sweep", "a.toml", "--out", "out")
    assert outcome.code == 2 and outcome.err.count("\n") == 1
    assert "out must not be in use by another sweep, got" in outcome.err
    assert cli("sweep", "a.toml", "--out", "out", "--jobs", "1").code == 0


def test_a_sweep_waits_for_workers_that_lost_their_parent(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    locks.at_work(tmp_path)
    with pytest.raises(ValueError, match="in use by other workers"), locks.alone(tmp_path):
        pass
    locks.at_rest(tmp_path)
    with locks.alone(tmp_path):
        pass


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
