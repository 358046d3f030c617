"""Claims and cases as data, and the list of all claims."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np

from fokker_planck import ReverseProcess
from proofs_check.evidence import Evidence, Witness
from proofs_check.verdict import Verdict

Status = Literal["theorem", "conjecture", "counterexample"]
Level = Literal["quick", "full"]
LEVELS: tuple[Level, ...] = ("quick", "full")
PAPER = "Wu et al., arXiv 2403.01639"


@dataclass(frozen=True)
class Condition:
    """What was found about one hypothesis on one case.

    ``status`` is "proved" or "refuted" if exact arithmetic decided it, "undecided", or "assumed".
    """

    status: Literal["proved", "refuted", "undecided", "assumed"]
    detail: str = ""


@dataclass(frozen=True)
class Hypothesis:
    """A hypothesis of a claim: its name, its wording, and how a case is examined for it.

    ``examine`` takes the process of a case; with ``of_case`` the case itself, for what depends on
    its options.
    """

    name: str
    text: str
    examine: Callable[[Any], Condition]
    of_case: bool = False

    def on(self, case: Case) -> Condition:
        """Return what is found on a case."""
        return self.examine(case if self.of_case else case.process)


@dataclass(frozen=True)
class Case:
    """A reverse process on which a claim is tested, with plain options for its evidence."""

    id: str
    process: ReverseProcess
    options: Mapping[str, Any] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """Return the process as plain data, in the form that the command line takes."""
        p = self.process
        scalar = p.dimension == 1
        mixture = {
            "weights": p.mixture.weights.tolist(),
            "means": (p.mixture.means[:, 0] if scalar else p.mixture.means).tolist(),
            "covariances": (
                p.mixture.covariances[:, 0, 0] if scalar else p.mixture.covariances
            ).tolist(),
        }
        lam = p.noise_level
        # what only some models have is left out of the records of the others
        more: dict[str, Any] = {}
        if p.mixture.labels is not None:
            more["labels"] = p.mixture.labels.tolist()
        if len(p.schedule.spec()) > 1:
            more["schedule_parameters"] = p.schedule.spec()
        if p.stop:
            more["stop"] = p.stop
        if p.perturbation is not None:
            more["perturbation"] = p.perturbation.spec(p.dimension, p.start_time)
        return {
            **mixture,
            **more,
            "target": p.target,
            "strength": p.strength,
            "guidance": p.guidance.spec(),
            "noise_level": lam,
            "sampler": {0.0: "ode", 1.0: "sde"}.get(lam, f"noise_level={lam:g}"),
            "horizon": p.start_time,
            "schedule": p.schedule.spec()["name"],
            "initial": p.initial.spec(),
        }


def without_guidance(process: ReverseProcess) -> bool:
    """Whether guidance does nothing: strength 0, or no component that differs from the target."""
    mixture, y = process.mixture, process.target
    used = mixture.weights > 0
    same = np.all(mixture.means[used] == mixture.means[y]) and np.all(
        mixture.covariances[used] == mixture.covariances[y]
    )
    return bool(process.strength == 0 or same)


@dataclass(frozen=True)
class Context:
    """What a run tells every case.

    Parameters
    ----------
    level : {"quick", "full"}
    seed : int
        Seed of the run; a case mixes its own content into it.
    share : float
        Missed coverage allowed to one statistical statement: 1e-3 over their number in the run.
    """

    level: Level = "quick"
    seed: int = 0
    share: float = 1e-3


def no_statements(case: Case) -> int:
    """Return 0: nothing about the case is statistical."""
    return 0


@dataclass(frozen=True)
class Claim:
    """A statement with its hypotheses, its cases, and how evidence on a case is gathered.

    Parameters
    ----------
    id, title, statement, latex : str
        The statement in words and in LaTeX; ids are those of docs/theory.md.
    status : {"theorem", "conjecture", "counterexample"}
        A counterexample states what is false, and is expected to be REFUTED.
    hypotheses : tuple of Hypothesis
        Examined on every case; a refuted one makes the case VACUOUS.
    cases : callable
        ``cases(level, seed)`` returns the case table.
    gather : callable
        ``gather(case, context)`` returns the evidence.
    confirm : callable
        ``confirm(case, context, evidence)`` re-evaluates refuting evidence by a second method.
    equality : bool
        Both sides are equal in every case, so that every case is a control.
    statements : callable
        Number of statistical statements made on a case: the run shares 1e-3 among them.
    covers : frozenset of str
        Names of implied hypotheses (``claims.hypotheses.IMPLIED``) that the claim does without.
    cost : float
        Seconds that a case takes, roughly: dear cases are started first.
    proves : bool
        Arithmetic over a whole region is expected to decide it: PROVED, nothing less.
    """

    id: str
    title: str
    statement: str
    latex: str
    status: Status
    hypotheses: tuple[Hypothesis, ...]
    cases: Callable[[Level, int], Sequence[Case]]
    gather: Callable[[Case, Context], Sequence[Evidence]]
    confirm: Callable[[Case, Context, Evidence], Witness]
    equality: bool = False
    statements: Callable[[Case], int] = no_statements
    covers: frozenset[str] = frozenset()
    note: str = ""
    cost: float = 1.0
    proves: bool = False

    @property
    def expected(self) -> Verdict:
        """The verdict that the built-in cases should come out with."""
        if self.proves:
            return Verdict.PROVED
        return Verdict.REFUTED if self.status == "counterexample" else Verdict.SUPPORTED

    @property
    def reference(self) -> str:
        """Where the statement and its proof stand."""
        return f"docs/theory.md, {self.id}; {PAPER}"

    def role(self, case: Case) -> str:
        """Return "control" where both sides are equal by construction, else "case"."""
        return "control" if self.equality or without_guidance(case.process) else "case"

    def head(self) -> dict[str, Any]:
        """Return the part of a record that does not depend on cases."""
        return {
            "id": self.id,
            "title": self.title,
            "statement": self.statement,
            "latex": self.latex,
            "status": self.status,
            "expected": self.expected.value,
            "reference": self.reference,
            "note": self.note,
            "hypotheses": [{"name": h.name, "text": h.text} for h in self.hypotheses],
        }


@cache
def all_claims() -> tuple[Claim, ...]:
    """Return all claims, in the order in which they are shown."""
    found = importlib.import_module("proofs_check.claims").CLAIMS
    ids = [claim.id for claim in found]
    if len(set(ids)) != len(ids):
        raise RuntimeError(f"claim ids repeat: {ids}")
    return tuple(found)


def select(ids: Sequence[str] | None = None) -> tuple[Claim, ...]:
    """Return the claims of these ids in registry order; None means all.

    Raises
    ------
    ValueError
        If an id is unknown, naming it and the known ones.
    """
    known = {claim.id: claim for claim in all_claims()}
    if ids is None:
        return all_claims()
    if isinstance(ids, str):
        ids = [ids]
    if isinstance(ids, Mapping) or not isinstance(ids, Iterable):
        raise ValueError(f"claims must be a list of claim ids, got {ids!r}")
    ids = list(ids)
    if not ids:
        raise ValueError(f"claims must name at least one claim, got []; known: {', '.join(known)}")
    for item in ids:
        if not isinstance(item, str) or item not in known:
            raise ValueError(f"claims: unknown claim {item!r}; known: {', '.join(known)}")
    return tuple(claim for claim in all_claims() if claim.id in set(ids))
