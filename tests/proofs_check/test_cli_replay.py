"""``proofs-check replay``: one line a file, exit codes, and what edited files get."""

import json
import subprocess
import sys

import pytest
from hand_made_proofs import changed, exponential, saddle, sealed
from run_records import strict_json


@pytest.fixture
def files(tmp_path):
    data = {
        "good": exponential(),
        "better": saddle(),
        "edited": changed(exponential(), "parts", 0, "proof", "bound", to=0.0),
        "false": sealed(changed(exponential(), "parts", 0, "proof", "bound", to=0.51)),
    }
    for name, value in data.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return {name: str(tmp_path / f"{name}.json") for name in data}


def test_accepted_files_get_one_line_each(cli, files):
    outcome = cli("replay", files["good"], files["better"])
    lines = outcome.out.splitlines()
    assert outcome.code == 0 and outcome.err == "" and len(lines) == 2
    assert lines[0].startswith(f"{files['good']}: a title: accepted (1 nonnegative, 27 boxes, ")
    assert cli("replay", files["good"], "--quiet") == (0, "", "")


@pytest.mark.parametrize(("name", "why"), [("edited", "digest"), ("false", "box 10: the lower")])
def test_a_rejected_file_gets_exit_code_one_and_the_reason(cli, files, name, why):
    outcome = cli("replay", files[name], files["good"])
    first, second = outcome.out.splitlines()
    assert outcome.code == 1 and "REJECTED" in first and why in first and "accepted" in second
    quiet = cli("replay", files[name], files["good"], "--quiet")
    assert quiet.code == 1 and quiet.out == "" and quiet.err.count("\n") == 1 and why in quiet.err


def test_json_is_one_strict_object(cli, files):
    outcome = cli("replay", files["good"], files["false"], "--json")
    record = strict_json(outcome.out)
    assert outcome.code == 1 and record["accepted"] is False
    good, false = record["files"]
    assert good["accepted"] and good["bits"] == 128 and good["boxes"] == 27
    assert good["parts"][0]["kind"] == "boxes" and good["parts"][0]["cuts"] == 0
    assert not false["accepted"] and "below 0.51" in false["reason"] and false["parts"] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("file", "cannot read", "absent.json")),
        ("{", ("file", "cannot read")),
        ("[" * 100_000, ("file", "cannot read")),
        ("[]", ("file", "does not hold a proof")),
        ("\x00\x01", ("file", "cannot read")),
    ],
)
def test_what_is_no_proof_file_is_bad_input(cli, files, tmp_path, content, words):
    path = tmp_path / "absent.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    outcome = cli("replay", files["good"], str(path))
    assert outcome.code == 2 and outcome.out == "" and outcome.err.count("\n") == 1
    assert all(word in outcome.err for word in words) and "Traceback" not in outcome.err


def test_a_folder_or_no_file_at_all_is_bad_input(cli, tmp_path):
    assert cli("replay", str(tmp_path)).code == 2
    outcome = cli("replay")
    assert outcome.code == 2 and "files must be given" in outcome.err


def test_help_of_the_command_imports_no_arithmetic():
    code = (
        "import sys; from proofs_check.cli import run; run(['replay', '--help']);"
        "sys.exit(any(name in sys.modules for name in ('flint', 'numpy', 'sde_compare')))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
