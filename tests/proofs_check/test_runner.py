import json
import math
import subprocess
import sys

import pytest

import fokker_planck as fp
import proofs_check as pc
from proofs_check.evidence import Evidence, Witness
from proofs_check.records import Report
from proofs_check.registry import Case, Claim, Condition, Context, Hypothesis, all_claims
from proofs_check.runner import Plan, make_plan, run
from proofs_check.store import Store
from proofs_check.workers import portable

MIXTURE = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])


def a_case(name, **options):
    return Case(name, fp.reverse_process(MIXTURE, 1, strength=1.0, sampler="ode"), options)


def gather(case, context):
    o = case.options
    if o.get("raise"):
        raise RuntimeError("boom\nsecond line")
    return [
        Evidence(
            "gap", "density", o["value"], {"time": o.get("error", 0.1)}, p_value=o.get("p_value")
        )
    ]


def confirm(case, context, failed):
    second = Evidence("again", "density", case.options.get("second", -1.0), {"time": 0.1})
    return Witness({"case": case.id}, second)


def fake(*table, status="theorem", examine=None, id="F", statements=0):
    hypotheses = () if examine is None else (Hypothesis("h", "h", examine),)
    return Claim(
        *(id, "fake", "fake", "x", status, hypotheses),
        cases=lambda level, seed: table,
        gather=gather,
        confirm=confirm,
        statements=lambda case: statements,
    )


def carry_out(*claims, store=None, on_event=None, jobs=1, seed=0):
    return run(make_plan(claims, None, "quick", seed), store, jobs, on_event)


def verdicts(report):
    return [case["verdict"] for case in report.records[0]["cases"]]


# --- what a case comes out as -------------------------------------------------------------------


def test_cases_come_out_as_their_margins_say():
    table = [
        a_case("yes", value=1.0),
        a_case("no", value=-1.0),
        a_case("open", value=0.05),
        a_case("nan", value=math.nan),
        a_case("unknown", value=1.0, error=math.inf),
        a_case("crash", **{"raise": True}),
    ]
    report = carry_out(fake(*table))
    found = ["SUPPORTED", "REFUTED", "INCONCLUSIVE", "ERROR", "INCONCLUSIVE", "ERROR"]
    assert verdicts(report) == found
    record = report.records[0]
    assert record["verdict"] == "ERROR"
    assert report.exit_code == 4
    assert record["cases"][5]["reason"] == "RuntimeError: boom"
    assert record["cases"][1]["witness"]["confirmed"]
    assert "time error dominates" in record["cases"][2]["reason"]
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_crash_is_never_a_refutation():
    report = carry_out(fake(a_case("crash", **{"raise": True}), status="counterexample"))
    assert verdicts(report) == ["ERROR"]
    assert report.exit_code == 4


def test_without_the_second_methods_word_a_failure_is_inconclusive():
    report = carry_out(fake(a_case("no", value=-1.0, second=1.0)))
    assert verdicts(report) == ["INCONCLUSIVE"]
    case = report.records[0]["cases"][0]
    assert not case["witness"]["confirmed"]
    assert "second method" in case["reason"]


def test_a_refuted_hypothesis_makes_a_case_vacuous_without_running_it():
    def no(process):
        return Condition("refuted", "not so")

    report = carry_out(fake(a_case("crash", **{"raise": True}), examine=no))
    assert verdicts(report) == ["VACUOUS"]
    assert report.records[0]["verdict"] == "VACUOUS"
    assert report.exit_code == 3
    case = report.records[0]["cases"][0]
    assert case["conclusion_verdict"] is None
    assert case["hypotheses"] == [{"name": "h", "status": "refuted", "detail": "not so"}]


def test_an_undecided_hypothesis_leaves_the_case_undecided():
    report = carry_out(fake(a_case("yes", value=1.0), examine=lambda p: Condition("undecided")))
    assert verdicts(report) == ["INCONCLUSIVE"]


@pytest.mark.parametrize(
    ("value", "verdict", "code"), [(-1.0, "REFUTED", 0), (1.0, "SUPPORTED", 1)]
)
def test_a_counterexample_is_expected_to_be_refuted(value, verdict, code):
    report = carry_out(fake(a_case("x", value=value), status="counterexample"))
    assert report.records[0]["verdict"] == verdict
    assert report.records[0]["as_expected"] == (code == 0)
    assert report.exit_code == code


# --- events, store, resuming --------------------------------------------------------------------


