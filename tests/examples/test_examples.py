"""Every example runs as a script would, and one number of it is right."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]()


def test_every_example_is_tested_here():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested


def test_strengths(capsys):
    solutions = run("strengths")
    lost = solutions["ode", 3.0].complement_mass[-1]
    assert abs(lost.value - (1 - 0.98395083579329)) <= lost.error + 1e-13
    assert lost.error < 1e-8
    assert capsys.readouterr().out.count("1 - P = ") == 8


def test_own_drift():
    volumes, central, limit = run("own_drift")
    assert volumes.agrees(central)
    assert volumes.error < 1e-5 and central.error < 1e-5
    assert volumes.value == pytest.approx(limit, abs=1e-6)


def test_losing_paths():
    share = run("losing_paths")
    assert abs(share.value - 0.2084) < 2 * share.error < 0.02
