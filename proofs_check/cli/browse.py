"""``list`` and ``show``: what can be verified."""

from __future__ import annotations

from typing import Any

import click

from proofs_check.cli.errors import BadInputError
from proofs_check.cli.output import print_json


def known_claims() -> dict[str, Any]:
    """Return the registered claims by id."""
    from proofs_check import registry

    return {claim.id: claim for claim in registry.all_claims()}


def claim_id(given: str, known: dict[str, Any]) -> str:
    """Return the id of a registered claim; upper and lower case are not told apart.

    Raises
    ------
    BadInputError
        If there is no such claim.
    """
    for name in known:
        if name.casefold() == given.casefold():
            return name
    raise BadInputError(f"claim must be one of {', '.join(known)}, got {given!r}")


@click.command("list", short_help="List the claims.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_claims(as_json: bool) -> int:
    """List the claims that can be verified: id, status, expected verdict, title."""
    claims = known_claims().values()
    if as_json:
        print_json([claim.head() for claim in claims])
        return 0
    width = max(len(claim.id) for claim in claims)
    for claim in claims:
        click.echo(f"{claim.id:<{width}}  {claim.status:<14}  {claim.expected:<9}  {claim.title}")
    return 0


@click.command("show", short_help="Show one claim in full.")
@click.argument("claim")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_claim(claim: str, as_json: bool) -> int:
    """Show CLAIM: its statement, hypotheses, expected verdict and reference."""
    known = known_claims()
    record = known[claim_id(claim, known)].head()
    if as_json:
        print_json(record)
        return 0
    import textwrap

    record["hypotheses"] = "; ".join(f"{h['name']}: {h['text']}" for h in record["hypotheses"])
    for field, value in record.items():
        if value:
            text = str(value)
            head = f"{field:<12}"
            click.echo(textwrap.fill(text, 96, initial_indent=head, subsequent_indent=" " * 12))
    return 0
