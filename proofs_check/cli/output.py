"""What goes to the terminal: strict JSON, small tables, a progress bar."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from fokker_planck import Estimate

Progress = Callable[[float, float], None]


def print_json(value: Any) -> None:
    """Print one strict JSON object on stdout."""
    from proofs_check.store import plain

    click.echo(json.dumps(plain(value), allow_nan=False, ensure_ascii=False))


def console(stderr: bool = False) -> Console:
    """Return a terminal to print tables on."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def digits(value: float, error: float) -> str:
    """Return ``value ± error`` with the digits that the error leaves, two of the error."""
    if not math.isfinite(value):
        return "unknown"
    if not math.isfinite(error):
        return f"{value:.6g} ± unknown"
    if error == 0:
        return f"{value:.15g} ± 0"
    places = 1 - math.floor(math.log10(error))
    return f"{value:.{min(max(places, 0), 17)}f} ± {error:.1e}"


def estimate_text(estimate: Estimate) -> str:
    """Return the text of one estimate, or of each entry of an array."""
    import numpy as np

    values, bars = np.asarray(estimate.value), np.asarray(estimate.error)
    rows = zip(np.atleast_2d(values.T).T, np.atleast_2d(bars.T).T, strict=True)
    # a vector entry by entry, a matrix row by row
    return "\n".join(
        ", ".join(digits(float(v), float(e)) for v, e in zip(*row, strict=True)) for row in rows
    )


def quantity_table(title: str, rows: list[tuple[str, str, str]]) -> None:
    """Print a table of quantity, value ± error, and what the error is worth."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    terminal = console()
    if not terminal.is_terminal:
        terminal.width = max(terminal.width, 100)
    table.add_column("quantity", no_wrap=True, overflow="fold")
    table.add_column("value ± error", justify="right", overflow="fold")
    room = sum(max(len(row[i]) for row in rows) + 2 for i in range(3))
    wide = terminal.width >= min(room, 72)
    if wide:
        table.add_column("error is")
    for row in rows:
        table.add_row(*(row if wide else row[:2]))
    terminal.print(table)


@contextmanager
def progress_bar(label: str, quiet: bool) -> Iterator[Progress | None]:
    """Give a callback ``(done, total)`` that moves a bar on stderr; None off a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress as Bar

    with Bar(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)

        def advance(done: float, total: float) -> None:
            bar.update(task, completed=done, total=total)

        yield advance
