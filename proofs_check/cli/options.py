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
    from fokker_planck.model import GuidedProcess

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
    "labels",
    "stop",
    "perturbation",
    "class_law",
    "total_law",
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


SCHEDULE_HELP = (
    "Forward process: ou (default), linear-vp[:min,max[,span]], cosine[:offset] or ve[:rate]."
)
GUIDANCE_HELP = (
    "constant (default), linear:A,B (strength A at the start, B at t = 0), interval:LO,HI "
    "(forward times), noise:LO,HI (noise over signal) or power:Q."
)
PERTURBATION_HELP = (
    "A stated error a cos(k.x + phase) along k: score:a,k[,phase] or classifier:a,k[,phase]; "
    "in d dimensions k is d numbers."
)
LAW_HELP = (
    "With --total-law, in place of weights, means and target: JSON with weights, means and "
    "covariances, or logistic|laplace|uniform[:location,scale] (with --stop)."
)


def model_options(required: bool) -> Callable[[Command], Command]:
    """Return a decorator that adds the model options.

    With ``required``, :func:`build_process` will ask for weights, means and target, or for the
    two laws of a pair.
    """
    json_value = JsonValue()
    must = "  [required]" if required else ""
    options = [
        click.option("--weights", type=json_value, help=f"[w, ...], sum 1.{must}"),
        click.option("--means", type=json_value, help=f"[m, ...] or [[...], ...].{must}"),
        click.option(
            "--covariances", type=json_value, help="A number, one or all; default: identity."
        ),
        click.option("--target", type=WHOLE, help=f"Guided class, counted from 0.{must}"),
        click.option("--strength", type=REAL, help="Guidance strength >= 0; default 0."),
        click.option("--scale", type=REAL, help="Guidance scale, 1 + strength."),
        click.option("--sampler", metavar="ode|sde", help="Default sde."),
        click.option("--noise-level", type=REAL, help="In place of --sampler; 0: ode, 1: sde."),
        click.option("--horizon", type=REAL, help="Length of time; default: the schedule's."),
        click.option("--initial", metavar="normal|exact", help="Law at the start; default normal."),
        click.option("--schedule", metavar="NAME[:P,..]", help=SCHEDULE_HELP),
        click.option("--guidance", metavar="RULE[:P,..]", help=GUIDANCE_HELP),
        click.option("--labels", type=json_value, help="[class, ...] of the components, from 0."),
        click.option("--stop", type=REAL, help="Forward time of the output; default 0."),
        click.option("--perturbation", metavar="KIND:P,..", help=PERTURBATION_HELP),
        click.option("--class-law", metavar="LAW", help=LAW_HELP),
        click.option("--total-law", metavar="LAW", help="The same, for the total law."),
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


def build_process(values: dict[str, Any]) -> GuidedProcess:
    """Return the process that the model options state.

    Raises
    ------
    BadInputError
        If a field is missing, malformed or out of range.
    """
    pair = values["class_law"] is not None or values["total_law"] is not None
    own = ("weights", "means", "covariances", "target", "labels")
    if pair:
        for field in own:
            if values[field] is not None:
                raise BadInputError(f"{field} and class_law exclude each other, got both")
    for field in ("class_law", "total_law") if pair else ("weights", "means", "target"):
        if values[field] is None:
            given = next((name for name in MODEL_FIELDS if values[name] is not None), None)
            if given is None:
                raise BadInputError(f"{field} must be given, got nothing (--{field} ...)")
            raise BadInputError(f"{field} must be given along with {given}, got nothing")
    for field in MODEL_FIELDS:
        refuse_booleans(field, values[field], values[field])
    from fokker_planck import GaussianMixture, pair_process, reverse_process
    from proofs_check.cli.grammar import (
        guidance_stated,
        law_stated,
        perturbation_stated,
        schedule_stated,
    )

    with bad_input():
        schedule = schedule_stated(values["schedule"])
        horizon, stop = values["horizon"], 0.0 if values["stop"] is None else values["stop"]
        strength = {name: values[name] for name in ("strength", "scale")}
        settings = {
            **guidance_stated(values["guidance"], strength, schedule, horizon),
            "sampler": values["sampler"],
            "noise_level": values["noise_level"],
            "horizon": horizon,
            "stop": stop,
            "schedule": schedule,
            "initial": values["initial"],
        }
        if pair:
            laws = [law_stated(k, values[k], schedule, stop) for k in ("class_law", "total_law")]
            settings["perturbation"] = perturbation_stated(
                values["perturbation"], laws[0].dimension
            )
            return pair_process(*laws, **settings)
        mixture = GaussianMixture(
            values["weights"], values["means"], values["covariances"], values["labels"]
        )
        settings["perturbation"] = perturbation_stated(values["perturbation"], mixture.dimension)
        return reverse_process(mixture, values["target"], **settings)


def optional_process(values: dict[str, Any]) -> GuidedProcess | None:
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
