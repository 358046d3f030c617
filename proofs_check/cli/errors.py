"""Exit codes, and the one line that bad input gets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import click

OK = 0
UNEXPECTED = 1  # expected to hold and REFUTED, or a counterexample that came out holding
BAD_INPUT = 2
UNDECIDED = 3
FAILURE = 4  # internal, solver or worker failure
INTERRUPTED = 130
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
