"""Run the tasks one after the other in this process, then write what came out."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks import figure, sampling
from benchmarks.cases import CASES
from benchmarks.comparison import ratios, single_ratios
from benchmarks.measure import Row, environment, load, measure
from benchmarks.runs import tasks
from benchmarks.table import markdown, ratio_lines, sampling_lines, text_of_seconds, write_json

RECORD, TABLE = "benchmarks.json", "benchmarks.md"


def run(chosen: argparse.Namespace) -> int:
    """Run everything that was chosen, print it, and write record, table and figure."""
    started = time.perf_counter()
    about = environment()
    chosen.out.mkdir(parents=True, exist_ok=True)
    print(f"load average {about['load']}, {about['cores']} cores, threads {about['threads']}")
    for name in chosen.cases:
        print(f"{name}: drift of the peers within {CASES[name].check():.0e} of the project's")
    rows: list[Row] = []
    skipped: list[str] = []
    slow: set[tuple[str, str]] = set()
    for task in tasks(chosen.cases, chosen.packages, chosen.quick):
        what = f"{task.case.name} {task.package}, {task.settings}"
        if task.missing:
            line = f"{task.package}: {task.missing}"
            if line not in skipped:
                skipped.append(line)
            continue
        if (task.case.name, task.package) in slow:
            skipped.append(f"{what}: a coarser run took over {chosen.budget:g} s")
            continue
        row = measure(task.case, task.package, task.settings, task.prepare)
        if row.note:
            skipped.append(f"{what}: {row.note}")
            print(f"{what}: {row.note}", flush=True)
            continue
        rows.append(row)
        if row.seconds > chosen.budget:
            slow.add((row.case, row.package))
        claim = "" if row.claimed_error is None else f"  claimed {row.claimed_error:.1e}"
        print(
            f"{row.case:3} {row.package:22} {row.settings:40} {text_of_seconds(row.seconds):>9}"
            f"  error {row.true_error:.1e}{claim}",
            flush=True,
        )
        _keep(chosen.out, rows, [], skipped, about, started)  # an interrupted run leaves these
    rates = [] if chosen.no_sampling else sampling.rates(quick=chosen.quick)
    _keep(chosen.out, rows, rates, skipped, about, started)
    _write(chosen.out, rows, rates, skipped, about)
    return 0


def _keep(
    folder: Path,
    rows: list[Row],
    rates: list[dict[str, Any]],
    skipped: list[str],
    about: dict[str, Any],
    started: float,
) -> None:
    """Write the record of what was run so far."""
    about |= {"load_after": load(), "seconds": time.perf_counter() - started}
    record = {
        "environment": about,
        "rows": [row.record() for row in rows],
        "sampling": rates,
        "skipped": skipped,
    }
    write_json(folder / RECORD, record)


def redraw(folder: Path) -> int:
    """Write table and figure again from the record of an earlier run."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    rows = [Row(**row) for row in record["rows"]]
    _write(folder, rows, record["sampling"], record["skipped"], record["environment"])
    return 0


def _write(
    folder: Path,
    rows: list[Row],
    rates: list[dict[str, Any]],
    skipped: list[str],
    about: dict[str, Any],
) -> None:
    found, methods = ratios(rows), single_ratios(rows)
    text = markdown(rows, found, methods, rates, skipped, about)
    (folder / TABLE).write_text(text, encoding="utf-8")
    if rows:
        figure.write(rows, folder)
    print()
    print("\n".join([*ratio_lines(found), "", *ratio_lines(methods)]))
    if rates:
        print("\n" + "\n".join(sampling_lines(rates)))
    for line in skipped:
        print(f"skipped: {line}")
    print(f"\n{folder / TABLE}, {folder / RECORD} and figure; {about['seconds']:.0f} s")
