"""Bad input, everywhere: exit 2, one line that names field and value, no traceback."""

import subprocess
import sys

import pytest

MODEL = {"weights": "[.5,.5]", "means": "[-1,1]", "target": "1"}
EXTRA = {
    "solve": {},
    "sample": {"paths": "10", "steps": "5"},
    "verify": {},
}

#: (what is changed in the model, what the line must name)
BAD_MODELS = [
    ({"weights": "[NaN,.5]"}, ("weights", "nan")),
    ({"weights": "[-.5,1.5]"}, ("weights", "-0.5")),
    ({"weights": "[.5,.6]"}, ("weights", "0.6")),
    ({"weights": "[[.5,.5]]"}, ("weights", "[[0.5, 0.5]]")),
    ({"weights": "[.5,.5"}, ("weights", "[.5,.5")),
    ({"weights": "nan"}, ("weights", "nan")),
    ({"weights": '["a","b"]'}, ("weights", "'a'")),
    ({"weights": '{"a": 1}'}, ("weights", "{'a': 1}")),
    ({"weights": "[]"}, ("weights", "[]")),
    ({"weights": "[" * 3000}, ("weights", "[[[")),
    ({"means": "[1,2,3]"}, ("means", "[1, 2, 3]")),
    ({"means": "[-1,Infinity]"}, ("means", "inf")),
    ({"means": "[-1,"}, ("means", "[-1,")),
    ({"covariances": "[[1,2],[3]]"}, ("covariances", "[[1, 2], [3]]")),
    ({"covariances": "-1"}, ("covariances", "-1")),
    ({"covariances": "[1,0]"}, ("covariances", "[1, 0]")),
    (
        {"means": "[[-1,0],[1,0]]", "covariances": "[[1,2],[2,1]]"},
        ("covariances", "[[1, 2], [2, 1]]"),
    ),
    ({"target": "2"}, ("target", "2")),
    ({"target": "-1"}, ("target", "-1")),
    ({"target": "one"}, ("target", "'one'")),
    ({"weights": "[1,0]"}, ("target", "1")),
    ({"strength": "-1"}, ("strength", "-1")),
    ({"strength": "nan"}, ("strength", "nan")),
    ({"strength": "much"}, ("strength", "'much'")),
    ({"scale": "0.5"}, ("scale", "0.5")),
    ({"scale": "2", "strength": "1"}, ("strength", "1")),
    ({"horizon": "0"}, ("horizon", "0")),
    ({"horizon": "-2"}, ("horizon", "-2")),
    ({"horizon": "inf"}, ("horizon", "inf")),
    ({"sampler": "pde"}, ("sampler", "'pde'")),
    ({"noise-level": "-1"}, ("noise_level", "-1")),
    ({"noise-level": "1", "sampler": "sde"}, ("noise_level", "1")),
    ({"initial": "uniform"}, ("initial", "'uniform'")),
    ({"schedule": "vp"}, ("schedule", "'vp'")),
    ({"guidance": "interval"}, ("guidance", "'interval'")),
]

BAD_SETTINGS = [
    ("solve", {"method": "guess"}, ("method", "'guess'")),
    ("solve", {"tol": "0"}, ("tol", "0")),
    ("solve", {"tol": "nan"}, ("tol", "nan")),
    ("solve", {"figure": "x.gif"}, ("figure", "'x.gif'")),
    ("solve", {"figure": "{file}/x.png"}, ("figure", "file")),
    ("solve", {"figure": "{folder}/a.png"}, ("figure", "a.png")),
    ("sample", {"paths": "0"}, ("paths", "0")),
    ("sample", {"paths": "1e5"}, ("paths", "'1e5'")),
    ("sample", {"steps": "-3"}, ("steps", "-3")),
    ("sample", {"step-rule": "magic"}, ("step_rule", "'magic'")),
    ("sample", {"step-rule": "ddim", "sampler": "sde"}, ("rule", "'ddim'")),
    ("sample", {"seed": "-1"}, ("seed", "-1")),
    ("sample", {"jobs": "0"}, ("jobs", "0")),
    ("solve", {"sampler": "ode", "method": "finite-volume"}, ("method", "'finite-volume'")),
    ("solve", {"weights": "[true,false]"}, ("weights", "True")),
    ("sample", {"paths": "999999999999999"}, ("paths", "999999999999999", "memory")),
    ("sample", {"steps": "10000000000"}, ("steps", "10000000000", "memory")),
    ("verify", {"out": "{file}/sub"}, ("out", "file")),
    ("verify", {"seed": "-1"}, ("seed", "-1")),
    ("verify", {"jobs": "0"}, ("jobs", "0")),
]


def command(name: str, changes: dict[str, str]) -> list[str]:
    options = {**MODEL, **EXTRA[name], **changes}
    return [name, *(part for key, value in options.items() for part in (f"--{key}", value))]


def assert_one_line(outcome, *needles: str) -> None:
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("proofs-check: error: ")
    assert outcome.err.count("\n") == 1 and outcome.err.endswith("\n")
    assert len(outcome.err) < 300
    for needle in needles:
        assert needle in outcome.err.replace("--noise-level", "noise_level"), outcome.err


@pytest.mark.parametrize("name", EXTRA)
@pytest.mark.parametrize(("changes", "needles"), BAD_MODELS, ids=lambda v: str(v)[:40])
def test_a_bad_model_is_refused(cli, tmp_path, name, changes, needles):
    assert_one_line(cli(*command(name, changes)), *needles)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "changes", "needles"), BAD_SETTINGS)
def test_a_bad_setting_is_refused(cli, tmp_path, name, changes, needles):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder" / "a.png").mkdir(parents=True)
    there = {"file": str(tmp_path / "file"), "folder": str(tmp_path / "folder")}
    changes = {key: value.format(**there) for key, value in changes.items()}
    assert_one_line(cli(*command(name, changes)), *needles)


@pytest.mark.parametrize(
    ("arguments", "needles"),
    [
        (["verify", "T99"], ("claim", "'T99'")),
        (["show", "T99"], ("claim", "'T99'")),
        (["show"], ("CLAIM",)),
        (["verify", "--quick", "--full"], ("level",)),
        (["verify", "--strength", "2"], ("weights", "strength")),
        (["verify", "--weights", "[1]"], ("means", "weights")),
        (["solve"], ("weights", "--weights")),
        (["solve", "--strength", "abc"], ("strength", "'abc'")),
        (["solve", "--nonsense", "3"], ("--nonsense",)),
        (["nonsense"], ("nonsense",)),
        (["--nonsense"], ("--nonsense",)),
        (["sample", "extra", *command("sample", {})[1:]], ("extra",)),
    ],
)
def test_a_bad_command_line_is_refused(cli, arguments, needles):
    assert_one_line(cli(*arguments), *needles)


def test_the_line_stays_one_line_whatever_the_value(cli):
    outcome = cli(*command("solve", {"weights": "[.5,\n\n.5,\n.5"}))
    assert_one_line(outcome, "weights")
    outcome = cli(*command("solve", {"method": "a\nb"}))
    assert_one_line(outcome, "method")


def test_a_real_process_refuses_bad_input_at_once():
    line = command("verify", {"horizon": "0"})
    done = subprocess.run(
        [sys.executable, "-m", "proofs_check", *line], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("proofs-check: error: horizon must be >")
    assert done.stderr.endswith(", got 0.0\n") and done.stderr.count("\n") == 1
