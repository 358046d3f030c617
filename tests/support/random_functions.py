"""Random functions as nodes, and their values by mpmath alone."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import mpmath

RULES = ("add", "mul", "div", "pow", "exp", "log", "sqrt", "tanh", "lse", "share")


def random_function(rng: random.Random, names: tuple[str, ...], size: int) -> list[list[Any]]:
    """Nodes of a function of the variables, of at most ``size`` more nodes."""
    nodes: list[list[Any]] = [["var", name] for name in names]
    for value in ("-1", "1/3", "2"):
        nodes.append(["const", value])
    for _ in range(size):
        rule = rng.choice(RULES)
        count = {"add": 2, "mul": 2, "div": 2, "lse": 3, "share": 3}.get(rule, 1)
        args = [rng.randrange(len(nodes)) for _ in range(count)]
        node: list[Any] = [rule, args]
        if rule == "pow":
            node.append(rng.choice((2, 3, 4)))
        if rule == "share":
            node.append(rng.randrange(count))
        nodes.append(node)
    return nodes


def values(nodes: list[list[Any]], point: dict[str, Fraction]) -> list[Any]:
    """Every node's value with 60 digits; None where it is undefined or beyond reach."""
    out: list[Any] = []
    with mpmath.workdps(60):
        for entry in nodes:
            rule, args = entry[0], entry[1]
            if rule in ("var", "const"):
                number = point[args] if rule == "var" else Fraction(args)
                out.append(mpmath.mpf(number.numerator) / number.denominator)
                continue
            inner = [out[i] for i in args]
            ok = all(x is not None and abs(x) < 10**4 for x in inner)
            out.append(_value(rule, inner, entry[2] if len(entry) > 2 else None) if ok else None)
    return out


def _value(rule: str, x: list[Any], extra: Any) -> Any:
    if (rule == "div" and x[1] == 0) or (rule == "log" and x[0] <= 0):
        return None
    if rule == "sqrt":
        return mpmath.sqrt(x[0]) if x[0] >= 0 else None
    if rule == "lse":
        return mpmath.log(mpmath.fsum(mpmath.exp(u) for u in x))
    if rule == "share":
        return mpmath.exp(x[extra]) / mpmath.fsum(mpmath.exp(u) for u in x)
    if rule == "add":
        return mpmath.fsum(x)
    if rule == "mul":
        return mpmath.fprod(x)
    if rule == "div":
        return x[0] / x[1]
    if rule == "pow":
        return x[0] ** extra
    return getattr(mpmath, rule)(x[0])
