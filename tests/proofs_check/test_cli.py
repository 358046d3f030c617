"""The command line: what it prints, strict JSON, exit codes, and how fast it starts."""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from run_records import claim_record, strict_json, write_run

import proofs_check
from proofs_check.cli import verify as verify_module
from proofs_check.cli.errors import names_a_field
from proofs_check.cli.output import digits
from proofs_check.cli.progress import LiveTable, Progress
from proofs_check.registry import all_claims

MODEL = ["--weights", "[.5,.5]", "--means", "[-1,1]", "--target", "1", "--strength", "3"]
REFERENCE = {
    "sde": {"entropy": 1.0942411700358, "posterior_mass": 0.9556945098651, "mass": 1.0},
    "ode": {"entropy": 0.86389653751926, "posterior_mass": 0.98395083579329, "mass": 1.0},
}


# --- solve and sample ----------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", REFERENCE)
def test_solve_prints_one_strict_json_object_with_errors_that_cover_the_truth(cli, sampler):
    outcome = cli("solve", *MODEL, "--sampler", sampler, "--json")
    assert outcome.code == 0 and outcome.err == ""
    record = strict_json(outcome.out)
    for name, truth in REFERENCE[sampler].items():
        assert abs(record[name]["value"] - truth) <= record[name]["error"] + 1e-13 <= 1e-8
    assert record["l1_error"] is None
    assert record["method"] == {"sde": "spectral", "ode": "characteristics"}[sampler]
    assert record["seconds"] > 0 and record["mean"]["value"] > 1 > record["covariance"]["value"]


def test_scale_and_noise_level_are_other_names_for_strength_and_sampler(cli):
    first = strict_json(cli("solve", *MODEL, "--sampler", "ode", "--json").out)
    words = [*MODEL[:-2], "--scale", "4", "--noise-level", "0", "--horizon", "5"]
    second = strict_json(cli("solve", *words, "--initial", "normal", "--json").out)
    assert first["entropy"] == second["entropy"]
    exact = strict_json(cli("solve", *words, "--initial", "exact", "--json").out)
    assert exact["entropy"]["value"] != first["entropy"]["value"]


def test_solve_prints_a_table_and_draws_a_figure(cli, tmp_path):
    figure = tmp_path / "new" / "density.png"
    outcome = cli("solve", *MODEL, "--sampler", "ode", "--figure", figure)
    assert outcome.code == 0
    assert "entropy" in outcome.out and "0.86389653" in outcome.out and "±" in outcome.out
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert cli("solve", *MODEL, "--sampler", "ode", "--quiet").out == ""


def test_solve_says_on_stderr_that_a_tolerance_was_not_met(cli):
    outcome = cli("solve", *MODEL, "--sampler", "ode", "--tol", "1e-15", "--json")
    assert outcome.code == 0
    assert "tol" in strict_json(outcome.out)["message"] and "note: " in outcome.err


def test_solve_in_three_dimensions_is_refused_by_name(cli):
    words = ["--weights", "[.5,.5]", "--means", "[[-1,0,0],[1,0,0]]", "--target", "1"]
    outcome = cli("solve", *words)
    assert outcome.code == 2 and "means must have dimension 1 or 2, got 3" in outcome.err


def test_sample_prints_one_strict_json_object_and_repeats_itself(cli):
    words = ["sample", *MODEL, "--paths", "2000", "--steps", "50"]
    record = strict_json(cli(*words, "--json").out)
    assert record["n_paths"] == 2000 and record["n_steps"] == 50
    assert record["rule"] == "euler" and record["seed"] == 0
    mass = record["posterior_mass"]
    assert abs(mass["value"] - REFERENCE["sde"]["posterior_mass"]) < mass["error"] < 0.02
    assert mass["kind"] == "interval" and mass["confidence"] == 0.99
    again = strict_json(cli(*words, "--json", "--jobs", "1").out)
    other = strict_json(cli(*words, "--json", "--seed", "1").out)
    assert again["posterior_mass"] == mass != other["posterior_mass"]
    table = cli(*words)
    assert table.code == 0 and "posterior_mass" in table.out and "99 %" in table.out


