"""Kill a sweep again and again, at random moments, and go on: what was computed how often.

``python tests/support/killed_sweep.py [KILLS] [JOBS] [SEED]`` does so with cells that cost nothing
but a little sleep, and prints one JSON object. Only the start of processes is not the sweep's
own: they are forked, which takes no time.
"""

import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import proofs_check.sweep.measure as measuring
import proofs_check.sweep.runner as runner
from proofs_check import workers
from proofs_check.store import versions
from proofs_check.sweep import journal, parse_spec

SPEC = {
    "model": {"weights": [0.5, 0.5], "means": [-1.0, 1.0], "target": 1},
    "axes": {
        "strength": {"from": 0.0, "to": 8.0, "count": 24},
        "noise_level": {"from": 0.0, "to": 1.0, "count": 8},
    },
}
SECONDS = 0.006


def stand_in(log):
    """Return a cell's work that says in a file that it was begun."""

    def measure(settings):
        point = [settings["model"][name] for name in ("strength", "noise_level")]
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, (json.dumps(point) + "\n").encode())
        os.close(handle)
        time.sleep(SECONDS * random.uniform(0.5, 1.5))
        value = {"value": (point[0] + 0.1) ** 0.5 / 3, "error": 1e-9, "kind": "refinement"}
        # longer than a page, so that a write may be cut short
        return {"values": {"confidence": value}, "reason": "", "note": "x" * 6000}

    return measure


def go_on(out, jobs):
    """Run the sweep in a process of its own, the leader of a group; return its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        until = time.monotonic() + 5  # forked workers hold the lock of their dead parent
        while True:
            try:
                runner.run_sweep(parse_spec(SPEC), out, jobs=jobs)
                code = 0
                break
            except ValueError as error:
                if "in use" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.01)
    finally:
        os._exit(code)


def torn_files(out):
    """Return the files that do not hold what they should; the end of a journal may be missing."""
    torn = []
    for path in out.glob("table*"):
        text = path.read_text()
        if not text.endswith("\n") or (path.suffix == ".json" and "rows" not in json.loads(text)):
            torn.append(path.name)
    return torn + [place for place, _ in journal.load(out).corrupted]


def moment(rng, k, log, cells):
    """Wait for a random moment: in the middle of a random cell, or, every fifth time, at once."""
    if k % 5 == 4:
        time.sleep(rng.uniform(0.0, 0.1))
        return
    more = begun(log) + rng.randint(0, cells // 6)
    until = time.monotonic() + 10
    while begun(log) < min(more, cells) and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(rng.uniform(0.0, 2 * SECONDS))


def begun(log):
    """Return how many cells were begun so far."""
    return log.read_bytes().count(b"\n") if log.exists() else 0


def wait_for(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed(folder, kills, jobs, seed):
    """Kill a sweep so often, go on to the end; return what came of it."""
    rng = random.Random(seed)
    out, log = folder / "out", folder / "begun"
    folder.mkdir()
    measuring.measure = stand_in(log)
    cells = len(runner.cells(parse_spec(SPEC)))
    torn, stored, ends = [], [], []
    for k in range(kills):
        pid = go_on(out, jobs)
        moment(rng, k, log, cells)
        # all at once, or the parent alone
        (os.killpg if k % 2 else os.kill)(pid, signal.SIGKILL)
        ends.append(wait_for(pid))
        time.sleep(0.05)  # what a worker without a parent still finishes counts too
        torn += torn_files(out)
        stored.append(len(journal.load(out).records))
    end = wait_for(go_on(out, jobs))
    lines = log.read_text().splitlines()
    return {
        "end": end,
        "ends": ends,
        "cells": cells,
        "begun": len(lines),
        "different": len(set(lines)),
        "stored": stored,
        "torn": torn + torn_files(out),
        "left": sorted(path.name for path in out.iterdir() if not path.name.startswith(".")),
        "table": [(out / f"table.{kind}").read_bytes() for kind in ("json", "csv")],
    }


def main(kills=10, jobs=2, seed=0):
    """Return what came of a sweep that was killed so often, beside one that was not."""
    workers._Context = lambda: multiprocessing.get_context("fork")
    versions()  # once for all: the source may be worked on meanwhile
    with tempfile.TemporaryDirectory() as folder:
        whole = killed(Path(folder) / "whole", 0, 1, seed)
        found = killed(Path(folder) / "killed", kills, jobs, seed)
    return {**found, "table": len(found["table"][0]), "same": found["table"] == whole["table"]}


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:]))))
