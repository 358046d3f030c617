"""``solve --steps``: the law of the discretised sampler on the command line."""

import pytest
from run_records import strict_json

import fokker_planck as fp

MODEL = ["--weights", "[.5,.5]", "--means", "[-1,1]", "--target", "1", "--strength", "3"]


@pytest.mark.parametrize(
    "words, rule, grid",
    [
        (["--steps", "50"], "euler", 50),
        (["--steps", "12", "--step-rule", "ddpm", "--time-grid", "signal"], "ddpm", "signal"),
        (["--steps", "12", "--step-rule", "heun", "--sampler", "ode"], "heun", 12),
    ],
)
def test_the_same_numbers_as_the_library_in_the_json_of_solve(cli, words, rule, grid):
    outcome = cli("solve", *MODEL, *words, "--json")
    assert outcome.code == 0 and outcome.err == ""
    record = strict_json(outcome.out)
    process = fp.reverse_process(
        fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]),
        1,
        strength=3.0,
        noise_level=0.0 if rule == "heun" else 1.0,
    )
    nodes = fp.time_grid(process, 12, grid) if isinstance(grid, str) else grid
    law = fp.solve(fp.chain(process, nodes, rule), [5.0])
    for name in ("entropy", "posterior_mass", "mass", "mean", "covariance"):
        assert record[name]["value"] == pytest.approx(getattr(law, name)[-1].value, abs=1e-15)
        assert 0 < record[name]["error"] < 1e-8
    assert record["l1_error"] is None and record["rule"] == rule
    assert record["method"] == law.method


def test_the_table_names_the_steps(cli):
    outcome = cli("solve", *MODEL, "--steps", "20")
    assert outcome.code == 0 and "after 20 steps (euler)" in outcome.out


@pytest.mark.parametrize(
    "words, line",
    [
        (["--steps", "0"], "steps must be >= 1, got 0"),
        (["--steps", "x"], "steps must be a whole number, got 'x'"),
        (["--steps", "5", "--step-rule", "rk4"], "step_rule must be one of"),
        (["--steps", "5", "--step-rule", "heun"], "rule 'heun' needs the ODE sampler"),
        (["--steps", "5", "--step-rule", "ddim"], "rule 'ddim' needs the ODE sampler"),
        (["--steps", "5", "--time-grid", "cosine"], "time_grid must be one of"),
        (["--steps", "50", "--time-grid", "linear-beta"], "horizon must be 5.884"),
        (["--step-rule", "ddpm"], "step_rule needs --steps, got 'ddpm'"),
        (["--time-grid", "signal"], "time_grid needs --steps"),
        (["--steps", "5", "--certify"], "certify must be left out with --steps"),
        (["--steps", "5", "--method", "spectral"], "method must be left out with --steps"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(cli, words, line):
    outcome = cli("solve", *MODEL, *words)
    assert outcome.code == 2 and outcome.out == ""
    assert line in outcome.err and outcome.err.count("\n") == 1
