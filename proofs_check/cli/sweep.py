"""``sweep``: many densities over the axes of a TOML file, kept cell by cell."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from proofs_check.cli.errors import FAILURE, OK, WHOLE, bad_input, one_line
from proofs_check.cli.output import print_json, progress_bar

if TYPE_CHECKING:
    from proofs_check.sweep import Sweep

#: failed cells that are named one by one
SHOWN = 5


@click.command(short_help="Solve over the axes of a TOML file.")
@click.argument("file", metavar="FILE")
@click.option("--out", metavar="DIR", help="Folder of cells and table; default: NAME-sweep.")
@click.option("--jobs", type=WHOLE, help="Processes; default: 2, or 1 on a single core.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON, nothing else.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def sweep(file: str, out: str | None, jobs: int | None, as_json: bool, quiet: bool) -> int:
    r"""Solve the density equation at every cell of a sweep, which FILE (TOML) states.

    \b
    title = "..."                      # may be left out
    [model]                            # named as the options of solve
    weights = [0.25, 0.5, 0.25]
    means = [-3, 0, 3]
    target = 1
    sampler = "ode"
    [chain]                            # left out, and no axis of steps: continuous time
    rule = "euler"                     # euler, exponential, ddim, ddpm, heun
    grid = "uniform"                   # uniform, signal, log-snr, linear-beta
    steps = 50                         # or step = 0.1
    together = 1                       # strengths of one chain in one go: faster, one unit
    [axes]                             # lists or ranges; the last varies fastest
    noise_level = [0, 1]
    strength = {from = 0, to = 15, count = 16, spacing = "linear"}   # or "log"
    [output]
    quantities = ["confidence", "entropy", "modes"]
    tol = 1e-8

    Axes: strength, scale, step_strength (h eta), step (h), steps, noise_level, separation,
    mean_scale, weight (of the target), horizon. Quantities: confidence, complement (1 -
    confidence), entropy, mean, variance, mass, modes. A mode counts if it rises above its
    surroundings by more than prominence = 0.01 (in [output]) of the highest; a chain that folds
    the line has no density but one smoothed by a Gaussian: bandwidth = 0.1 (in [output]).

    Writes table.json and table.csv, every value with its error; a cell that failed says why.
    A sweep that was stopped, by whatever means, goes on when the same line is run again: finished
    cells lie in cells.jsonl and cells-*.jsonl, and are found by what they are computed from. Each
    worker loses the one cell that it was at, or as many as are computed together.
    Exit code 4 if a cell failed.
    """
    with bad_input():
        from proofs_check.sweep import read_spec, run_sweep
        from proofs_check.sweep.cells import cells

        spec = read_spec(file)
        cells(spec)
    folder = Path(file).stem + "-sweep" if out is None else out
    start = perf_counter()
    with progress_bar("sweeping", quiet) as progress, bad_input(("out", "jobs")):
        found = run_sweep(spec, folder, jobs=jobs, progress=progress)
    for note in found.notes:
        click.echo(f"note: {one_line(note)}", err=True)
    tell_failures(found.table["rows"])
    if as_json:
        counts = {"computed": found.computed, "restored": found.restored, "notes": found.notes}
        print_json({"out": folder, **counts, **found.table})
    elif not quiet:
        click.echo(summary(found, perf_counter() - start))
        click.echo(f"table: {Path(folder) / 'table.csv'}")
    return FAILURE if found.table["failed"] else OK


def tell_failures(rows: list[dict[str, Any]]) -> None:
    """Say which cells failed, and why."""
    failed = [row for row in rows if row["values"] is None]
    for row in failed[:SHOWN]:
        point = ", ".join(f"{name} {value:g}" for name, value in row["point"].items())
        click.echo(f"failed: {point}: {one_line(row['reason'])}", err=True)
    if len(failed) > SHOWN:
        click.echo(f"failed: {len(failed) - SHOWN} more cells, see the table", err=True)


def summary(found: Sweep, seconds: float) -> str:
    """Return what was done, in one line."""
    count, table = found.table["cells"], found.table
    parts = [f"{count} cell{'s' if count != 1 else ''}", f"{found.computed} computed"]
    if found.restored:
        parts.append(f"{found.restored} found stored")
    equal = count - found.computed - found.restored
    if equal:
        parts.append(f"{equal} equal to others")
    tol, most = table["spec"]["output"]["tol"], above(table)
    if most:
        parts.append(f"{most} with an error above {tol:g}")
    if table["failed"]:
        parts.append(f"{table['failed']} FAILED")
    return f"{', '.join(parts)} ({seconds:.1f} s)"


def above(table: dict[str, Any]) -> int:
    """Return how many cells have an error that is unknown or above the tolerance."""
    tol = table["spec"]["output"]["tol"]

    def large(error: Any) -> bool:
        if isinstance(error, list):
            return any(map(large, error))
        return error is None or error > tol

    rows = [row["values"] for row in table["rows"] if row["values"] is not None]
    return sum(any(large(item["error"]) for item in values.values()) for values in rows)