def test_events_come_in_order():
    events = []
    carry_out(fake(a_case("a", value=1.0), a_case("b", value=1.0)), on_event=events.append)
    assert [e["type"] for e in events] == ["start", "case", "case", "claim", "done"]
    assert events[0]["claims"] == [{"id": "F", "n_cases": 2}]
    assert [item["name"] for item in events[1].pop("evidence")] == ["gap"]
    assert events[1] == {
        **{"type": "case", "claim": "F", "case": 0, "verdict": "SUPPORTED"},
        **{"margin": 1.0, "error": 0.1},
    }
    assert events[3]["record"]["id"] == "F"


def test_files_hold_what_the_report_says(tmp_path):
    report = carry_out(fake(a_case("a", value=1.0, error=math.inf)), store=Store(tmp_path))
    assert report.out == str(tmp_path)
    again = Report.load(tmp_path)
    assert again.to_dict() == report.to_dict()
    index = json.loads((tmp_path / "index.json").read_text())
    assert index["claims"][0]["file"] == "claims/F.json"
    assert index["environment"]["level"] == "quick"
    assert not list(tmp_path.rglob("*.tmp"))


def test_an_interrupted_run_resumes_where_it_stopped(tmp_path):
    calls = []

    def counted(case, context):
        calls.append(case.id)
        if case.id == "b" and calls.count("b") == 1:
            raise KeyboardInterrupt
        return gather(case, context)

    table = [a_case(name, value=1.0) for name in "abc"]
    base = fake(*table)
    claim = Claim(**{**base.__dict__, "gather": counted})
    with pytest.raises(KeyboardInterrupt):
        carry_out(claim, store=Store(tmp_path))
    report = carry_out(claim, store=Store(tmp_path))
    assert calls == ["a", "b", "b", "c"]
    assert verdicts(report) == ["SUPPORTED"] * 3
    carry_out(claim, store=Store(tmp_path))
    assert len(calls) == 4
    carry_out(claim, store=Store(tmp_path), seed=1)  # another seed is another content
    assert len(calls) == 7


def test_a_corrupted_cell_is_recomputed_and_named(tmp_path):
    claim = fake(a_case("a", value=1.0))
    carry_out(claim, store=Store(tmp_path))
    (cell,) = (tmp_path / "cells").iterdir()
    cell.write_text("{")
    record = carry_out(claim, store=Store(tmp_path)).records[0]
    assert record["verdict"] == "SUPPORTED"
    assert len(record["notes"]) == 1
    assert cell.name in record["notes"][0]
    assert carry_out(claim, store=Store(tmp_path)).records[0]["notes"] == []


def test_a_folder_in_the_place_of_a_cell_costs_only_the_time(tmp_path):
    claim = fake(a_case("a", value=1.0))
    carry_out(claim, store=Store(tmp_path))
    (cell,) = (tmp_path / "cells").iterdir()
    cell.unlink()
    cell.mkdir()
    for _ in range(2):
        record = carry_out(claim, store=Store(tmp_path)).records[0]
        assert record["verdict"] == "SUPPORTED" and cell.name in record["notes"][0]


def test_nothing_of_an_earlier_run_is_left_among_the_claims(tmp_path):
    carry_out(fake(a_case("a", value=1.0)), store=Store(tmp_path))
    (tmp_path / "claims" / "T1.json").write_text("{}")
    (tmp_path / "claims" / "notes.json").write_text("{}")  # not ours
    carry_out(fake(a_case("a", value=1.0)), store=Store(tmp_path))
    assert sorted(p.name for p in (tmp_path / "claims").iterdir()) == ["F.json", "notes.json"]

    def interrupted(case, context):
        raise KeyboardInterrupt

    claim = Claim(**{**fake(a_case("b", value=1.0)).__dict__, "gather": interrupted})
    with pytest.raises(KeyboardInterrupt):
        carry_out(claim, store=Store(tmp_path))
    assert not (tmp_path / "index.json").exists()


def test_errors_are_not_kept(tmp_path):
    carry_out(fake(a_case("a", **{"raise": True})), store=Store(tmp_path))
    assert list((tmp_path / "cells").iterdir()) == []


def test_the_key_depends_on_everything_that_matters(monkeypatch):
    claim = fake(a_case("a", value=1.0))
    plan = make_plan([claim], None, "quick", 0)
    key = plan.key(0, 0)
    others = [
        make_plan([claim], None, "full", 0),
        make_plan([claim], None, "quick", 1),
        make_plan([fake(a_case("a", value=2.0))], None, "quick", 0),
        make_plan([fake(a_case("a", value=1.0), statements=7)], None, "quick", 0),
        Plan(plan.claims, plan.cases, Context(share=1e-9), 0, False),
    ]
    from proofs_check import runner

    assert len({key, *(other.key(0, 0) for other in others)}) == 6
    monkeypatch.setattr(runner, "versions", lambda: {"source": "other"})
    assert plan.key(0, 0) != key


