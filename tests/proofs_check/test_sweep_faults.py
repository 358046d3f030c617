"""Sweeps that are torn, interrupted or killed: nothing is lost, and nothing shows."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_sweep
import pytest
from small_sweeps import TOML, files, run_sweep, spec

import proofs_check.sweep.measure as measuring
from proofs_check.sweep import journal, locks, runner

ROOT = Path(__file__).resolve().parents[2]


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
