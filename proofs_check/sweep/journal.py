"""Finished cells on disk: lines of strict JSON with a checksum, appended and never rewritten.

Every worker appends to a file of its own, one line per cell, as soon as the cell is finished; a
process that is killed leaves at most its last line incomplete. The next run, or the end of this
one, gathers all lines in ``cells.jsonl``, which is replaced as a whole.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proofs_check.store import content_key, plain, write_text

Record = dict[str, Any]
GATHERED = "cells.jsonl"
_TOKEN: tuple[int, str] | None = None
_KEY = re.compile(rb'"key": ?"([0-9a-f]{32})"')


@dataclass
class Found:
    """What the files of a folder hold: records by key, and the lines that are corrupted.

    ``corrupted`` has the place and, if it can still be read, the key of each such line; a last
    line without its end is a cell that was not finished, and no corruption.
    """

    records: dict[str, Record] = field(default_factory=dict)
    corrupted: list[tuple[str, str | None]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    untidy: bool = False


def line_of(key: str, record: Record) -> str:
    """Return the line of a cell."""
    record = plain(record)
    cell = {"key": key, "check": content_key(key, record), "record": record}
    return json.dumps(cell, allow_nan=False, ensure_ascii=False) + "\n"


def _parsed(line: bytes) -> tuple[str, Record] | None:
    try:
        cell = json.loads(line.decode("utf-8"))
        key, record = cell["key"], cell["record"]
        if cell["check"] == content_key(key, record):
            return str(key), dict(record)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def _own_file(folder: Path) -> Path:
    """Return the file that this process appends to."""
    global _TOKEN
    if _TOKEN is None or _TOKEN[0] != os.getpid():
        _TOKEN = (os.getpid(), secrets.token_hex(4))
    return folder / f"cells-{_TOKEN[0]}-{_TOKEN[1]}.jsonl"


def append(folder: Path, items: Iterable[tuple[str, Record]]) -> None:
    """Keep the records of finished cells, in one write."""
    data = "".join(line_of(key, record) for key, record in items).encode()
    path = _own_file(folder)
    with open(path, "ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:  # a line that an error cut short stays by itself
            file.seek(size - 1)
            if file.read(1) != b"\n":
                data = b"\n" + data
        while data:
            data = data[file.write(data) :]


def load(folder: Path) -> Found:
    """Read all finished cells of a folder."""
    found = Found(files=sorted(folder.glob("cells-*.jsonl")))
    found.untidy = bool(found.files)
    if (folder / GATHERED).exists():
        found.files.insert(0, folder / GATHERED)
    for path in found.files:
        data = path.read_bytes()
        *lines, rest = data.split(b"\n")
        found.untidy = found.untidy or bool(rest)
        for number, line in enumerate(lines, 1):
            cell = _parsed(line)
            if cell is not None:
                found.records[cell[0]] = cell[1]
            elif line:
                match = _KEY.search(line)
                key = match.group(1).decode() if match else None
                found.corrupted.append((f"{path.name} line {number}", key))
                found.untidy = True
    return found


def gather(folder: Path, found: Found) -> None:
    """Put all cells into one file, ordered by key, and take the others away."""
    if not found.untidy:
        return
    lines = (line_of(key, found.records[key]) for key in sorted(found.records))
    write_text(folder / GATHERED, "".join(lines))
    for path in found.files:
        if path.name != GATHERED:
            path.unlink(missing_ok=True)
