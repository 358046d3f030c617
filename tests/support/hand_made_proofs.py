"""Proofs written by hand, without the project's search: naive bisection with mpmath's intervals."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import mpmath

from sde_compare.regions.proof import document

Box = list[float]


class Nodes(list):
    """A list of nodes; every method adds one and returns its number."""

    def __call__(self, *entry: Any) -> int:
        self.append(list(entry))
        return len(self) - 1

    def const(self, value: Any) -> int:
        return self("const", str(Fraction(value)))


def part(nodes: list, region: list, how: Any, name: str = "part") -> dict[str, Any]:
    head = {"name": name, "region": region, "function": list(nodes), "claim": "nonnegative"}
    return {**head, "proof": how}


def proof(*parts: dict[str, Any]) -> dict[str, Any]:
    """A proof as it comes out of a file."""
    return json.loads(json.dumps(document("a title", "a statement", list(parts))))


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """The same proof with the digest that fits."""
    fresh = document(data["title"], data["statement"], data["parts"])
    return {**data, "digest": fresh["digest"]}


def changed(data: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """A copy with one entry changed; ``to`` may be a function of the old one."""
    data = copy.deepcopy(data)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to(inner[path[-1]]) if callable(to) else to
    return data


def leaves(f: Callable[..., Any], root: Box, bound: float) -> Iterator[Box]:
    """Bisect until mpmath's natural interval extension shows f >= bound."""
    todo = [root]
    while todo:
        box = todo.pop()
        pairs = list(zip(box[::2], box[1::2], strict=True))
        if f(*(mpmath.iv.mpf(pair) for pair in pairs)).a >= bound:
            yield box
            continue
        k = max(range(len(pairs)), key=lambda i: pairs[i][1] - pairs[i][0])
        low, high = pairs[k]
        middle = 0.5 * (low + high)
        todo.append([*box[: 2 * k], low, middle, *box[2 * k + 2 :]])
        todo.append([*box[: 2 * k], middle, high, *box[2 * k + 2 :]])


def exponential() -> dict[str, Any]:
    """exp(x) - x - 1/2 >= 0.45 on [-2, 2]; its least value is 1/2, at 0."""
    n = Nodes()
    x = n("var", "x")
    n("add", [n("exp", [x]), n("mul", [n.const(-1), x]), n.const("-1/2")])
    boxes = list(leaves(lambda x: mpmath.iv.exp(x) - x - 0.5, [-2.0, 2.0], 0.45))
    how = {"kind": "boxes", "bound": 0.45, "boxes": boxes}
    return proof(part(n, [["x", "-2", "2"]], how))


def saddle() -> dict[str, Any]:
    """1 + x y - 3/20 (x^2 + y) >= 0.3 on [-1/2, 1] x [-1/2, 1]."""
    n = Nodes()
    x, y = n("var", "x"), n("var", "y")
    inner = n("add", [n("pow", [x], 2), y])
    n("add", [n.const(1), n("mul", [x, y]), n("mul", [n.const("-3/20"), inner])])
    boxes = list(
        leaves(
            lambda x, y: 1 + x * y - mpmath.iv.mpf(3) / 20 * (x * x + y),
            [-0.5, 1.0, -0.5, 1.0],
            0.3,
        )
    )
    how = {"kind": "boxes", "bound": 0.3, "boxes": boxes}
    return proof(part(n, [["x", "-1/2", "1"], ["y", "-1/2", "1"]], how))


def decay() -> dict[str, Any]:
    """exp(-x) + 1/10 - exp(-x y) / 20 on [0, inf] x [1, inf], by boxes that may be infinite."""
    n = Nodes()
    x, y = n("var", "x"), n("var", "y")
    minus = n("mul", [n.const(-1), x])
    fast = n("mul", [n.const("-1/20"), n("exp", [n("mul", [minus, y])])])
    n("add", [n("exp", [minus]), n.const("1/10"), fast])
    boxes = [[0.0, 1.0, 1.0, "inf"], [1.0, "inf", 1.0, 4.0], [1.0, "inf", 4.0, "inf"]]
    region = [["x", "0", "inf"], ["y", "1", "inf"]]
    return proof(part(n, region, {"kind": "boxes", "bound": 0.05, "boxes": boxes}))


def tenth() -> dict[str, Any]:
    """sqrt(x) - 3/10 >= 0 on [1/10, 3/10]: ends that are no doubles."""
    n = Nodes()
    n("add", [n("sqrt", [n("var", "x")]), n.const("-3/10")])
    low = 0.1 if Fraction(0.1) <= Fraction(1, 10) else math.nextafter(0.1, 0)
    high = 0.3 if Fraction(0.3) >= Fraction(3, 10) else math.nextafter(0.3, 1)
    how = {"kind": "boxes", "bound": 0.01, "boxes": [[low, 0.2], [0.2, high]]}
    return proof(part(n, [["x", "1/10", "3/10"]], how))


ALL = {"exponential": exponential, "saddle": saddle, "decay": decay, "tenth": tenth}
