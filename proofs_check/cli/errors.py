"""Exit codes, and the one line that bad input gets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import click

OK = 0
UNEXPECTED = 1  # expected to hold and REFUTED, or a counterexample that came out holding
BAD_INPUT = 2
UNDECIDED = 3
FAILURE = 4  # internal, solver or worker failure
SIGNALS = 128  # stopped by a signal: this and the signal's number, as in a shell
INTERRUPTED = SIGNALS + 2
PIPE_CLOSED = 141  # as a shell reports a program whose reader went away


class BadInputError(click.ClickException):
    """A value that the user can correct: exit code 2, one line naming field and value."""

    exit_code = BAD_INPUT


class FailedRunError(click.ClickException):
    """A solver or a worker that reports failure: exit code 4."""

    exit_code = FAILURE


def one_line(text: str) -> str:
    """Return ``text`` with every run of white space turned into one blank."""
    return " ".join(str(text).split())


def worded(error: click.ClickException) -> str:
    """Return the message of an error, a usage error in the form of all others."""
    if isinstance(error, click.MissingParameter) and error.param is not None:
        option = (error.param.opts or [""])[0]
        name = error.param.name or "value"
        how = f"({option} ...)" if option.startswith("-") else f"({name.upper()})"
        return f"{name} must be given, got nothing {how}"
    if isinstance(error, click.NoSuchOption):
        hints = f"; did you mean {', '.join(error.possibilities)}?" if error.possibilities else ""
        return f"option must be one that --help lists, got {error.option_name!r}{hints}"
    return error.format_message()


class Number(click.ParamType):
    """A whole or a real number; what is not one is refused with field and value."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.name = "integer" if kind is int else "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        try:
            return self.kind(value)
        except (TypeError, ValueError):
            field = param.name if param is not None else "value"
            what = "a whole number" if self.kind is int else "a real number"
            text = one_line(repr(value))
            text = text if len(text) <= 80 else text[:77] + "..."
            raise BadInputError(f"{field} must be {what}, got {text}") from None


WHOLE, REAL = Number(int), Number(float)


def names_a_field(error: ValueError, fields: Collection[str]) -> bool:
    """Whether the message begins with the name of one of ``fields``.

    Every check of the model, the solvers and the samplers begins its message so; a ValueError
    from the depth of a numerical library does not.
    """
    match = re.match(r"[`'\"-]*(\w+)", str(error))
    return match is not None and match.group(1) in fields


@contextmanager
def bad_input(fields: Collection[str] | None = None) -> Iterator[None]:
    """Turn a ValueError into bad input: any at all, or one that names one of ``fields``."""
    try:
        yield
    except ValueError as error:
        if fields is None or names_a_field(error, fields):
            raise BadInputError(str(error)) from error
        raise
