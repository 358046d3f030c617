"""The front door of the replay: every part of a proof, checked anew, without the search."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import flint

from sde_compare.regions import proof
from sde_compare.regions.replay import form
from sde_compare.regions.replay.argument import check_nonnegative, function_of
from sde_compare.regions.replay.form import RejectedError, keyed, shown
from sde_compare.regions.replay.witness import check_witness

BITS = 128
LEAST_BITS = 100
KEYS = ("schema", "title", "statement", "parts", "digest")
PART_KEYS = {
    "nonnegative": ("name", "region", "function", "claim", "proof"),
    "negative somewhere": ("name", "region", "function", "claim", "witness"),
}


@dataclass(frozen=True)
class PartRecord:
    """What was checked of one part.

    Attributes
    ----------
    name, claim : str
    kind : str
        Kinds of proof in the order met, such as "factors, manifest, boxes"; or "witness".
    boxes : int
        Boxes checked.
    cuts : int
        How often the replay had to cut one of them in two.
    seconds : float
    """

    name: str
    claim: str
    kind: str
    boxes: int
    cuts: int
    seconds: float


@dataclass(frozen=True)
class Replayed:
    """The verdict of a replay.

    Attributes
    ----------
    accepted : bool
    reason : str
        The first problem, in one line; empty if accepted.
    title : str
    parts : tuple of PartRecord
        Parts that were accepted, before the first problem.
    bits : int
        Precision of the arithmetic.
    seconds : float
    """

    accepted: bool
    reason: str
    title: str
    parts: tuple[PartRecord, ...]
    bits: int
    seconds: float

    def __bool__(self) -> bool:
        return self.accepted

    @property
    def boxes(self) -> int:
        """Boxes checked in all parts."""
        return sum(part.boxes for part in self.parts)


def replay(data: Any, bits: int = BITS) -> Replayed:
    """Check a proof with Arb; nothing of it is believed but what is claimed of which function.

    Parameters
    ----------
    data : dict
        The contents of a proof file, see :mod:`sde_compare.regions.proof`.
    bits : int
        Precision of the arithmetic, at least 100.

    Returns
    -------
    Replayed
        Whatever ``data`` is: what is no proof is rejected, with the reason.

    Raises
    ------
    ValueError
        If ``bits`` is less than 100.
    """
    if isinstance(bits, bool) or not isinstance(bits, int) or bits < LEAST_BITS:
        raise ValueError(f"bits must be a whole number >= {LEAST_BITS}, got {shown(bits)}")
    start = perf_counter()
    parts: list[PartRecord] = []
    reason = ""
    try:
        with flint.ctx.workprec(bits):
            for k, part in enumerate(_opened(data)):
                parts.append(_part(k, part, bits))
    except RejectedError as problem:
        reason = " ".join(str(problem).split())
    except (MemoryError, RecursionError) as problem:
        reason = f"too large or too deep to check ({type(problem).__name__})"
    except Exception as problem:  # a failure of the replay is no proof either
        reason = f"the replay failed: {type(problem).__name__}: {problem}"
        reason = " ".join(reason.split())[:300]
    title = data.get("title") if isinstance(data, dict) else None
    return Replayed(
        accepted=not reason,
        reason=reason,
        title=title if isinstance(title, str) else "",
        parts=tuple(parts),
        bits=bits,
        seconds=perf_counter() - start,
    )


def replay_file(path: str | os.PathLike[str], bits: int = BITS) -> Replayed:
    """Check a proof file.

    Raises
    ------
    ValueError
        If it cannot be read or holds no JSON object, naming it.
    """
    return replay(proof.read(path), bits)


def _opened(data: Any) -> list[Any]:
    """Return the parts of a proof whose digest is right."""
    data = keyed("proof", data, KEYS)
    if data["schema"] != proof.SCHEMA:
        raise RejectedError(f"schema must be {proof.SCHEMA!r}, got {shown(data['schema'])}")
    for key in ("title", "statement"):
        if not isinstance(data[key], str):
            raise RejectedError(f"{key} must be text, got {shown(data[key])}")
    try:
        digest = proof.digest(data)
    except (ValueError, TypeError) as problem:
        raise RejectedError(f"the proof is not strict JSON ({problem})") from None
    if data["digest"] != digest:
        raise RejectedError("digest does not fit: the file was changed after it was written")
    parts = data["parts"]
    if not isinstance(parts, list) or not parts:
        raise RejectedError(f"parts must be a list of parts, got {shown(parts)}")
    return parts


def _part(k: int, part: Any, bits: int) -> PartRecord:
    """Check one part; its problem is named after it."""
    start = perf_counter()
    name = part.get("name") if isinstance(part, dict) else None
    label = f"part {k} ({name})" if isinstance(name, str) else f"part {k}"
    try:
        claim = part.get("claim") if isinstance(part, dict) else None
        if not isinstance(claim, str) or claim not in PART_KEYS:
            raise RejectedError(f"claim must be one of {', '.join(PART_KEYS)}, got {shown(claim)}")
        part = keyed("part", part, PART_KEYS[claim])
        if not isinstance(name, str):
            raise RejectedError(f"name must be text, got {shown(name)}")
        region = form.region(part["region"])
        nodes = function_of(part["function"], region)
        if claim == "negative somewhere":
            check_witness(nodes, region, part["witness"], bits)
            kinds, boxes, cuts = ["witness"], 0, 0
        else:
            kinds = []
            boxes, cuts = check_nonnegative(nodes, region, part["proof"], kinds, 0)
    except RejectedError as problem:
        raise RejectedError(f"{label}: {problem}") from None
    return PartRecord(name, claim, ", ".join(kinds), boxes, cuts, perf_counter() - start)