def test_paths_that_overflow_are_a_failure_in_one_line(cli):
    words = ["--strength", "1e6", "--noise-level", "1e3", "--horizon", "300"]
    outcome = cli("sample", *MODEL, *words, "--paths", "50", "--steps", "300", "--json")
    assert outcome.code == 4 and outcome.out == "" and outcome.err.count("\n") == 1
    assert "of 50 paths" in outcome.err


def test_unknown_numbers_are_null(cli):
    words = ["sample", *MODEL, "--sampler", "ode", "--paths", "2", "--steps", "5"]
    record = strict_json(cli(*words, "--json").out)
    assert record["entropy"]["error"] is None


# --- list and show -------------------------------------------------------------------------------


def test_list_and_show_know_every_claim(cli):
    ids = [claim.id for claim in all_claims()]
    listing = cli("list")
    assert [line.split()[0] for line in listing.out.splitlines()] == ids
    assert [item["id"] for item in strict_json(cli("list", "--json").out)] == ids
    for name in ids:
        shown = cli("show", name.lower())
        assert shown.code == 0 and shown.out.startswith(f"id          {name}\n")
    assert strict_json(cli("show", ids[0], "--json").out)["statement"] == all_claims()[0].statement


# --- verify --------------------------------------------------------------------------------------


@pytest.fixture
def fake(monkeypatch):
    """Make ``verify`` return claims by hand, with their records on disk; no figures are drawn."""

    def install(*claims):
        from proofs_check.records import Report

        def verify(chosen, process, level, seed, *, out, jobs, on_event, n_steps, rule):
            assert n_steps is None and rule is None
            calls.append((chosen, process, level, seed, jobs))
            started = [{"id": c["id"], "n_cases": len(c["cases"])} for c in claims]
            on_event({"type": "start", "claims": started})
            for claim in claims:
                for case in claim["cases"]:
                    part = {key: case[key] for key in ("verdict", "margin", "error", "evidence")}
                    event = {"type": "case", "claim": claim["id"], "case": 0, **part}
                    on_event(event)
                on_event({"type": "claim", "record": claim})
            on_event({"type": "done"})
            write_run(out, list(claims))
            return Report(list(claims), {"seed": seed}, out=str(out))

        calls = []
        monkeypatch.setattr(proofs_check, "verify", verify, raising=False)
        monkeypatch.setattr("proofs_check.cli.figures.make_figures", lambda *a, **k: None)
        return calls

    return install


GOOD = claim_record("E1", "SUPPORTED")
FOUND = claim_record("X5", "REFUTED", "REFUTED")


@pytest.mark.parametrize(
    ("claims", "code", "words"),
    [
        ([GOOD, FOUND], 0, "all as expected"),
        ([GOOD, claim_record("T1", "INCONCLUSIVE")], 3, "something is undecided"),
        ([claim_record("T1", "REFUTED"), claim_record("T2", "INCONCLUSIVE")], 1, "NOT AS EXPECTED"),
        ([claim_record("X1", "SUPPORTED", "REFUTED")], 1, "NOT AS EXPECTED"),
        ([claim_record("T1", "REFUTED"), claim_record("T2", "ERROR")], 4, "FAILED TO RUN"),
    ],
)
def test_the_exit_code_of_verify_says_what_came_out(cli, fake, tmp_path, claims, code, words):
    fake(*claims)
    outcome = cli("verify")
    assert outcome.code == code
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[1 : len(claims) + 1]] == [c["id"] for c in claims]
    assert words in lines[-2] and lines[-1] == "report: proofs-check-out/report.html"
    assert (tmp_path / "proofs-check-out" / "report.html").is_file()
    quiet = cli("verify", "--quiet", "--out", "again")
    assert (quiet.code, quiet.out, quiet.err) == (code, "", "")


