"""Proofs as plain data on disk: what is claimed of which functions, and how each claim is shown.

A proof file is strict JSON::

    {"schema": "guidance-verifier/proof-1", "title": ..., "statement": ...,
     "parts": [PART, ...], "digest": ...}

    PART  {"name": ..., "region": [[variable, low, high], ...], "function": NODES,
           "claim": "nonnegative", "proof": HOW}
          {..., "claim": "negative somewhere", "witness": {variable: number, ...}}

``region`` and ``witness`` hold numbers as text, exactly ("p/q", "inf", "-inf"); NODES are those of
:mod:`sde_compare.regions.expression`. "nonnegative" says that the function is defined and >= 0 at
every real point of the region. HOW is one of

=============================================  ================================================
``{"kind": "manifest"}``                       the rules of signs show it: no box is needed
``{"kind": "factors", "factors": [HOW, ...]}`` the last node is a product; every factor is >= 0
``{"kind": "terms", "terms": [HOW, ...]}``     the last node is a sum; every term is >= 0
``{"kind": "identity", "function": NODES,      the function equals another one identically (as
"proof": HOW}``                                rational functions of variables and of exp, log,
                                               sqrt, tanh of what they are applied to), which is
                                               shown to be >= 0
``{"kind": "roots"}``                          a polynomial in one variable: its roots are counted
``{"kind": "boxes", "bound": number,           the boxes tile the smallest box of doubles that
"boxes": [[low, high, low, high, ...], ...]}`` holds the region; in each the function is >= bound
                                               >= 0; ends in the order of ``region``, infinities
                                               as text
=============================================  ================================================

``digest`` is the SHA-256 of the rest, so that an edit is noticed before anything is computed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCHEMA = "guidance-verifier/proof-1"
Data = dict[str, Any]


def digest(data: Data) -> str:
    """Return the SHA-256 of a proof without its digest."""
    rest = {key: value for key, value in data.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def document(title: str, statement: str, parts: Sequence[Data]) -> Data:
    """Return the proof of a statement from its parts."""
    data: Data = {
        "schema": SCHEMA,
        "title": title,
        "statement": statement,
        "parts": list(parts),
    }
    return {**data, "digest": digest(data)}


def end(value: float) -> float | str:
    """Return the end of a box as strict JSON holds it."""
    return value if math.isfinite(value) else str(value)


def write(path: str | os.PathLike[str], data: Data) -> Path:
    """Write a proof to a temporary name in the same folder, then rename it.

    Raises
    ------
    ValueError
        If the file cannot be written.
    """
    target = Path(path)
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    name = ""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.chmod(name, 0o644)
        os.replace(name, target)
    except OSError as problem:
        Path(name).unlink(missing_ok=True) if name else None
        raise ValueError(
            f"out: cannot write {str(target)!r} ({problem.strerror or problem})"
        ) from None
    return target


def _once(pairs: list[tuple[str, Any]]) -> Data:
    """Return an object whose keys differ: of two equal ones a reader may see the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object with one key twice")
    return found


def read(path: str | os.PathLike[str]) -> Data:
    """Read a proof file.

    Raises
    ------
    ValueError
        If it cannot be read, is not JSON, or repeats a key, naming it.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=_once)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as problem:
        why = getattr(problem, "strerror", None) or type(problem).__name__
        raise ValueError(f"file: cannot read a proof from {str(path)!r} ({why})") from None
    if not isinstance(data, dict):
        raise ValueError(f"file: {str(path)!r} does not hold a proof")
    return data
