"""Records of a run by hand, in the form that ``verify`` stores them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def strict_json(text: str) -> Any:
    """Parse JSON, refusing the names NaN and Infinity that strict JSON does not have."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is not strict JSON")

    return json.loads(text, parse_constant=refuse)


def evidence(value: float | None, error: float | None, verdict: str, **details: Any):
    margin = {"value": value, "error": error, "kind": "refinement"}
    return {
        "name": "H(0) - H(eta) <b>",
        "source": "density",
        "margin": margin,
        "units": "nats",
        "verdict": verdict,
        "dominant_error": "time",
        "details": {"budget": {"time": error}, **details},
    }


def case_record(name: str, verdict: str, **more: Any):
    """Return the record of a case."""
    pieces = {
        "SUPPORTED": [evidence(0.3, 1e-9, "SUPPORTED"), evidence(1e-12, 1e-9, "SUPPORTED", cap=1)],
        "REFUTED": [evidence(-0.3, 1e-9, "REFUTED")],
        "INCONCLUSIVE": [evidence(1e-3, None, "INCONCLUSIVE")],
    }
    second = evidence(-0.3, 1e-6, "REFUTED")
    witness = {"confirmed": True, "data": {"x": 0.5}, "second_method": second}
    return {
        "id": name,
        "parameters": {"weights": [0.5, 0.5], "means": [-1.0, 1.0], "strength": 3.0},
        "role": "case",
        "hypotheses": [{"name": "one dimension", "status": "proved", "detail": ""}],
        "margin": None,
        "error": None,
        "units": "nats",
        "verdict": verdict,
        "conclusion_verdict": None if verdict in ("VACUOUS", "ERROR") else verdict,
        "reason": "" if verdict == "SUPPORTED" else f"because {verdict.lower()}",
        "evidence": pieces.get(verdict, []),
        "witness": witness if verdict == "REFUTED" else None,
        "proofs": [],
        "proof_files": ["proofs/E1-two.json"] if verdict == "PROVED" else [],
        "seconds": 0.1,
        **more,
    }


def claim_record(name: str, verdict: str, expected: str = "SUPPORTED", **more: Any):
    """Return the record of a claim with one case per verdict."""
    return {
        "schema": "proofs-check/claim/1",
        "id": name,
        "title": f"title of {name}",
        "statement": f"statement of {name} with 1 < 2",
        "latex": r"H(\eta) \le H(0)",
        "status": "counterexample" if expected == "REFUTED" else "theorem",
        "expected": expected,
        "reference": f"docs/theory.md, {name}",
        "note": "",
        "hypotheses": [{"name": "one dimension", "text": "d = 1"}],
        "verdict": verdict,
        "as_expected": verdict == expected,
        "cases": [case_record("first", verdict), case_record("other", "VACUOUS")],
        "seconds": 0.2,
        **more,
    }


def write_run(folder: Path, claims: list[dict[str, Any]]) -> None:
    """Write the records of a run as ``verify`` leaves them."""
    (folder / "claims").mkdir(parents=True)
    counts: dict[str, int] = {}
    for claim in claims:
        counts[claim["verdict"]] = counts.get(claim["verdict"], 0) + 1
        file = folder / "claims" / f"{claim['id']}.json"
        file.write_text(json.dumps(claim, allow_nan=False), encoding="utf-8")
    index = {
        "schema": "proofs-check/report/1",
        "summary": counts,
        "environment": {"python": "3", "level": "quick", "seed": 0},
        "claims": [{"id": c["id"], "file": f"claims/{c['id']}.json"} for c in claims],
    }
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
