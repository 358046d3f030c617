"""``verify``: run claims over cases, keep what is finished, report."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, cast

from fokker_planck import GaussianMixture, PairProcess, ReverseProcess
from fokker_planck.model.checks import one_of, shown, whole_number
from proofs_check.alarms import FAMILY_RATE, apply_holm
from proofs_check.casework import replayed, run_case
from proofs_check.records import Record, Report, claim_record, environment
from proofs_check.registry import LEVELS, Case, Claim, Context, Level, all_claims, select
from proofs_check.store import Store, content_key, run_key, versions
from proofs_check.workers import default_jobs, run_tasks
from sde_compare.rules import check_rule

OnEvent = Callable[[Record], None]


@dataclass(frozen=True)
class Plan:
    """What a run will do, fixed before any work: claims, their cases, the shared error rate."""

    claims: tuple[Claim, ...]
    cases: tuple[tuple[Case, ...], ...]
    context: Context
    statements: int
    own_model: bool

    def run_key(self) -> str:
        """Return the digest of model, seed, level and source: figures of the run carry it too."""
        model = self.cases[0][0].process.spec() if self.own_model else None
        return run_key(model, self.context.seed, self.context.level)

    def tasks(self) -> list[tuple[int, int]]:
        """Return (claim, case) index pairs, dear claims first; the order changes no result."""
        pairs = [(i, j) for i, table in enumerate(self.cases) for j in range(len(table))]
        return sorted(pairs, key=lambda pair: -self.claims[pair[0]].cost)

    def key(self, i: int, j: int) -> str:
        """Return the content key of a case: everything that its record depends on."""
        claim, case, context = self.claims[i], self.cases[i][j], self.context
        return content_key(
            claim.head(),
            case.id,
            case.process.spec(),
            dict(case.options),
            [context.level, context.seed, context.share],
            versions(),
        )


def make_plan(
    claims: Sequence[Claim],
    process: ReverseProcess | None,
    level: Level,
    seed: int,
    options: Mapping[str, Any] | None = None,
) -> Plan:
    """Fix the cases and share the family-wise error rate among the statistical statements."""
    if process is None:
        tables = tuple(tuple(claim.cases(level, seed)) for claim in claims)
    else:
        own = Case("own", process, dict(options or {}))
        tables = tuple((own,) for _ in claims)
    statements = sum(
        claim.statements(case)
        for claim, table in zip(claims, tables, strict=True)
        for case in table
    )
    context = Context(level, seed, FAMILY_RATE / max(1, statements))
    return Plan(tuple(claims), tables, context, statements, process is not None)


def verify(
    claims: Sequence[str] | None = None,
    process: ReverseProcess | None = None,
    level: str = "quick",
    seed: int = 0,
    *,
    out: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    on_event: OnEvent | None = None,
    n_steps: int | None = None,
    rule: str | None = None,
) -> Report:
    """Test claims on their case tables, or on one model of the user's own.

    Parameters
    ----------
    claims : sequence of str, optional
        Ids such as ``["T1", "E1"]``; None means all.
    process : ReverseProcess, optional
        The only case, in place of the case tables. A claim whose hypotheses it does not meet
        comes out VACUOUS.
    level : {"quick", "full"}
        Which case tables.
    seed : int
        Seed of the run. Results depend on it and on content alone, not on ``jobs``.
    out : path, optional
        Folder for the records: ``claims/<ID>.json``, ``index.json``, and ``cells/``, from which
        an interrupted run resumes.
    jobs : int, optional
        Number of processes; by default two, where there are two cores.
    on_event : callable, optional
        Called in this process with a dict per event: ``{"type": "start", "claims": [{"id",
        "n_cases"}]}``, ``{"type": "case", "claim", "case", "verdict", "margin", "error",
        "evidence"}``, ``{"type": "claim", "record"}`` and ``{"type": "done"}``.

    n_steps, rule : int and str, optional
        With ``process``: the chain of that many equal steps of a rule, for the claims about chains.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If an argument is out of range or ``out`` cannot be written to, before any work.

    Notes
    -----
    Verdicts and the sharing of the family-wise error rate: docs/theory.md, and
    :mod:`proofs_check.verdict`.
    """
    chosen = select(claims)
    if process is not None:
        process = checked_process(process)
    depth = cast(Level, one_of("level", level, LEVELS))
    seed = whole_number("seed", seed, minimum=0)
    jobs = default_jobs() if jobs is None else whole_number("jobs", jobs, minimum=1)
    chain = chain_options(process, n_steps, rule)
    store = None if out is None else Store(checked_path(out))
    return run(make_plan(chosen, process, depth, seed, chain), store, jobs, on_event)


def chain_options(
    process: ReverseProcess | None, n_steps: int | None, rule: str | None
) -> dict[str, Any]:
    """Return the options of a user's own case that say which chain is meant.

    Raises
    ------
    ValueError
        If they are given without a model, or are out of range, naming the field.
    """
    if n_steps is None and rule is None:
        return {}
    if process is None:
        raise ValueError("n_steps must be given with a model of your own only")
    count = whole_number("n_steps", n_steps, minimum=1)
    chosen = check_rule(process, "euler" if rule is None else rule)
    found: dict[str, Any] = {"n_steps": count, "rule": chosen}
    if chosen == "euler":
        found["h"] = process.horizon / count
    return found


def checked_process(process: Any) -> ReverseProcess:
    """Return the process that claims see: with a posterior, and without labels that say nothing.

    Where the target's class is one component, labels of the others change no score.
    """
    if isinstance(process, PairProcess):
        raise ValueError("process must have a posterior, got a pair of class and total law")
    if not isinstance(process, ReverseProcess):
        raise ValueError(f"process must be a ReverseProcess, got {shown(process)}")
    try:
        pickle.dumps(process)
    except Exception:
        raise ValueError(
            f"process must be made of importable functions, got {shown(process)}"
        ) from None
    mixture = process.mixture
    own = mixture.members(process.target)
    if mixture.labels is None or own.size > 1:
        return process
    plain = GaussianMixture(
        mixture.weights, mixture.means, mixture.covariances, atoms=mixture.singular
    )
    return ReverseProcess(
        plain,
        int(own[0]),
        process.guidance,
        process.noise_level,
        process.horizon,
        process.schedule,
        process.initial,
        process.stop,
        process.perturbation,
    )


def checked_path(out: Any) -> str | os.PathLike[str]:
    """Return ``out`` if it can name a folder."""
    if not isinstance(out, (str, os.PathLike)) or not os.fspath(out):
        raise ValueError(f"out must be a path, got {shown(out)}")
    return out


def run(
    plan: Plan, store: Store | None = None, jobs: int = 1, on_event: OnEvent | None = None
) -> Report:
    """Carry out a plan; what is finished is kept in the store even if it is interrupted."""
    tell = on_event or (lambda event: None)
    tables = zip(plan.claims, plan.cases, strict=True)
    tell({"type": "start", "claims": [{"id": c.id, "n_cases": len(t)} for c, t in tables]})
    done: dict[tuple[int, int], Record] = {}
    records: dict[int, Record] = {}

    def finish(i: int, j: int, record: Record) -> None:
        if store is not None:
            record = store.with_proofs(plan.claims[i].id, record)
        done[i, j] = record
        tell(
            {
                "type": "case",
                "claim": plan.claims[i].id,
                "case": j,
                **{key: record[key] for key in ("verdict", "margin", "error", "evidence")},
            }
        )
        cases = [done.get((i, k)) for k in range(len(plan.cases[i]))]
        whole = [case for case in cases if case is not None]
        if len(whole) == len(cases) and not any(raises_alarms(case) for case in whole):
            close(i, whole)

    def close(i: int, cases: list[Record]) -> None:
        records[i] = claim_record(plan.claims[i], cases, plan.own_model)
        if store is not None:
            store.save_claim(records[i])
        tell({"type": "claim", "record": records[i]})

    if store is not None:
        store.begin()
        store.forget_proofs()
    todo = []
    notes: dict[tuple[int, int], str] = {}
    for pair in plan.tasks():
        kept, note = (None, "") if store is None else store.load_cell(plan.key(*pair))
        if kept is not None and (problem := unproved(kept)):
            kept, note = None, f"a kept case of {plan.claims[pair[0]].id} {problem}: recomputed"
        notes[pair] = note
        if kept is None:
            todo.append(pair)
        else:
            finish(*pair, kept)
    tasks = [(plan.claims[i], plan.cases[i][j], plan.context) for i, j in todo]
    with closing(run_tasks(run_case, tasks, jobs)) as results:
        for index, result in results:
            i, j = todo[index]
            record = failed(plan, i, j, result) if isinstance(result, BaseException) else result
            if store is not None and record["verdict"] != "ERROR":
                store.save_cell(plan.key(i, j), record)
            if notes[i, j]:
                record = {**record, "notes": [*record["notes"], notes[i, j]]}
            finish(i, j, record)
    adjusted = apply_holm(plan, done)
    for i in range(len(plan.claims)):
        if i not in records:
            close(i, [adjusted[i, j] for j in range(len(plan.cases[i]))])
    more = {
        "family_wise_error": FAMILY_RATE,
        "statistical_statements": plan.statements,
        "own_model": plan.own_model,
        "run": plan.run_key(),
    }
    env = environment(plan.context.level, plan.context.seed, **more)
    ordered = [records[i] for i in range(len(plan.claims))]
    report = Report(ordered, env, plan.own_model, None if store is None else str(store.path))
    if store is not None:
        store.save_index(report.to_dict())
        for name in {claim.id for claim in all_claims()} - {claim.id for claim in plan.claims}:
            store.forget_claim(name)
    tell({"type": "done"})
    return report


def unproved(record: Record) -> str:
    """Return what is wrong with a kept case that says PROVED, empty if its proofs replay."""
    if record["verdict"] != "PROVED":
        return ""
    try:
        replayed(record.get("proofs", []))
    except (RuntimeError, KeyError, TypeError, ValueError):
        return "has no proof that replays"
    return ""


def raises_alarms(record: Record) -> bool:
    """Whether a case has evidence whose alarm waits for Holm's method over the whole run."""
    return any("p_value" in item["details"] for item in record["evidence"])


def failed(plan: Plan, i: int, j: int, problem: BaseException) -> Record:
    """Return the ERROR record of a case whose worker did not come back."""

    def refuse(*_: Any) -> Any:
        raise RuntimeError(f"worker failed: {type(problem).__name__}: {problem}")

    return run_case(
        replace(plan.claims[i], hypotheses=(), gather=refuse), plan.cases[i][j], plan.context
    )
