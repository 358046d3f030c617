"""The table of a run, as markdown and as strict JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.comparison import Ratio
from benchmarks.measure import Row

HOW = """\
Time: the fastest of the warm runs, wall clock, one process, one setting after the other.
*Before* is what went ahead of the clock, once per setting: grids, and for py-pde the compilation,
which its `solve` repeats in every call (no cache on disk). True error: the larger error of entropy
and posterior mass at the output against the reference values, not below the accuracy of these.
Claimed: the project's own error claim, whose computation is part of its time; peers make none.
Drift: peers evaluate a hand-written closed form (checked against the project's), the project its
general model code. Peers: functionals by plain sums on their grids, nothing extrapolated."""


def text_of_seconds(seconds: float) -> str:
    """Return a time with its unit."""
    if not math.isfinite(seconds):
        return "–"
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _error(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.1e}"


def _row_lines(rows: list[Row]) -> list[str]:
    lines = [
        "| package | settings | time | before | true error | claimed |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        settings = f"{row.settings} ({row.note})" if row.note else row.settings
        lines.append(
            f"| {row.package} | {settings} | {text_of_seconds(row.seconds)} "
            f"| {text_of_seconds(row.prepare_seconds)} | {_error(row.true_error)} "
            f"| {_error(row.claimed_error)} |"
        )
    return lines


def ratio_lines(ratios: list[Ratio]) -> list[str]:
    """Return the markdown table of the ratios."""
    lines = [
        "| case | peer | true error | peer | project | ratio | with its preparation | wanted |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for ratio in ratios:
        wanted = "–"
        if ratio.wanted is not None:
            wanted = f"{ratio.wanted:g}: {'met' if ratio.met else 'NOT met'}"
        whole = f"{ratio.with_preparation:.3g}" if ratio.peer_prepare_seconds else "–"
        lines.append(
            f"| {ratio.case} | {ratio.peer} | {ratio.error:.1e} "
            f"| {text_of_seconds(ratio.peer_seconds)} | {text_of_seconds(ratio.our_seconds)} "
            f"| {ratio.value:.3g} | {whole} | {wanted} |"
        )
    return lines


def sampling_lines(rates: list[dict[str, Any]]) -> list[str]:
    """Return the markdown table of the samplers' rates."""
    lines = ["| what | threads | per second |", "|---|---:|---:|"]
    for rate in rates:
        lines.append(f"| {rate['name']} | {rate['threads']} | {rate['per_second']:.2e} |")
    return lines


def markdown(
    rows: list[Row],
    ratios: list[Ratio],
    methods: list[Ratio],
    rates: list[dict[str, Any]],
    skipped: list[str],
    environment: dict[str, Any],
) -> str:
    """Return the whole document."""
    versions = ", ".join(f"{k} {v}" for k, v in environment["versions"].items() if v)
    threads = environment["threads"]
    lines = [
        "# Benchmarks",
        "",
        "Made by `python -m benchmarks`.",
        "",
        f"Python {environment['python']}, {versions}; {environment['processor']}, "
        f"{environment['cores']} cores; threads {threads}; load average before "
        f"{environment['load']}, after {environment.get('load_after')}.",
        "",
        HOW,
        "",
        "![True error against wall time](work_precision.png)",
    ]
    if ratios:
        lines += ["", "## At equal true error", "", *ratio_lines(ratios)]
    if methods:
        lines += ["", "Each peer by itself, interpolated:", "", *ratio_lines(methods)]
    for name in dict.fromkeys(row.case for row in rows):
        lines += ["", f"## {name}: {CASES[name].label}", ""]
        lines += _row_lines([row for row in rows if row.case == name])
    if rates:
        lines += ["", "## Samplers", "", *sampling_lines(rates)]
    if skipped:
        lines += ["", "## Skipped", "", *[f"- {line}" for line in skipped]]
    return "\n".join(lines) + "\n"


def _strict(value: Any) -> Any:
    """Return plain data without inf and nan."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return value


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record as strict JSON."""
    text = json.dumps(_strict(record), indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
