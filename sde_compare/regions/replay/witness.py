"""Witnesses: points of the region, with exact coordinates, where a function is negative."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import flint
from flint import arb, fmpq

from sde_compare.regions.replay import balls
from sde_compare.regions.replay.form import Node, Region, RejectedError, keyed, rational

MOST_BITS = 2048
LONG = 20_000  # digits of an exact number, in bits, from which on a ball takes its place
Exact = fmpq | arb


def check_witness(nodes: Sequence[Node], region: Region, given: Any, bits: int) -> None:
    """Check that a point lies in the region and that the function is defined and < 0 there.

    Raises
    ------
    RejectedError
        If it is not, or 2048 bits do not decide it.
    """
    point: dict[str, Fraction] = {}
    given = keyed("witness", given, region.names)
    for name, low, high in zip(region.names, region.lows, region.highs, strict=True):
        point[name] = rational(f"witness {name}", given[name])
        if not low <= point[name] <= high:
            raise RejectedError(f"witness: {name} lies outside the region")
    why = ""
    while bits <= MOST_BITS:
        with flint.ctx.workprec(bits):
            try:
                value = value_at(nodes, point)
                if value < 0:
                    return
                if value >= 0:
                    raise RejectedError(f"witness: the function is {_text(value)}, not negative")
                why = "its sign stays open"
            except balls.UndefinedError as problem:
                why = str(problem)
        bits *= 2
    raise RejectedError(f"witness: undecided with {MOST_BITS} bits, {why}")


def _text(value: Exact) -> str:
    number = float(arb(value))
    return f"{number:.6g}" if math.isfinite(number) else "positive"


def value_at(nodes: Sequence[Node], point: Mapping[str, Fraction]) -> Exact:
    """Return the value at a point: exact as far as the rules are rational, then a ball.

    Raises
    ------
    UndefinedError
        Where it may be undefined.
    """
    known: list[Exact] = []
    for rule, args, value in nodes:
        inner = [known[i] for i in args]
        if rule in ("var", "const"):
            exact = point[value] if rule == "var" else value
            out: Exact = fmpq(exact.numerator, exact.denominator)
        elif rule in ("add", "mul"):
            out = inner[0]
            for other in inner[1:]:
                a, b = _alike(out, other)
                out = a + b if rule == "add" else a * b
        elif rule == "div":
            a, b = _alike(*inner)
            if isinstance(b, fmpq) and b == 0:
                raise balls.UndefinedError("division by 0")
            out = a / b if isinstance(b, fmpq) else balls.quotient(a, b)
        elif rule == "pow":
            x = inner[0]
            short = isinstance(x, fmpq) and x.height_bits() * value < LONG
            out = x**value if short else balls.power(arb(x), value)
        else:
            out = _rule(rule, [arb(x) for x in inner], value)
        known.append(arb(out) if isinstance(out, fmpq) and out.height_bits() > LONG else out)
    return known[-1]


def _alike(a: Exact, b: Exact) -> tuple[Any, Any]:
    if isinstance(a, fmpq) and isinstance(b, fmpq):
        return a, b
    return arb(a), arb(b)


def _rule(rule: str, x: Sequence[arb], value: Any) -> arb:
    if rule == "lse":
        return balls.lse(x)
    if rule == "share":
        return balls.share(x, value)
    if rule == "log":
        return balls.log(x[0])
    if rule == "sqrt":
        return balls.sqrt(x[0])
    return x[0].exp() if rule == "exp" else x[0].tanh()