def test_verify_json_is_alone_on_stdout(cli, fake):
    fake(GOOD, FOUND)
    outcome = cli("verify", "--json")
    record = strict_json(outcome.out)
    assert outcome.err == "" and outcome.code == 0
    assert [claim["id"] for claim in record["claims"]] == ["E1", "X5"]
    assert record["summary"]["REFUTED"] == 1 and "environment" in record and "schema" in record


def test_verify_passes_on_what_was_asked_for(cli, fake):
    calls = fake(GOOD)
    cli("verify", "e1", "T1", "E1", "--full", "--seed", "7", "--jobs", "1", "--out", "a")
    cli("verify", *MODEL, "--sampler", "ode", "--out", "b")
    assert calls[0] == (["E1", "T1"], None, "full", 7, 1)
    chosen, process, level, seed, jobs = calls[1]
    assert (chosen, level, seed, jobs) == (None, "quick", 0, None)
    assert process.strength == 3 and process.noise_level == 0 and process.target == 1


def test_a_real_claim_is_verified_with_records_and_a_report(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(verify_module, "finish", lambda folder, *a: folder / "report.html")
    outcome = cli("verify", "G0", *MODEL, "--json", "--jobs", "1")
    assert outcome.code == 0
    record = strict_json(outcome.out)
    assert [claim["verdict"] for claim in record["claims"]] == ["SUPPORTED"]
    assert (tmp_path / "proofs-check-out" / "claims" / "G0.json").is_file()


# --- what goes wrong -----------------------------------------------------------------------------


def raising(error):
    def verify(*args, **kwargs):
        raise error

    return verify


def test_an_interrupted_run_says_how_to_resume(cli, monkeypatch):
    monkeypatch.setattr(proofs_check, "verify", raising(KeyboardInterrupt()), raising=False)
    outcome = cli("verify", "G0", "--out", "my run")
    assert outcome.code == 130 and outcome.out == ""
    assert outcome.err == (
        "proofs-check: interrupted; finished claims are kept; "
        "resume: proofs-check verify G0 --out 'my run'\n"
    )


def test_where_nothing_is_kept_nothing_is_said_to_be(cli, monkeypatch):
    import fokker_planck

    monkeypatch.setattr(fokker_planck, "solve", raising(KeyboardInterrupt()))
    outcome = cli("solve", *MODEL)
    assert (outcome.code, outcome.err) == (130, "proofs-check: interrupted\n")


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_a_stopped_run_leaves_no_worker_behind(tmp_path, number, code):
    line = [sys.executable, "-m", "proofs_check", "verify", "--jobs", "2", "--out", "kept"]
    with subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        # a run that was started to ignore hang-ups goes on
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL) if code > 0 else None,
    ) as process:
        deadline = time.monotonic() + 60
        while len(found := workers_of(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # until they are at work
        process.send_signal(number)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == code
    if code > 0:
        assert errors.count("\n") == 1 and "resume: proofs-check verify --jobs 2" in errors
    deadline = time.monotonic() + 20
    while any(map(alive, found)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found and not any(map(alive, found))


def workers_of(pid):
    """The spawned children of a process, read off /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and b"spawn_main" in path.with_name("cmdline").read_bytes():
                found.append(int(path.parent.name))
    return found


def alive(pid):
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_streams_that_are_closed_are_no_failure():
    code = "import os, sys; os.close(1); os.close(2); os.execv(sys.executable, sys.argv[1:])"
    line = [sys.executable, "-m", "proofs_check", "list"]
    done = subprocess.run([sys.executable, "-c", code, *line], timeout=60)
    assert done.returncode == 0


def test_lines_of_progress_come_in_the_order_of_the_table(capsys):
    progress = Progress()
    progress({"type": "start", "claims": [{"id": c["id"], "n_cases": 2} for c in (GOOD, FOUND)]})
    progress({"type": "claim", "record": FOUND})
    assert len(capsys.readouterr().out.splitlines()) == 1
    progress({"type": "claim", "record": GOOD})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["E1", "X5"]


def test_a_failure_is_one_line_and_exit_4_and_debug_shows_the_place(cli, monkeypatch):
    error = ValueError("operands could not be broadcast\nat all")
    monkeypatch.setattr(proofs_check, "verify", raising(error), raising=False)
    outcome = cli("verify", "G0")
    assert outcome.code == 4 and outcome.err.count("\n") == 1
    assert outcome.err.startswith("proofs-check: failure: ValueError: operands could not")
    debug = cli("--debug", "verify", "G0")
    assert debug.code == 4 and "Traceback" in debug.err and "raising" not in debug.out
    after = cli("verify", "G0", "--debug")
    assert after.code == 4 and "Traceback" in after.err


def test_a_value_that_only_the_runner_refuses_is_bad_input(cli, monkeypatch):
    error = ValueError("process must have dimension 1, got 2")
    monkeypatch.setattr(proofs_check, "verify", raising(error), raising=False)
    outcome = cli("verify", "G0")
    assert outcome.code == 2 and outcome.err == f"proofs-check: error: {error}\n"


def test_only_a_message_that_begins_with_a_field_is_about_the_input():
    assert names_a_field(ValueError("tol must be > 0, got 0"), ("tol",))
    assert not names_a_field(ValueError("total must be > 0"), ("tol",))
    assert not names_a_field(ValueError(""), ("tol",))


# --- the terminal --------------------------------------------------------------------------------


def events(*claims):
    yield {"type": "start", "claims": [{"id": c["id"], "n_cases": 2} for c in claims]}
    for claim in claims:
        for case in claim["cases"]:
            part = {key: case[key] for key in ("verdict", "margin", "error", "evidence")}
            yield {"type": "case", "claim": claim["id"], "case": 0, **part}
        yield {"type": "claim", "record": claim}
    yield {"type": "done"}


def test_lines_of_progress_name_claim_cases_margin_and_verdict(capsys):
    progress = Progress()
    for event in events(GOOD, FOUND, claim_record("T1", "REFUTED")):
        progress(event)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["claim", "cases", "margin", "/", "error", "verdict"]
    assert [line.split()[0] for line in lines[1:]] == ["E1", "X5", "T1"]
    assert "2 cases" in lines[1] and "+3e8" in lines[1] and lines[1].endswith("SUPPORTED")
    assert "-3e8" in lines[2] and lines[2].endswith("REFUTED, as expected")
    assert lines[3].endswith("REFUTED, expected SUPPORTED")


def test_the_live_table_follows_the_events():
    from rich.console import Console

    table = LiveTable()
    seen = []
    for event in events(GOOD):
        table(event)
        console = Console(width=80, color_system=None)
        with console.capture() as capture:
            console.print(table.table())
        seen.append(capture.get())
    assert "0/2" in seen[0] and "waiting" in seen[0]
    assert "1/2" in seen[1] and "running" in seen[1] and "+3e8" in seen[1]
    assert "2/2" in seen[-1] and "SUPPORTED" in seen[-1] and "+3e8" in seen[-1]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.0942411700358, 2.7e-10, "1.09424117004 ± 2.7e-10"),
        (0.95544, 8.0e-4, "0.95544 ± 8.0e-04"),
        (123.4, 5.0, "123.4 ± 5.0e+00"),
        (1.0, 0.0, "1 ± 0"),
        (2.5, float("inf"), "2.5 ± unknown"),
        (float("nan"), float("inf"), "unknown"),
    ],
)
def test_a_number_is_printed_with_the_digits_that_its_error_leaves(value, error, text):
    assert digits(value, error) == text


HEAVY = ("numpy", "scipy", "matplotlib", "rich", "jinja2", "findiff", "fokker_planck")


@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys; from proofs_check.cli import run\n"
        f"assert run({arguments!r}) == 0\n"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("Usage: proofs-check", "proofs-check 0."))


def test_a_reader_that_goes_away_is_no_failure_of_ours():
    line = [sys.executable, "-m", "proofs_check", "list"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        process.wait(timeout=60)
        errors = process.stderr.read()
    assert b"Traceback" not in errors and process.returncode in (0, 141)
