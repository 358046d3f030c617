"""Run the command line in this process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helper modules lie next to the tests


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    """Return a function that runs one command line inside an empty folder."""
    from proofs_check.cli import run

    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def stub(monkeypatch):
    """Put something cheap in the place of the solver; return the list of what was computed."""
    import proofs_check.sweep.measure as measuring

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
