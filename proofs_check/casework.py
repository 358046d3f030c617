"""One case of one claim: hypotheses, evidence, verdict, record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Condition, Context
from proofs_check.store import plain
from proofs_check.verdict import ORDER, Verdict, worst

Record = dict[str, Any]


def deciding(evidence: Sequence[Evidence]) -> Evidence:
    """Return the evidence that a case's verdict rests on: the worst, then the least clear."""

    def rank(item: Evidence) -> tuple[int, float]:
        clear = item.units_of_error
        return ORDER.index(item.verdict), -clear if item.verdict is Verdict.REFUTED else clear

    return min(evidence, key=rank)


def examine(claim: Claim, case: Case) -> tuple[list[Record], Verdict | None]:
    """Return the hypotheses as found on the case, and the verdict if they already settle it."""
    from proofs_check.claims.hypotheses import IMPLIED

    implied = [(h.name, h.on(case)) for h in IMPLIED if h.name not in claim.covers]
    found: list[tuple[str, Condition]] = [c for c in implied if c[1].status == "refuted"]
    # hypotheses are worded for such models: on others they are not looked at
    if not found:
        found = [(h.name, h.on(case)) for h in claim.hypotheses]
    records = [{"name": name, "status": c.status, "detail": c.detail} for name, c in found]
    statuses = [c.status for _, c in found]
    if "refuted" in statuses:
        return records, Verdict.VACUOUS
    return records, Verdict.INCONCLUSIVE if "undecided" in statuses else None


def run_case(claim: Claim, case: Case, context: Context) -> Record:
    """Run one case and return its record; an exception makes it an ERROR, with the message."""
    started = time.perf_counter()
    record: Record = {
        "id": case.id,
        "parameters": case.parameters(),
        "options": dict(case.options),
        "role": claim.role(case),
        "hypotheses": [],
        "margin": None,
        "error": None,
        "units": "",
        "verdict": Verdict.ERROR.value,
        "conclusion_verdict": None,
        "reason": "",
        "evidence": [],
        "witness": None,
        "proofs": [],
        "proof_files": [],
        "notes": [],
    }
    try:
        record["hypotheses"], settled = examine(claim, case)
        if settled is not None:
            failed = [h for h in record["hypotheses"] if h["status"] in ("refuted", "undecided")]
            record["verdict"] = settled.value
            record["reason"] = "; ".join(f"{h['name']}: {h['detail']}" for h in failed)
        else:
            conclude(record, claim, case, context, claim.gather(case, context))
    except Exception as problem:
        record["verdict"] = Verdict.ERROR.value
        record["conclusion_verdict"] = Verdict.ERROR.value
        record["reason"] = f"{type(problem).__name__}: {problem}".splitlines()[0]
    record["seconds"] = time.perf_counter() - started
    found: Record = plain(record)
    return found


def conclude(
    record: Record, claim: Claim, case: Case, context: Context, evidence: Sequence[Evidence]
) -> None:
    """Fill evidence, verdict, reason and witness into a case's record."""
    if not evidence:
        raise RuntimeError("the claim gathered no evidence")
    record["evidence"] = [item.to_dict() for item in evidence]
    record["proofs"] = [dict(item.proof) for item in evidence if item.proof is not None]
    chosen = deciding(evidence)
    verdict = worst(item.verdict for item in evidence)
    record["margin"] = float(chosen.margin.value)
    record["error"] = float(chosen.margin.error)
    record["units"] = chosen.units
    if verdict is Verdict.REFUTED:
        verdict = settle(record, claim, case, context, chosen)
    elif verdict is Verdict.INCONCLUSIVE:
        record["reason"] = chosen.reason()
    elif verdict is Verdict.PROVED:
        record["reason"] = replayed(record["proofs"])
    elif verdict is Verdict.ERROR:
        record["reason"] = f"{chosen.name} came out as nan"
    record["verdict"] = record["conclusion_verdict"] = verdict.value


def replayed(proofs: Sequence[Record]) -> str:
    """Return how a case was proved, after the second engine has been through every proof.

    Raises
    ------
    RuntimeError
        If there is none, or one is rejected: then nothing is proved.
    """
    from sde_compare.regions import replay

    if not proofs:
        raise RuntimeError("PROVED without a proof")
    for proof in proofs:
        word = replay(proof)
        if not word.accepted:
            raise RuntimeError(f"the replay rejects {proof['title']!r}: {word.reason}")
    boxes = sum(count_boxes(part) for proof in proofs for part in proof["parts"])
    return f"{box_words(boxes)}; replayed in Arb"


def count_boxes(part: Record) -> int:
    """Return the number of boxes that a part of a proof, or an argument in it, rests on."""
    if "boxes" in part:
        return len(part["boxes"])
    inner = [part.get("proof"), *part.get("factors", ()), *part.get("terms", ())]
    return sum(count_boxes(item) for item in inner if isinstance(item, dict))


def box_words(boxes: int) -> str:
    """Return the number of boxes in words: a proof that needed one or none is labelled so."""
    return {0: "no box", 1: "one box"}.get(boxes, f"{boxes} boxes")


def settle(
    record: Record, claim: Claim, case: Case, context: Context, evidence: Evidence
) -> Verdict:
    """Store the witness of refuting evidence; without a second method's word it is undecided."""
    witness: Witness = claim.confirm(case, context, evidence)
    record["witness"] = witness.to_dict()
    second = str(witness.second.details.get("method", witness.second.name))
    if witness.confirmed:
        record["reason"] = f"{evidence.name} fails, and the second method ({second}) confirms it"
        return Verdict.REFUTED
    error, value = float(evidence.margin.error), float(evidence.margin.value)
    record["reason"] = (
        f"{evidence.name} = {value:.1e} fails beyond its error {error:.1e}, but the second method "
        f"({second}) comes out {witness.second.verdict}, so one of the two claims too small an "
        f"error; a finer run of both would decide it"
    )
    return Verdict.INCONCLUSIVE
