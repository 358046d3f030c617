"""The table of a finished sweep: strict JSON and CSV, the same to the bit however it was made."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from proofs_check.store import plain, versions, write_text
from proofs_check.sweep.cells import Cell
from proofs_check.sweep.spec import Spec

Record = dict[str, Any]
SCHEMA = "proofs-check/sweep/1"


def make_table(spec: Spec, cells: Sequence[Cell], records: Sequence[Record]) -> Record:
    """Return the table as plain data."""
    rows = [
        {"point": {**cell.point}, **cell.derived(), **record, "key": cell.key}
        for cell, record in zip(cells, records, strict=True)
    ]
    failed = sum(record["values"] is None for record in records)
    table: Record = plain(
        {
            "schema": SCHEMA,
            "title": spec.title,
            "spec": spec.to_dict(),
            "versions": versions(),
            "cells": len(cells),
            "failed": failed,
            "rows": rows,
        }
    )
    return table


def write_table(folder: Path, table: Record) -> None:
    """Write ``table.csv`` and ``table.json``, each replaced as a whole."""
    write_text(folder / "table.csv", as_csv(table))
    write_text(folder / "table.json", as_json(table))


def forget_table(folder: Path) -> None:
    """Take the table of an earlier sweep away: it is about to be replaced."""
    for name in ("table.json", "table.csv"):
        (folder / name).unlink(missing_ok=True)


def as_json(table: Record) -> str:
    """Return strict JSON with one line per cell."""

    def text(x: Any) -> str:
        return json.dumps(x, allow_nan=False, ensure_ascii=False)

    head = [f" {text(name)}: {text(value)}" for name, value in table.items() if name != "rows"]
    rows = ",\n".join(f"  {text(row)}" for row in table["rows"])
    return "{\n" + ",\n".join([*head, f' "rows": [\n{rows}\n ]']) + "\n}\n"


def as_csv(table: Record) -> str:
    """Return a line per cell: axes, what follows from them, each output with its error, reason."""
    rows = [_flat(row) for row in table["rows"]]
    columns: dict[str, None] = {}
    for name in table["spec"]["axes"]:
        columns[name] = None
    for row in rows:
        columns.update(dict.fromkeys(name for name in row if name not in ("reason", "note")))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*columns, "reason", "note"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _flat(row: Record) -> Record:
    out = {**row["point"]}
    out.update({k: v for k, v in row.items() if k not in ("point", "values", "key")})
    for name, item in (row["values"] or {}).items():
        for index, value, error in _entries(item["value"], item["error"]):
            out[f"{name}{index}"], out[f"{name}{index}_error"] = value, error
    return {name: "" if value is None else value for name, value in out.items()}


def _entries(value: Any, error: Any, index: str = "") -> Iterator[tuple[str, Any, Any]]:
    if not isinstance(value, list):
        yield index, value, error
        return
    for i, (one, bar) in enumerate(zip(value, error, strict=True)):
        yield from _entries(one, bar, f"{index}[{i}]")
