"""How far ``verify`` has come: a live table on a terminal, a line per claim elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from proofs_check import margins

if TYPE_CHECKING:
    from rich.table import Table

#: from worst to best; VACUOUS cases do not count
ORDER = ("ERROR", "REFUTED", "INCONCLUSIVE", "SUPPORTED", "PROVED", "VACUOUS")
COLOURS = {
    "ERROR": "bold red",
    "REFUTED": "red",
    "INCONCLUSIVE": "yellow",
    "SUPPORTED": "green",
    "PROVED": "bold green",
    "VACUOUS": "dim",
}


@dataclass
class Row:
    """What is known of one claim so far."""

    n_cases: int
    cases: list[dict[str, Any]] = field(default_factory=list)
    verdict: str = ""
    expected: str = ""
    as_expected: bool = True
    finished: bool = False

    def add(self, event: dict[str, Any]) -> None:
        """Count one finished case."""
        self.cases.append(event)

    def close(self, record: dict[str, Any]) -> None:
        """Take the verdict of the finished claim."""
        self.cases = record["cases"]
        self.verdict = str(record["verdict"])
        self.expected = str(record["expected"] or "")
        self.as_expected = bool(record["as_expected"])
        self.finished = True

    @property
    def text(self) -> str:
        """The verdict in words."""
        if not self.finished:
            return "running" if self.cases else "waiting"
        if not self.as_expected:
            return f"{self.verdict}, expected {self.expected}"
        if self.verdict == "PROVED":
            reasons = {case.get("reason", "").partition(";")[0] for case in self.cases}
            return f"PROVED ({', '.join(sorted(reasons))})" if len(reasons) < 3 else "PROVED"
        if self.expected == self.verdict == "REFUTED":
            return "REFUTED, as expected"
        return self.verdict

    @property
    def colour(self) -> str:
        """The colour of the verdict."""
        if not self.finished:
            return "dim"
        if self.as_expected:
            return "green"
        return COLOURS[self.verdict]


class Progress:
    """Receives the events of a run; prints one line per finished claim, in their order."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.printed = 0

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event."""
        kind = event["type"]
        if kind == "start":
            self.rows = {item["id"]: Row(item["n_cases"]) for item in event["claims"]}
        elif kind == "case":
            self.rows[event["claim"]].add(event)
        elif kind == "claim":
            self.rows[event["record"]["id"]].close(event["record"])
        self.show(event)

    def show(self, event: dict[str, Any]) -> None:
        """Print the claims that have finished, up to the first that has not."""
        if event["type"] == "start":
            click.echo(f"{'claim':<11} {'cases':>9} {'margin / error':>15}   verdict")
            self.printed = 0
        for name, row in list(self.rows.items())[self.printed :]:
            if not row.finished:
                break
            self.printed += 1
            count = f"{len(row.cases)} case{'s' if len(row.cases) != 1 else ''}"
            click.echo(f"{name:<11} {count:>9} {margins.summary(row.cases):>15}   {row.text}")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


class Silent(Progress):
    """Receives the events and prints nothing."""

    def show(self, event: dict[str, Any]) -> None:
        """Print nothing."""


class LiveTable(Progress):
    """Receives the events and keeps a table on the terminal up to date."""

    def __init__(self) -> None:
        super().__init__()
        from rich.live import Live

        from proofs_check.cli.output import console

        self.live = Live(console=console(), get_renderable=self.table, refresh_per_second=8)

    def table(self) -> Table:
        """Return the table of now."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("claim", "cases", "margin / error", "verdict"):
            table.add_column(name, justify="left" if name in ("claim", "verdict") else "right")
        for name, row in list(self.rows.items()):
            table.add_row(
                name,
                f"{len(row.cases)}/{row.n_cases}",
                margins.summary(row.cases) if row.cases else "",
                f"[{row.colour}]{row.text}[/]",
            )
        return table

    def show(self, event: dict[str, Any]) -> None:
        """Leave drawing to the refreshing table."""

    def __enter__(self) -> LiveTable:
        self.live.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.live.refresh()
        self.live.__exit__(*exception)
