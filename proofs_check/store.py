"""Records on disk: strict JSON, replaced as a whole, and finished cases keyed by content."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

Record = dict[str, Any]


def plain(x: Any) -> Any:
    """Return data as strict JSON holds it: nan and infinities become None."""
    if isinstance(x, dict):
        return {str(key): plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(item) for item in x]
    if isinstance(x, np.ndarray):
        return plain(x.tolist())
    if isinstance(x, (bool, np.bool_)):
        return bool(x)
    if isinstance(x, np.integer):
        return int(x)
    if isinstance(x, (float, np.floating)):
        return float(x) if math.isfinite(x) else None
    if isinstance(x, str):
        return str(x)
    return x


def write_json(path: Path, data: Any) -> None:
    """Write strict JSON, replacing the file as a whole."""
    text = json.dumps(plain(data), indent=1, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write to a temporary name in the same folder, then replace the file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@cache
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@cache
def versions() -> dict[str, str]:
    """Return the versions that results depend on, and a digest of the project's own source."""
    digest = hashlib.sha256()
    here = Path(__file__).resolve().parent
    for package in ("fokker_planck", "sde_compare", "proofs_check"):
        for path in sorted((here.parent / package).rglob("*.py")):
            digest.update(path.relative_to(here.parent).as_posix().encode())
            digest.update(path.read_bytes())
    names = {"project": "guidance-verifier", "numpy": "numpy", "scipy": "scipy"}
    found = {}
    for key, name in names.items():
        try:
            found[key] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[key] = "unknown"
    return {**found, "source": digest.hexdigest()[:16]}


def content_key(*parts: Any) -> str:
    """Return a short name computed from plain data: equal content, equal name."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def run_key(model: Any, seed: int, level: str) -> str:
    """Return the digest of a run: what every number of it is computed from.

    ``model`` is the specification of a user's own model, or None for the built-in cases.
    """
    return content_key("run", plain(model), seed, level, versions())


class Store:
    """A folder of records: ``claims/<ID>.json``, ``index.json`` and ``cells/<key>.json``.

    Proofs lie in ``proofs/``, one file each, for ``proofs-check replay``.

    Parameters
    ----------
    out : path
        The folder; made if it does not exist.

    Raises
    ------
    ValueError
        If it cannot be written to.
    """

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.path = Path(out)
        try:
            for name in ("index.json", "report.html"):
                if (self.path / name).is_dir():
                    raise IsADirectoryError(0, f"{name} is a folder")
            for folder in (
                self.path,
                *(self.path / name for name in ("claims", "cells", "proofs")),
            ):
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe"):
                    pass
        except OSError as problem:
            why = problem.strerror or type(problem).__name__
            raise ValueError(f"out: cannot write to {str(out)!r} ({why})") from None

    # -- cells: finished cases -----------------------------------------------------------------
    def _cell(self, key: str) -> Path:
        return self.path / "cells" / f"{key}.json"

    def save_cell(self, key: str, record: Record) -> None:
        """Keep the record of a finished case, with a checksum."""
        if self._cell(key).is_dir():
            return
        record = plain(record)
        write_json(self._cell(key), {"key": key, "check": content_key(record), "record": record})

    def load_cell(self, key: str) -> tuple[Record | None, str]:
        """Return the record kept under ``key``, or None, and a note if the cell is corrupted."""
        path = self._cell(key)
        if path.is_dir():
            return None, f"cell {path.name} was a folder: recomputed, not kept"
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None, ""
        except (OSError, UnicodeDecodeError) as problem:
            return None, f"cell {path.name} was unreadable ({type(problem).__name__}): recomputed"
        try:
            cell = json.loads(text)
            record = cell["record"]
            if cell["key"] == key and cell["check"] == content_key(record):
                return dict(record), ""
        except (ValueError, KeyError, TypeError):
            pass
        return None, f"cell {path.name} was corrupted: recomputed"

    # -- proofs: what the replay command reads --------------------------------------------------
    def with_proofs(self, claim_id: str, record: Record) -> Record:
        """Write the proofs of a case to files, and return the record with their names instead."""
        documents = record.get("proofs", ())
        if not documents:
            return record
        from sde_compare.regions import write as write_proof

        names = []
        for k, document in enumerate(documents):
            stem = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{claim_id}-{record['id']}")
            name = f"proofs/{stem}{f'-{k}' if k else ''}.json"
            while (self.path / name).is_dir():
                name = name.replace(".json", "-.json")
            # said before it is done: an interrupted run leaves no proof that is not known
            with self._written.open("a", encoding="utf-8") as file:
                file.write(name + "\n")
            write_proof(self.path / name, document)
            names.append(name)
        return {**record, "proofs": [], "proof_files": names}

    @property
    def _written(self) -> Path:
        return self.path / "proofs" / ".written"

    def forget_proofs(self) -> None:
        """Take away the proofs that earlier runs wrote into this folder, and nothing else."""
        try:
            names = self._written.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return
        for name in names:
            path = self.path / name
            if path.parent == self.path / "proofs" and path.is_file():
                path.unlink(missing_ok=True)
        self._written.unlink(missing_ok=True)

    # -- the records that everything else reads --------------------------------------------------
    def claim_file(self, claim_id: str) -> str:
        """Return the name of a claim's file, relative to the folder."""
        return f"claims/{claim_id}.json"

    def begin(self) -> None:
        """Take the index of an earlier run away: its claims are about to be replaced."""
        (self.path / "index.json").unlink(missing_ok=True)

    def forget_claim(self, claim_id: str) -> None:
        """Take away the record of a claim that an earlier run left."""
        (self.path / self.claim_file(claim_id)).unlink(missing_ok=True)

    def save_claim(self, record: Record) -> None:
        """Write the record of a claim."""
        write_json(self.path / self.claim_file(record["id"]), record)

    def save_index(self, report: Record) -> None:
        """Write the index: summary, environment and the files of the claims."""
        entries = [
            {
                "id": record["id"],
                "verdict": record["verdict"],
                "as_expected": record["as_expected"],
                "file": self.claim_file(record["id"]),
            }
            for record in report["claims"]
        ]
        write_json(self.path / "index.json", {**report, "claims": entries})
