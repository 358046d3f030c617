"""``replay``: check proof files with a second engine, without the search that found them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from proofs_check.cli.errors import OK, UNEXPECTED, bad_input, one_line
from proofs_check.cli.output import print_json, progress_bar

if TYPE_CHECKING:
    from sde_compare.regions import Replayed


def record(file: str, found: Replayed) -> dict[str, Any]:
    """Return what ``--json`` says of one file."""
    return {"file": file, **asdict(found), "boxes": found.boxes}


def line(file: str, found: Replayed) -> str:
    """Return what is printed of one file."""
    claims = Counter(part.claim for part in found.parts)
    shown = [f"{count} {claim}" for claim, count in claims.items()]  # the title is but words
    shown.append(f"{found.boxes} box" if found.boxes == 1 else f"{found.boxes} boxes")
    verdict = "accepted" if found.accepted else f"REJECTED: {found.reason}"
    title = f" {found.title}:" if found.title else ""
    return one_line(f"{file}:{title} {verdict} ({', '.join(shown)}, {found.seconds:.2f} s)")


@click.command(short_help="Check proof files with a second engine.")
@click.argument("files", nargs=-1, required=True, metavar="FILE [FILE ...]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--quiet", is_flag=True, help="Print rejected files only, on stderr.")
def replay(files: tuple[str, ...], as_json: bool, quiet: bool) -> int:
    """Check the proofs in FILE ... again, with Arb at 128 bits.

    Every box, the tiling, every identity and every witness is checked; the search that found them
    is not run. Exit code 0 if all are accepted, 1 if one is rejected.
    """
    from sde_compare import regions

    with bad_input():
        proofs = [regions.read(file) for file in files]
    records, rejected = [], False
    with progress_bar("replaying", quiet or as_json) as progress:
        for done, (file, data) in enumerate(zip(files, proofs, strict=True)):
            if progress is not None:
                progress(done, len(files))
            found = regions.replay(data)
            rejected = rejected or not found.accepted
            if as_json:
                records.append(record(file, found))
            elif not quiet or not found.accepted:
                click.echo(line(file, found), err=quiet)
    if as_json:
        print_json({"accepted": not rejected, "files": records})
    return UNEXPECTED if rejected else OK
