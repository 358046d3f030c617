"""``figures``: draw the figures, from stored records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from proofs_check.cli.errors import WHOLE, BadInputError, bad_input
from proofs_check.cli.options import writable_folder


@click.command(short_help="Draw the figures.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@click.option("--out", metavar="DIR", help="Folder; the figures go to DIR/figures.")
@click.option("--list", "show_list", is_flag=True, help="List the figures.")
@click.option("--quick", is_flag=True, help="Small samples (default).")
@click.option("--full", is_flag=True, help="Large samples.")
@click.option("--seed", type=WHOLE, default=0, help="Default 0.")
@click.option("--stored", is_flag=True, help="Draw the records in DIR again, compute nothing.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def figures(
    names: tuple[str, ...],
    out: str | None,
    show_list: bool,
    quick: bool,
    full: bool,
    seed: int,
    stored: bool,
    quiet: bool,
) -> int:
    """Draw figures NAME ... as PDF, SVG and PNG into the folder --out.

    Default: all that --list does not mark as drawn by name only.

    What is drawn is first computed and stored, as JSON with errors, in DIR/figures/data.
    """
    from proofs_check.figures import BY_NAME, TITLES
    from proofs_check.figures.catalogue import VERDICTS, has_record

    if show_list:
        width = max(map(len, TITLES))
        for name, title in TITLES.items():
            click.echo(f"{name:<{width}}  {title}{' (by name only)' if name in BY_NAME else ''}")
        return 0
    if quick and full:
        raise BadInputError("level must be one of --quick and --full, got both")
    from fokker_planck.model.checks import one_of, whole_number

    with bad_input():
        whole_number("seed", seed, minimum=0)
        for name in names:
            one_of("figure", name, tuple(TITLES))
    if out is None:
        raise BadInputError("out must be a folder to write in, got nothing (--out DIR)")
    if stored and not Path(out).is_dir():
        raise BadInputError(f"out must hold stored figures, got {out!r} (nothing is stored there)")
    folder = writable_folder("out", out)
    if stored and not any(has_record(name, folder) for name in names or TITLES):
        raise BadInputError(f"out must hold stored figures, got {out!r} (nothing is stored there)")
    missing = [name for name in names if stored and not has_record(name, folder)]
    if missing:
        raise BadInputError(f"figure {missing[0]!r} has no stored record in {out!r}")
    if VERDICTS in names and not stored and not (folder / "index.json").is_file():
        raise BadInputError(f"figure {VERDICTS!r} needs the records of verify in {out!r}")
    check_records(names, folder, stored)
    make_figures(names or None, folder, seed, "full" if full else "quick", stored, quiet=quiet)
    return 0


def check_records(names: Sequence[str], folder: Path, stored: bool) -> None:
    """Refuse records that cannot be read, naming the file."""
    from proofs_check.figures import catalogue

    for name in catalogue.selection(names or None, folder, stored):
        if stored:
            path = catalogue.data_path(name, folder)
            try:
                catalogue.check_record(name, folder)
            except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
                raise BadInputError(
                    f"figure {name!r} must have a record that can be drawn, got {str(path)!r}"
                ) from None
        elif name == catalogue.VERDICTS:
            try:
                catalogue.verdicts_digest(folder)
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                raise BadInputError(
                    f"figure {name!r} must have records of verify that can be read, got "
                    f"{str(folder / 'index.json')!r}"
                ) from None


def make_figures(
    names: Sequence[str] | None,
    folder: Path,
    seed: int,
    level: str,
    stored: bool = False,
    process: Any = None,
    jobs: int | None = None,
    quiet: bool = False,
    reuse: bool = False,
) -> None:
    """Compute (unless ``stored``), draw and save figures, saying which.

    With ``reuse``, a record of the very same model, seed, level and source is not computed again.
    """
    from proofs_check.figures import DIMENSIONS, catalogue
    from proofs_check.workers import default_jobs, run_tasks

    chosen = catalogue.selection(names, folder, stored)
    if process is not None and names is None:
        chosen = [n for n in chosen if DIMENSIONS.get(n, process.dimension) == process.dimension]
    tasks = [(name, folder, seed, level, stored, process, reuse) for name in chosen]
    files: dict[int, Path] = {}
    for index, result in run_tasks(make_figure, tasks, jobs or default_jobs()):
        if isinstance(result, BaseException):
            raise result
        files[index] = result
    if not quiet:
        for index in range(len(chosen)):
            click.echo(f"figure: {files[index]}")


def make_figure(
    name: str, folder: Path, seed: int, level: str, stored: bool, process: Any, reuse: bool
) -> Path:
    """Compute (unless ``stored``), draw and save one figure; return its PNG file."""
    from proofs_check.figures import catalogue
    from proofs_check.figures.style import SUFFIXES

    if reuse and catalogue.belongs(
        name, folder, catalogue.digest(name, folder, seed, level, process)
    ):
        if catalogue.is_drawn(name, folder):
            return catalogue.figure_path(name, folder, SUFFIXES[-1])
    elif not stored:
        catalogue.compute_record(name, folder, seed, level, process)
    return catalogue.draw_record(name, folder)[-1]
