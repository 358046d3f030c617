"""Values at points and over small boxes by Arb's ball arithmetic: fast, and loose on wide boxes.

An undefined operation never passes: what divides must be certainly nonzero, what is under a
logarithm certainly positive, under a root certainly nonnegative. The error is
:class:`UndefinedError`; a nan is no bound, since every comparison with it is False.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from flint import arb, fmpq

from sde_compare.regions.replay.form import Node

Values = list[arb]
Step = Callable[[Values], arb]
NIL, ONE = arb(0), arb(1)


class UndefinedError(Exception):
    """An operation that may be undefined somewhere in the box."""


def ball(value: Fraction) -> arb:
    """Return a ball that holds a rational number."""
    return arb(fmpq(value.numerator, value.denominator))


def power(x: arb, n: int) -> arb:
    """Return x**n by squaring: Arb's own power is nan on some balls that hold 0."""
    out: arb | None = None
    while n:
        if n & 1:
            out = x if out is None else out * x
        n >>= 1
        if n:
            x = x * x
    return ONE if out is None else out


def log(x: arb) -> arb:
    """Return log(x) of a ball that is certainly positive."""
    if x > NIL:
        return x.log()
    raise UndefinedError("log of a number that may be <= 0")


def sqrt(x: arb) -> arb:
    """Return the root of a ball that is certainly nonnegative."""
    if x >= NIL:
        return x.sqrt()
    raise UndefinedError("sqrt of a number that may be < 0")


def quotient(x: arb, y: arb) -> arb:
    """Return x / y for a divisor that is certainly not zero."""
    if y > NIL or y < NIL:
        return x / y
    raise UndefinedError("division by a number that may be 0")


def lse(terms: Sequence[arb]) -> arb:
    """Return the log of a sum of exponentials."""
    top = max(range(len(terms)), key=lambda k: float(terms[k]))
    rest = ((u - terms[top]).exp() for k, u in enumerate(terms) if k != top)
    return terms[top] + log(sum(rest, ONE))


def share(terms: Sequence[arb], own: int) -> arb:
    """Return the share of one exponential in the sum of all."""
    u = terms[own]
    return quotient(ONE, sum(((v - u).exp() for k, v in enumerate(terms) if k != own), ONE))


def _step(node: Node) -> Step:
    rule, args, value = node
    i, j = args[0], args[-1]
    if rule == "add":
        if len(args) == 2:
            return lambda v: v[i] + v[j]
        return lambda v: sum((v[k] for k in args[1:]), v[i])
    if rule == "mul":
        if len(args) == 2:
            return lambda v: v[i] * v[j]

        def times(v: Values) -> arb:
            out = v[i]
            for k in args[1:]:
                out = out * v[k]
            return out

        return times
    if rule == "div":
        return lambda v: quotient(v[i], v[j])
    if rule == "pow":
        return lambda v: power(v[i], value)
    if rule == "exp":
        return lambda v: v[i].exp()
    if rule == "tanh":
        return lambda v: v[i].tanh()
    if rule == "log":
        return lambda v: log(v[i])
    if rule == "sqrt":
        return lambda v: sqrt(v[i])
    if rule == "lse":
        return lambda v: lse([v[k] for k in args])
    if rule == "share":
        return lambda v: share([v[k] for k in args], value)
    raise AssertionError(rule)


def _constant(value: arb) -> Step:
    return lambda v: value


def _pick(k: int) -> Step:
    return lambda v: v[k]


def prepared(nodes: Sequence[Node], names: Sequence[str]) -> Callable[[Sequence[arb]], arb]:
    """Return the function of balls, one for each name, at the precision set now.

    Raises UndefinedError where the function may be undefined.
    """
    steps: list[Step] = []
    by = len(names)  # variables come first in the list of values
    for rule, args, value in nodes:
        if rule == "const":
            steps.append(_constant(ball(value)))
        elif rule == "var":
            steps.append(_pick(names.index(value)))
        else:
            steps.append(_step((rule, tuple(i + by for i in args), value)))

    def value_at(x: Sequence[arb]) -> arb:
        values = list(x)
        for step in steps:
            values.append(step(values))
        return values[-1]

    return value_at
