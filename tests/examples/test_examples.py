"""Every example runs as a script would, and one number of it is right."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import norm

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


def test_common_noise(capsys):
    gains = run("common_noise")
    assert capsys.readouterr().out.count("variance ratio") == len(gains) == 5
    found = gains["sde", 1, 0]
    assert found.variance_ratio.contains(0.207) and found.variance_ratio.error < 0.02
    # of the density solver
    assert abs(found.difference.value - 0.118753) <= found.difference.error < 0.01


def test_gram_against_paths():
    """The whole study of 1000 mixtures is the example's own command; docs/theory.md, T1."""
    found = runpy.run_path(str(EXAMPLES / "gram_against_paths.py"))["study"](20)
    true, false = ([o for o in found if o.holds is holds] for holds in (True, False))
    assert len(true) == 8 and all(o.components >= 3 for o in true)
    assert all(o.ode >= 0 and o.sde >= 0 for o in true)
    assert sum(o.sde < 0 for o in false) >= 6  # of 12; the whole study finds nearly all


def test_class_laws(capsys):
    solutions = run("class_laws")
    printed = capsys.readouterr().out
    assert len(solutions) == 6 and printed.count("H = ") == 6
    for solution in solutions.values():
        assert solution.entropy[-1].error < 1e-5
    # the median of the start flows to the median: uniform classes diffuse in closed form
    points, values, error = solutions["uniform", "ode"].distribution(-1)
    assert np.interp(flowed_median(), points, values) == pytest.approx(0.5, abs=1e-3 + error)


def test_compare_own_drifts(capsys):
    found = run("compare_own_drifts")
    assert found["cooperation"].applies and found["cooperation"].theorem.id == "kamke-mueller"
    assert not found["dip"].applies and found["dip"].conclusion.real == 0
    witness = found["dip"].hypothesis("ordered").witness
    assert abs(float(witness["x"]) - 0.4142) < 1e-3
    assert found["guidance"].applies and capsys.readouterr().out.count("conclusion on paths") == 3


def flowed_median():
    """Integrate dx = (x + s_1 + 2 (s_1 - s)) dtau from 0, with uniform classes around -1 and 1."""

    def slope(tau, x):
        r = np.exp(tau - 5.0)
        spread = np.sqrt(1 - r * r)
        density, derivative = [], []
        for centre in (-1.0, 1.0):
            ends = (x - r * (centre + np.array([[-0.8], [0.8]]))) / spread
            density.append(norm.cdf(ends[0]) - norm.cdf(ends[1]))
            derivative.append((norm.pdf(ends[0]) - norm.pdf(ends[1])) / spread)
        score = derivative[1] / density[1]
        return x + score + 2 * (score - sum(derivative) / sum(density))

    return solve_ivp(slope, (0, 4.8), [0.0], method="DOP853", rtol=1e-9).y[0, -1]
