"""Claim records and the report: what table, figures, files and exit code are read from."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofs_check.registry import Claim
from proofs_check.store import plain, versions
from proofs_check.verdict import Verdict, as_expected, exit_code, worst

Record = dict[str, Any]
CLAIM_SCHEMA = "proofs-check/claim/1"
REPORT_SCHEMA = "proofs-check/report/1"


def claim_record(claim: Claim, cases: Sequence[Record], own_model: bool) -> Record:
    """Return the record of a claim over its cases.

    On a user's own model nothing definite is expected of a counterexample: its ``expected`` is
    None there, and both SUPPORTED and REFUTED are as expected. A claim that does not apply to it
    (VACUOUS) is no surprise either.
    """
    verdict = worst(Verdict(case["verdict"]) for case in cases)
    expected = None if own_model and claim.status == "counterexample" else claim.expected
    return {
        "schema": CLAIM_SCHEMA,
        **claim.head(),
        "expected": None if expected is None else expected.value,
        "verdict": verdict.value,
        "as_expected": as_expected(verdict, expected) or (own_model and verdict is Verdict.VACUOUS),
        "cases": list(cases),
        "notes": [note for case in cases for note in case.get("notes", [])],
        "seconds": sum(case["seconds"] for case in cases),
    }


def environment(level: str, seed: int, **more: Any) -> Record:
    """Return what a run was made with."""
    return {"python": platform.python_version(), **versions(), "level": level, "seed": seed, **more}


@dataclass(frozen=True)
class Report:
    """The outcome of ``verify``.

    Attributes
    ----------
    records : list of dict
        One record per claim, plain data.
    environment : dict
        Versions, seed, level, and how the error rate was shared.
    own_model : bool
        Whether the cases were the user's own model.
    out : str or None
        The folder of the files, if one was asked for.
    """

    records: list[Record]
    environment: Record
    own_model: bool = False
    out: str | None = None

    @property
    def summary(self) -> dict[str, int]:
        """Counts of claims per verdict."""
        counts = Counter(record["verdict"] for record in self.records)
        return {verdict.value: counts[verdict.value] for verdict in Verdict}

    @property
    def exit_code(self) -> int:
        """4 for an ERROR, 1 for a surprise, 3 for something undecided, 0 if all is as expected."""
        pairs = [
            (Verdict(r["verdict"]), None if r["expected"] is None else Verdict(r["expected"]))
            for r in self.records
        ]
        return exit_code(pairs, self.own_model)

    def __getitem__(self, claim_id: str) -> Record:
        for record in self.records:
            if record["id"] == claim_id:
                return record
        raise KeyError(claim_id)

    def to_dict(self) -> Record:
        """Return the report as strict JSON data: schema, summary, claims, environment."""
        out: Record = plain(
            {
                "schema": REPORT_SCHEMA,
                "summary": self.summary,
                "claims": self.records,
                "environment": self.environment,
            }
        )
        return out

    @classmethod
    def load(cls, out: str | os.PathLike[str]) -> Report:
        """Read a report back from its folder."""
        folder = Path(out)
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        records = [
            json.loads((folder / entry["file"]).read_text(encoding="utf-8"))
            for entry in index["claims"]
        ]
        env = index["environment"]
        return cls(records, env, bool(env.get("own_model")), str(out))

    def __str__(self) -> str:
        lines = []
        for record in self.records:
            mark = "" if record["as_expected"] else "  (not as expected)"
            cases = len(record["cases"])
            count = f"{cases} case{'s' if cases != 1 else ''}"
            lines.append(f"{record['id']:<11} {record['verdict']:<12} {count:>9}{mark}")
        return "\n".join(lines)
