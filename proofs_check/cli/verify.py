"""``verify``: verdicts on claims, their records, figures and report."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from proofs_check.cli.browse import claim_id, known_claims
from proofs_check.cli.errors import WHOLE, BadInputError, bad_input
from proofs_check.cli.options import model_options, optional_process, writable_folder
from proofs_check.cli.output import print_json
from proofs_check.cli.progress import ORDER, LiveTable, Progress, Silent

if TYPE_CHECKING:
    from fokker_planck import ReverseProcess
    from fokker_planck.model import GuidedProcess
    from proofs_check import Report

DEFAULT_OUT = "proofs-check-out"
FIELDS = (
    *("claims", "claim", "process", "level", "seed", "jobs", "out", "dimension", "means"),
    *("n_steps", "rule"),
)


@click.command(short_help="Give claims a verdict.")
@click.argument("claims", nargs=-1, metavar="[CLAIM ...]")
@click.option("--quick", is_flag=True, help="The small case tables, under a minute (default).")
@click.option("--full", is_flag=True, help="The large case tables.")
@model_options(required=False)
@click.option("--steps", "n_steps", type=WHOLE, help="Your model's chain: equal steps.")
@click.option("--step-rule", "rule", metavar="RULE", help="Its rule; default euler.")
@click.option("--out", default=DEFAULT_OUT, metavar="DIR", help=f"Default {DEFAULT_OUT}.")
@click.option("--seed", type=WHOLE, default=0, help="Default 0.")
@click.option("--jobs", type=WHOLE, help="Processes; default: 2, or 1 on a single core.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def verify(
    claims: tuple[str, ...],
    quick: bool,
    full: bool,
    n_steps: int | None,
    rule: str | None,
    out: str,
    seed: int,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
    **model: Any,
) -> int:
    r"""Verify claims (default: all) on the built-in case tables, or on your own model.

    \b
    proofs-check verify
    proofs-check verify T1 E1 --weights '[.2,.8]' --means '[-1,1]' --target 0 --strength 2

    Writes a record per claim, an index, figures and a report into the folder --out.
    """
    if quick and full:
        raise BadInputError("level must be one of --quick and --full, got both")
    process = with_posterior(optional_process(model))
    from fokker_planck.model.checks import whole_number

    with bad_input():
        whole_number("seed", seed, minimum=0)
        if jobs is not None:
            whole_number("jobs", jobs, minimum=1)
    known = known_claims()
    chosen = list(dict.fromkeys(claim_id(name, known) for name in claims)) or None
    folder = writable_folder("out", out)
    level = "full" if full else "quick"
    import proofs_check as pc

    start = perf_counter()
    with watcher(as_json or quiet) as progress, bad_input(FIELDS):
        report = pc.verify(
            *(chosen, process, level, seed),
            out=folder,
            jobs=jobs,
            on_event=progress,
            n_steps=n_steps,
            rule=rule,
        )
    page = finish(folder, seed, level, process, jobs, quiet or as_json)
    if as_json:
        print_json(report.to_dict())
    elif not quiet:
        click.echo(summary_line(report, perf_counter() - start))
        click.echo(f"report: {page}")
    return report.exit_code


def with_posterior(process: GuidedProcess | None) -> ReverseProcess | None:
    """Return a process if it has a posterior; a pair of laws has none."""
    if process is None:
        return None
    from fokker_planck import ReverseProcess

    if not isinstance(process, ReverseProcess):
        raise BadInputError("class_law must not be given here: claims need a posterior, got a pair")
    return process


def watcher(silent: bool) -> Progress:
    """Return what shows progress here: a live table on a terminal, lines elsewhere, nothing."""
    if silent:
        return Silent()
    return LiveTable() if sys.stdout.isatty() else Progress()


def finish(
    folder: Path, seed: int, level: str, process: Any, jobs: int | None, quiet: bool
) -> Path:
    """Draw the figures of a run and write its report; return the report's path."""
    from proofs_check import report
    from proofs_check.cli.figures import make_figures

    chosen = drawable(process)
    make_figures(chosen, folder, seed, level, process=process, jobs=jobs, quiet=quiet, reuse=True)
    return report.write(folder)


def drawable(process: Any) -> list[str] | None:
    """Return the figures that make sense for a user's own model; None means all."""
    if process is None:
        return None
    plain = process.mixture.labels is None and process.is_linear
    # figures are of one strength, and mark components: on other models they would mislead
    if process.dimension > 2 or not plain or process.guidance.name != "constant":
        return ["verdicts"]
    if process.dimension == 2:
        return ["plane", "plane_time", "verdicts"]
    # without a rival component there is no confidence to gain or lose
    if (process.mixture.weights > 0).sum() == 1:
        return ["travel", "histogram", "verdicts"]
    return None


def summary_line(report: Report, seconds: float) -> str:
    """Return the counts per verdict and what they amount to."""
    counts = dict(report.summary)
    parts = [f"{counts[name]} {name}" for name in ORDER if counts.get(name)]
    ends = {
        0: "all as expected",
        1: "NOT AS EXPECTED",
        3: "something is undecided",
        4: "something FAILED TO RUN",
    }
    what = ends.get(report.exit_code, f"exit code {report.exit_code}")
    return f"{', '.join(parts)}: {what} ({seconds:.0f} s)"
