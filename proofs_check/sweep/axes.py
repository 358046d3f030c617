"""Axes of a sweep: what may vary, and the values it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fokker_planck.model.checks import one_of, real_number, shown, whole_number

#: what may vary, and what it means
AXES = {
    "strength": "guidance strength eta",
    "scale": "guidance scale, 1 + eta",
    "step_strength": "step length times strength, h eta",
    "step": "step length h; the chain takes the nearest whole number of steps",
    "steps": "number of steps",
    "noise_level": "0: ode, 1: sde",
    "separation": "largest distance of two means; all means are scaled about 0",
    "mean_scale": "factor on all means",
    "weight": "weight of the target's component; the others keep their proportions",
    "horizon": "length of forward time",
}
#: of these at most one may be stated, as an axis or as a fixed value
EXCLUSIVE = (
    ("strength", "scale", "step_strength"),
    ("step", "steps"),
    ("separation", "mean_scale"),
    ("noise_level", "sampler"),
)
SPACINGS = ("linear", "log")
LONGEST = 100_000


def axis_values(name: str, stated: Any) -> tuple[float, ...]:
    """Return the values of an axis: a list, or ``{from=, to=, count=, spacing=}``.

    Raises
    ------
    ValueError
        Naming the field and its value, if it states no values.
    """
    where = f"axes.{name}"
    if isinstance(stated, Mapping):
        values = _spaced(where, stated)
        if name == "steps":  # whole numbers, each once
            values = list(dict.fromkeys(float(round(value)) for value in values))
    elif isinstance(stated, list):
        values = [real_number(where, value) for value in stated]
        if len(set(values)) < len(values):
            raise ValueError(f"{where} must not have a value twice, got {shown(stated)}")
    else:
        raise ValueError(f"{where} must be a list or {{from, to, count}}, got {shown(stated)}")
    if not values:
        raise ValueError(f"{where} must have a value, got {shown(stated)}")
    if name == "steps":
        return tuple(_whole_step(where, value) for value in values)
    return tuple(values)


def _whole_step(where: str, value: float) -> int:
    if value != round(value):
        raise ValueError(f"{where} must be made of whole numbers, got {shown(value)}")
    return whole_number(where, int(value), minimum=1)


def _spaced(where: str, stated: Mapping[str, Any]) -> list[float]:
    """Return values from one end to the other, both taken as they are."""
    for key in stated:
        if key not in ("from", "to", "count", "spacing"):
            raise ValueError(f"{where} has no field {key!r}, got {shown(stated[key])}")
    for key in ("from", "to", "count"):
        if key not in stated:
            raise ValueError(f"{where}.{key} must be given, got {shown(dict(stated))}")
    first, last = (real_number(f"{where}.{key}", stated[key]) for key in ("from", "to"))
    count = whole_number(f"{where}.count", stated["count"], minimum=1, maximum=LONGEST)
    spacing = one_of(f"{where}.spacing", stated.get("spacing", "linear"), SPACINGS)
    if count == 1:
        if first != last:
            raise ValueError(f"{where}.count must be 2 or more from {first:g} to {last:g}, got 1")
        return [first]
    if first == last:
        raise ValueError(f"{where}.to must differ from {where}.from, got {shown(last)}")
    if spacing == "linear":
        return np.linspace(first, last, count).tolist()
    for key, value in (("from", first), ("to", last)):
        if value <= 0:
            raise ValueError(f"{where}.{key} must be > 0 on a log axis, got {shown(value)}")
    inner = np.exp(np.linspace(np.log(first), np.log(last), count))[1:-1]
    return [first, *inner.tolist(), last]
