"""The plain data of a proof, read strictly: whatever is not as the format says is rejected."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeGuard

End = Fraction | float  # a float only where it is infinite
Node = tuple[str, tuple[int, ...], Any]
NUMBER = re.compile(r"-?[0-9]+(/[1-9][0-9]*)?")
DIGITS = 4000  # of a number: longer ones are no result of a calculation in doubles
NODES = 100_000
POWER = 10**6
#: rules and how many arguments they take, None for any number but none
ARGUMENTS = {
    **{"add": None, "mul": None, "lse": None, "share": None, "div": 2, "pow": 1},
    **dict.fromkeys(("exp", "log", "sqrt", "tanh"), 1),
}


class RejectedError(Exception):
    """A proof, or a part of one, that does not show what it claims; the message says why."""


def shown(value: Any) -> str:
    """Return a short printable form of a value."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # numbers with too many digits, lists within lists
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def rational(name: str, text: Any) -> Fraction:
    """Return the number that a text ``p/q`` is, exactly."""
    if not isinstance(text, str) or len(text) > DIGITS or not NUMBER.fullmatch(text):
        raise RejectedError(f"{name} must be a text p/q, got {shown(text)}")
    return Fraction(text)


def whole(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number (True and False are none)."""
    return isinstance(value, int) and not isinstance(value, bool)


def keyed(name: str, value: Any, keys: Collection[str]) -> dict[str, Any]:
    """Return a mapping that has exactly these keys."""
    if not isinstance(value, dict):
        raise RejectedError(f"{name} must be an object, got {shown(value)}")
    wrong = [key for key in value if key not in keys] + [key for key in keys if key not in value]
    if wrong:
        raise RejectedError(f"{name} must have the keys {', '.join(keys)}; see {shown(wrong[0])}")
    return value


@dataclass(frozen=True)
class Region:
    """Ranges of the variables, in order: real numbers from low to high, both included."""

    names: tuple[str, ...]
    lows: tuple[End, ...]
    highs: tuple[End, ...]


def region(spec: Any) -> Region:
    """Return the region of plain data."""
    if not isinstance(spec, list) or not spec:
        raise RejectedError(f"region must be a list of ranges, got {shown(spec)}")
    ranges: dict[str, tuple[End, End]] = {}
    for entry in spec:
        if not (isinstance(entry, list) and len(entry) == 3 and isinstance(entry[0], str)):
            raise RejectedError(f"region must hold [name, low, high], got {shown(entry)}")
        name = entry[0]
        if name in ranges:
            raise RejectedError(f"region names {shown(name)} twice")
        where = f"region of {shown(name)}"
        low: End = -math.inf if entry[1] == "-inf" else rational(where, entry[1])
        high: End = math.inf if entry[2] == "inf" else rational(where, entry[2])
        if not low <= high:
            raise RejectedError(f"{where} is empty")
        ranges[name] = low, high
    lows, highs = zip(*ranges.values(), strict=True)
    return Region(tuple(ranges), lows, highs)


def below(value: End) -> float:
    """Return the largest double that is not above a number, by the definition of "largest"."""
    if isinstance(value, float):
        return value
    try:
        near = value.numerator / value.denominator
    except OverflowError:
        near = math.inf if value > 0 else -math.inf
    while near == math.inf or (near != -math.inf and Fraction(near) > value):
        near = math.nextafter(near, -math.inf)
    while (up := math.nextafter(near, math.inf)) != math.inf and Fraction(up) <= value:
        near = up
    return near


def above(value: End) -> float:
    """Return the smallest double that is not below a number."""
    return -below(-value)


def nodes(spec: Any, names: Collection[str]) -> list[Node]:
    """Return the nodes of plain data; arguments come before what is made of them."""
    if not isinstance(spec, list) or not 0 < len(spec) <= NODES:
        raise RejectedError("function must be a list of nodes")
    return [_node(f"node {k}", k, entry, names) for k, entry in enumerate(spec)]


def _node(name: str, k: int, entry: Any, names: Collection[str]) -> Node:
    if not isinstance(entry, list) or len(entry) < 2 or not isinstance(entry[0], str):
        raise RejectedError(f"{name} is not a node, got {shown(entry)}")
    rule, first = entry[0], entry[1]
    if rule not in ("var", "const", *ARGUMENTS):
        raise RejectedError(f"{name} has the unknown rule {shown(rule)}")
    if len(entry) != (3 if rule in ("pow", "share") else 2):
        raise RejectedError(f"{name} is not a node, got {shown(entry)}")
    if rule == "var":
        if not isinstance(first, str) or first not in names:
            raise RejectedError(f"{name} is a variable without a range, {shown(first)}")
        return rule, (), first
    if rule == "const":
        return rule, (), rational(name, first)
    count = ARGUMENTS[rule]
    if not isinstance(first, list) or not first or len(first) != (count or len(first)):
        raise RejectedError(f"{name} has wrong arguments, {shown(first)}")
    if not all(whole(i) and 0 <= i < k for i in first):
        raise RejectedError(f"{name} is not made of earlier nodes, {shown(first)}")
    value = entry[2] if len(entry) > 2 else None
    if rule == "pow" and not (whole(value) and 2 <= value <= POWER):
        raise RejectedError(f"{name} must have a power of 2 to {POWER}, got {shown(value)}")
    if rule == "share" and not (whole(value) and 0 <= value < len(first)):
        raise RejectedError(f"{name} must name one of its arguments, got {shown(value)}")
    return rule, tuple(first), value


def cone(listed: list[Node], root: int) -> list[Node]:
    """Return the nodes that one node is made of, renumbered, itself last."""
    wanted = {root}
    for k in range(root, -1, -1):
        if k in wanted:
            wanted.update(listed[k][1])
    kept = sorted(wanted)
    place = {k: i for i, k in enumerate(kept)}
    return [(listed[k][0], tuple(place[i] for i in listed[k][1]), listed[k][2]) for k in kept]
