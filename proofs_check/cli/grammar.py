"""Model parts written in one word: ``linear-vp:0.1,20``, ``interval:0.2,1``, ``logistic:0,1``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from fokker_planck import (
    GaussianMixture,
    IntervalStrength,
    LinearStrength,
    Perturbation,
    PowerStrength,
    cosine_error,
    quadrature_law,
    schedule_named,
)
from fokker_planck.model import GuidanceRule, Schedule
from fokker_planck.model.checks import one_of, real_number, shown
from fokker_planck.model.quadrature import LAWS
from fokker_planck.model.schedule import SCHEDULES, horizon_limits

#: parameters of a schedule, in their order
SCHEDULE_PARAMETERS = {
    "ou": (),
    "linear-vp": ("beta_min", "beta_max", "span"),
    "cosine": ("offset",),
    "ve": ("rate",),
}
#: parameters of a rule, and whether it takes a strength besides
RULE_PARAMETERS = {"constant": 0, "linear": 2, "interval": 2, "noise": 2, "power": 1}


def parted(field: str, text: str, most: int, least: int = 0) -> tuple[str, list[float]]:
    """Return the name and the numbers of ``name:number,number``.

    Raises
    ------
    ValueError
        If there are too few or too many numbers, or one is not a number.
    """
    name, _, rest = text.partition(":")
    words = rest.split(",") if rest else []
    if not least <= len(words) <= most:
        count = str(most) if least == most else f"{least} to {most}"
        raise ValueError(f"{field} must have {count} numbers after {name + ':'!r}, got {text!r}")
    numbers = []
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            raise ValueError(f"{field} must be name:number,number, got {text!r}") from None
    return name, numbers


def schedule_stated(text: str | None) -> Schedule:
    """Return the schedule that a word names; None is Ornstein-Uhlenbeck."""
    text = "ou" if text is None else text
    name = one_of("schedule", text.partition(":")[0], tuple(SCHEDULES))
    names = SCHEDULE_PARAMETERS[name]
    _, numbers = parted("schedule", text, len(names))
    return schedule_named(name, **dict(zip(names, numbers, strict=False)))


def guidance_stated(
    text: str | None, strength: dict[str, Any], schedule: Schedule, horizon: float | None
) -> dict[str, Any]:
    """Return the arguments of a process that say how it is guided."""
    text = "constant" if text is None else text
    name = one_of("guidance", text.partition(":")[0], tuple(RULE_PARAMETERS))
    count = RULE_PARAMETERS[name]
    _, numbers = parted("guidance", text, count, count)
    if name == "constant":
        return strength
    given = {key: value for key, value in strength.items() if value is not None}
    if name == "linear":
        if given:
            raise ValueError(f"strength must not be given with guidance linear, got {given}")
        start = horizon_limits(schedule)[0] if horizon is None else horizon
        return {"guidance": LinearStrength.between(numbers[0], numbers[1], start)}
    if len(given) != 1:
        raise ValueError(f"strength must be given with guidance {name}, got {given or 'nothing'}")
    eta = given.get("strength")
    if eta is None:
        eta = real_number("scale", given["scale"], minimum=1.0) - 1.0
    rule: GuidanceRule
    if name == "power":
        rule = PowerStrength(eta, numbers[0])
    elif name == "interval":
        rule = IntervalStrength(eta, numbers[0], numbers[1])
    else:
        rule = IntervalStrength.of_noise(eta, numbers[0], numbers[1], schedule)
    return {"guidance": rule}


def perturbation_stated(text: str | None, dimension: int) -> Perturbation | None:
    """Return the stated error ``kind:a,k[,phase]``; k is one number per dimension."""
    if text is None:
        return None
    kind, numbers = parted("perturbation", text, dimension + 2, dimension + 1)
    one_of("perturbation", kind, ("score", "classifier"))
    phase = numbers[dimension + 1] if len(numbers) > dimension + 1 else 0.0
    return cosine_error(kind, numbers[0], np.array(numbers[1 : dimension + 1]), phase)


def law_stated(field: str, text: str, schedule: Schedule, stop: float) -> GaussianMixture:
    """Return the law that a word or a JSON object states.

    Raises
    ------
    ValueError
        If it states none.
    """
    if text.partition(":")[0] in LAWS:
        name, numbers = parted(field, text, 2)
        return quadrature_law(name, *numbers, schedule=schedule, stop=stop)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    known = {"weights", "means", "covariances"}
    if not isinstance(fields, dict) or not {"weights", "means"} <= set(fields) <= known:
        raise ValueError(
            f"{field} must be {'|'.join(LAWS)}:location,scale or JSON with weights and means, "
            f"got {shown(text)}"
        )
    return GaussianMixture(**fields)