# --- the shared error rate ----------------------------------------------------------------------


def test_the_family_rate_is_shared_among_the_planned_statements():
    plan = make_plan([fake(a_case("a", value=1.0), statements=4), fake(id="G")], None, "quick", 0)
    assert plan.statements == 4
    assert plan.context.share == pytest.approx(2.5e-4)


def test_holm_turns_an_undecided_alarm_into_a_refutation():
    table = [
        a_case("alarm", value=-0.05, p_value=1e-5),
        a_case("quiet", value=-0.05, p_value=0.4),
    ]
    report = carry_out(fake(*table, statements=1))
    assert verdicts(report) == ["REFUTED", "INCONCLUSIVE"]
    details = report.records[0]["cases"][0]["evidence"][0]["details"]
    assert details["p_value_holm"] == pytest.approx(2e-5)
    # the same alarm among a thousand statements is none
    report = carry_out(fake(*table, statements=1000))
    assert verdicts(report) == ["INCONCLUSIVE", "INCONCLUSIVE"]


# --- the front door -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"claims": ["X9"]}, "claims: unknown claim 'X9'; known: T1"),
        ({"claims": 3}, "claims must be a list of claim ids, got 3"),
        ({"claims": []}, "claims must name at least one claim, got"),
        ({"claims": [3]}, "claims: unknown claim 3; known: T1"),
        ({"out": 3}, "out must be a path, got 3"),
        ({"level": "slow"}, "level must be one of quick, full, got 'slow'"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"seed": 1.5}, "seed must be a whole number, got 1.5"),
        ({"jobs": 0}, "jobs must be >= 1, got 0"),
        ({"process": "two"}, "process must be a ReverseProcess, got 'two'"),
    ],
)
def test_bad_input_is_refused_before_any_work(options, message):
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(")):
        pc.verify(**options)


def test_ids_are_unique_and_every_claim_can_travel_to_a_worker():
    claims = all_claims()
    assert [c.id for c in claims] == [
        *(
            "T1",
            "T1-Sigma",
            "T1-mono",
            "T1-discrete",
            "T2",
            "E1",
            "E2",
            "K1",
            "K2",
            "D1",
            "D4",
            "I4",
            "S0",
        ),
        *("G0", "X1", "X3", "X4", "X5", "X6", "X7"),
    ]
    for claim in claims:
        for level in ("quick", "full"):
            table = claim.cases(level, 0)
            assert len({case.id for case in table}) == len(table) > 0
            assert all(portable((claim, case, Context())) for case in table)


def test_every_claim_stands_in_the_theory_under_its_id():
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "docs" / "theory.md").read_text(encoding="utf-8")
    for claim in all_claims():
        assert f"### {claim.id}: " in text


def test_jobs_change_nothing_but_the_time():
    def stripped(report):
        out = report.to_dict()
        for record in out["claims"]:
            record.pop("seconds")
            for case in record["cases"]:
                case.pop("seconds")
        return out

    assert stripped(pc.verify(["G0"], jobs=1)) == stripped(pc.verify(["G0"], jobs=2))


def test_a_script_needs_no_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import proofs_check as pc\n"
        "print('started')\n"
        "report = pc.verify(['G0'], jobs=2)\n"
        "print(report)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.count("started") == 1
    assert "G0" in done.stdout
    assert "SUPPORTED" in done.stdout
    assert done.stderr == ""


def test_importing_the_package_loads_no_numerics():
    code = "import sys, proofs_check; print([m for m in ('numpy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_interrupt_ends_the_workers_and_keeps_what_is_finished(tmp_path):
    out = tmp_path / "out"
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, time\n"
        "import proofs_check as pc\n"
        "def stop(event):\n"
        "    if event['type'] == 'case':\n"
        "        raise KeyboardInterrupt\n"
        "try:\n"
        f"    pc.verify(['G0', 'T1-mono'], jobs=2, out={str(out)!r}, on_event=stop)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped', flush=True)\n"
        # the pool's own thread reaps them too: for a moment neither side knows the exit code
        "    deadline = time.monotonic() + 10\n"
        "    while multiprocessing.active_children() and time.monotonic() < deadline:\n"
        "        time.sleep(0.02)\n"
        "    print(len(multiprocessing.active_children()))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["stopped", "0"]
    assert len(list((out / "cells").glob("*.json"))) >= 1
    assert not list(out.rglob("*.tmp"))
