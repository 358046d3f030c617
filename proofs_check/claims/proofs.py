"""Evidence from arithmetic over a whole region, and the confirmation of what it refutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proofs_check.evidence import Evidence, Witness
from sde_compare import regions as rg


def proof_evidence(name: str, statement: str, decisions: Sequence[rg.Decision]) -> Evidence:
    """Return the evidence of conditions decided over regions.

    Proved if all of them are, refuted if one is; the proof file's data goes with it.
    """
    regions = sorted({str(d.region) for d in decisions})
    statement = f"{statement}; for all {'; for all '.join(regions)}"
    refuted = [d for d in decisions if d.status == "refuted"]
    open_ = [d for d in decisions if d.status == "undecided"]
    details: dict[str, Any] = {
        "conditions": len(decisions),
        "how": [d.how or d.reason for d in decisions],
        "boxes": sum(d.boxes for d in decisions),
        "regions": regions,
    }
    if refuted:
        worst = min(refuted, key=lambda d: d.value)
        details["point"] = {key: float(x) for key, x in (worst.witness or {}).items()}
        return Evidence(
            name,
            "proof",
            worst.value,
            {},
            kind="bound",
            details=details,
            decision="refuted",
            proof=rg.proof_of(name, f"not true: {statement}", [worst]),
        )
    if open_:
        return Evidence(
            name,
            "proof",
            float("nan"),
            {},
            kind="bound",
            details=details,
            decision="undecided",
            why=f"{open_[0].part.get('name', name)}: {open_[0].reason}",
        )
    return Evidence(
        name,
        "proof",
        0.0,
        {},
        kind="bound",
        details=details,
        decision="proved",
        proof=rg.proof_of(name, statement, decisions),
    )


def replayed_witness(failed: Evidence) -> Witness:
    """Return the witness of a refuted condition, evaluated again in Arb."""
    word = rg.replay(dict(failed.proof or {}))
    again = Evidence(
        "replay of the point",
        "proof",
        failed.value,
        {},
        kind="bound",
        details={"method": "evaluation in Arb"},
        decision="refuted" if word.accepted else "undecided",
        why=word.reason,
    )
    return Witness({"point": failed.details.get("point", {}), "value": failed.value}, again)
