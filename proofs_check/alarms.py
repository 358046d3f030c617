"""One family-wise error rate for all statistical statements of a run.

Displayed intervals miss with probability at most 1e-3 / m each, m statements being known before
the run. Alarms, which are p-values of "the claim's inequality holds", are judged together by
Holm's method, which rejects whatever the intervals reject and sometimes more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from proofs_check.verdict import Verdict

if TYPE_CHECKING:
    from proofs_check.runner import Plan

Record = dict[str, Any]
FAMILY_RATE = 1e-3


def apply_holm(plan: Plan, done: dict[tuple[int, int], Record]) -> dict[tuple[int, int], Record]:
    """Return the case records with Holm's verdicts on statistical alarms.

    Statements without a p-value of their own (displayed intervals) count with p = 1. Evidence
    that Holm rejects but its own interval left undecided becomes REFUTED, confirmed by the
    claim's second method.
    """
    import sde_compare as sc

    found = [
        (pair, number, float(item["details"]["p_value"]))
        for pair, record in sorted(done.items())
        for number, item in enumerate(record["evidence"])
        if "p_value" in item["details"]
    ]
    p_values = np.ones(max(plan.statements, len(found)))
    p_values[: len(found)] = [p for _, _, p in found]
    out = dict(done)
    if not found:
        return out
    adjusted = np.asarray(sc.holm(p_values))
    for (pair, number, _), level in zip(found, adjusted, strict=False):
        record = out[pair] = _copied(out[pair])
        item = record["evidence"][number]
        item["details"]["p_value_holm"] = float(level)
        if level <= FAMILY_RATE and item["verdict"] == Verdict.INCONCLUSIVE.value:
            _reject(plan, pair, record, item)
    return out


def _copied(record: Record) -> Record:
    evidence = [{**item, "details": dict(item["details"])} for item in record["evidence"]]
    return {**record, "evidence": evidence}


def _reject(plan: Plan, pair: tuple[int, int], record: Record, item: Record) -> None:
    from proofs_check.casework import settle
    from proofs_check.evidence import Evidence

    claim, case = plan.claims[pair[0]], plan.cases[pair[0]][pair[1]]
    evidence = Evidence(
        item["name"], item["source"], item["margin"]["value"], item["details"]["budget"]
    )
    item["verdict"] = Verdict.REFUTED.value
    verdict = settle(record, claim, case, plan.context, evidence)
    record["verdict"] = record["conclusion_verdict"] = verdict.value
