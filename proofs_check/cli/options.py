"""Options that several commands share, and the process that they state."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from proofs_check.cli.errors import REAL, WHOLE, BadInputError, bad_input, one_line

if TYPE_CHECKING:
    from fokker_planck import ReverseProcess

Command = TypeVar("Command", bound=Callable[..., Any])

#: fields of the model, in the order of the help text
MODEL_FIELDS = (
    "weights",
    "means",
    "covariances",
    "target",
    "strength",
    "scale",
    "sampler",
    "noise_level",
    "horizon",
    "initial",
    "schedule",
    "guidance",
)


_BARE_POINT = re.compile(r"(?<![\d.])\.(?=\d)")


class JsonValue(click.ParamType):
    """A value written as JSON, such as ``[0.5, 0.5]``; a number may also begin with its point."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed value; malformed JSON is bad input."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(_BARE_POINT.sub("0.", value))
        except (ValueError, RecursionError):
            field = param.name if param is not None else "value"
            text = short(one_line(value))
            raise BadInputError(f"{field} must be JSON such as [0.5, 0.5], got {text}") from None


def model_options(required: bool) -> Callable[[Command], Command]:
    """Return a decorator that adds the model options.

    With ``required``, weights, means and target must be given.
    """
    json_value = JsonValue()
    options = [
        click.option("--weights", type=json_value, required=required, help="[w, ...], sum 1."),
        click.option(
            "--means", type=json_value, required=required, help="[m, ...] or [[...], ...]."
        ),
        click.option(
            "--covariances", type=json_value, help="A number, one or all; default: identity."
        ),
        click.option(
            "--target", type=WHOLE, required=required, help="Guided component, counted from 0."
        ),
        click.option("--strength", type=REAL, help="Guidance strength >= 0; default 0."),
        click.option("--scale", type=REAL, help="Guidance scale, 1 + strength."),
        click.option("--sampler", metavar="ode|sde", help="Default sde."),
        click.option("--noise-level", type=REAL, help="In place of --sampler; 0: ode, 1: sde."),
        click.option("--horizon", type=REAL, help="Length of time; default 5."),
        click.option("--initial", metavar="normal|exact", help="Law at the start; default normal."),
        click.option("--schedule", metavar="NAME", help="Forward process; default and only: ou."),
        click.option("--guidance", metavar="RULE", help="Default and only: constant."),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def refuse_booleans(field: str, value: Any, part: Any) -> None:
    """Refuse true and false where numbers belong."""
    if isinstance(part, list):
        for item in part:
            refuse_booleans(field, value, item)
    elif isinstance(part, bool):
        raise BadInputError(f"{field} must be made of numbers, got {short(value)}")


def short(value: Any) -> str:
    """Return a value as text of one line, cut where it is long."""
    text = one_line(repr(value))
    return text if len(text) <= 80 else text[:77] + "..."


def build_process(values: dict[str, Any]) -> ReverseProcess:
    """Return the process that the model options state.

    Raises
    ------
    BadInputError
        If a field is missing, malformed or out of range.
    """
    for field in ("weights", "means", "target"):
        if values[field] is None:
            given = next(name for name in MODEL_FIELDS if values[name] is not None)
            raise BadInputError(f"{field} must be given along with {given}, got nothing")
    from fokker_planck import GaussianMixture, reverse_process
    from fokker_planck.model import schedule_named
    from fokker_planck.model.checks import one_of

    for field in MODEL_FIELDS:
        refuse_booleans(field, values[field], values[field])
    with bad_input():
        one_of("guidance", values["guidance"] or "constant", ("constant",))
        mixture = GaussianMixture(values["weights"], values["means"], values["covariances"])
        horizon = values["horizon"]
        return reverse_process(
            mixture,
            values["target"],
            strength=values["strength"],
            scale=values["scale"],
            sampler=values["sampler"],
            noise_level=values["noise_level"],
            horizon=5.0 if horizon is None else horizon,
            schedule=schedule_named("ou" if values["schedule"] is None else values["schedule"]),
            initial=values["initial"],
        )


def optional_process(values: dict[str, Any]) -> ReverseProcess | None:
    """Return the stated process, or None where no model option was given at all."""
    if all(value is None for value in values.values()):
        return None
    return build_process(values)


def writable_folder(field: str, folder: str | os.PathLike[str]) -> Path:
    """Make ``folder`` and check that files can be written there, before any work is done."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadInputError(
            f"{field} must be a folder to write in, got {str(folder)!r} ({why})"
        ) from None
    return path


def writable_file(field: str, name: str, suffixes: tuple[str, ...]) -> Path:
    """Check that a file of a known suffix can be written, before any work is done."""
    path = Path(name)
    if path.suffix.lower() not in suffixes:
        raise BadInputError(f"{field} must end in {', '.join(suffixes)}, got {name!r}")
    if path.is_dir():
        raise BadInputError(f"{field} must be a file to write, got the folder {name!r}")
    writable_folder(field, path.parent)
    return path
