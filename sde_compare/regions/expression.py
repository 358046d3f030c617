r"""Functions whose sign is to be decided: expressions of exact constants, variables and few rules.

A function is a list of nodes, each made of earlier ones, the last being its value. As plain data
(:meth:`Function.spec`) it is what a proof is about; two engines evaluate it and share no code.

===========  ==========================  =====================================================
rule         node                        value
===========  ==========================  =====================================================
``var``      ``["var", name]``           a variable
``const``    ``["const", "p/q"]``        a rational number, exactly
``add``      ``["add", [i, j, ...]]``    the sum
``mul``      ``["mul", [i, j, ...]]``    the product
``div``      ``["div", [i, j]]``         i / j, undefined at j = 0
``pow``      ``["pow", [i], n]``         i to the whole power n >= 2
``exp``      ``["exp", [i]]``            and ``tanh``; ``log`` (i > 0) and ``sqrt`` (i >= 0)
``lse``      ``["lse", [i, j, ...]]``    log of the sum of exponentials
``share``    ``["share", [i, ...], n]``  exp of argument n over the sum of all: a posterior
===========  ==========================  =====================================================

The mathematics of the engines: docs/theory.md, section 9.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import shown

Array = NDArray[np.float64]
UNARY = ("exp", "log", "sqrt", "tanh")
RULES = ("var", "const", "add", "mul", "div", "pow", *UNARY, "lse", "share")
#: longest text of a function, in characters
LONGEST = 4000
Number = int | float | str | Fraction | Decimal


def exact(name: str, value: Any) -> Fraction:
    """Return a number as a fraction: floats for what they are, text such as "0.1" as written.

    Raises
    ------
    ValueError
        If it is not a finite number, naming the field.
    """
    if isinstance(value, Expr) and value.rule == "const":
        return Fraction(value.value)
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be a number, got {value}")
    if isinstance(value, np.generic):
        value = value.item()
    try:
        if isinstance(value, (int, float, str, Fraction, Decimal)):
            return Fraction(value)
    except (ValueError, OverflowError, ZeroDivisionError):
        pass
    raise ValueError(f"{name} must be a finite number, got {shown(value)}")


class Expr:
    """An expression; combine with ``+ - * / **`` and the functions of this module."""

    __slots__ = ("args", "rule", "value")
    __array_ufunc__ = None  # numpy arrays do not swallow expressions

    def __init__(self, rule: str, args: tuple[Expr, ...] = (), value: Any = None) -> None:
        self.rule, self.args, self.value = rule, args, value

    def __add__(self, other: Any) -> Expr:
        return total([self, other])

    __radd__ = __add__

    def __neg__(self) -> Expr:
        return product([-1, self])

    def __sub__(self, other: Any) -> Expr:
        return total([self, -lift(other)])

    def __rsub__(self, other: Any) -> Expr:
        return total([other, -self])

    def __mul__(self, other: Any) -> Expr:
        return product([self, other])

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Expr:
        other = lift(other)
        if other.rule == "const" and other.value != 0:
            return product([1 / other.value, self])
        return Expr("div", (self, other))

    def __rtruediv__(self, other: Any) -> Expr:
        return lift(other) / self

    def __pow__(self, power: int) -> Expr:
        if isinstance(power, bool) or not isinstance(power, (int, np.integer)):
            raise ValueError(f"power must be a whole number, got {shown(power)}")
        power = int(power)
        if power < 0:
            return 1 / self**-power
        if power == 0:
            return lift(1)
        if power == 1:
            return self
        if self.rule == "const":
            return lift(self.value**power)
        return Expr("pow", (self,), power)

    def __bool__(self) -> bool:
        raise TypeError("an expression has no truth value; pass it to decide")

    def __repr__(self) -> str:
        return Function(self).text()


def lift(value: Any) -> Expr:
    """Return an expression, or a number as a constant one."""
    return value if isinstance(value, Expr) else Expr("const", (), exact("number", value))


def number(value: Number) -> Expr:
    """Return an exact constant: ``number("0.1")`` is one tenth, ``number(0.1)`` the double."""
    return lift(value)


def variables(names: str | Sequence[str]) -> tuple[Expr, ...]:
    """Return variables: ``x, t = variables("x t")``.

    Raises
    ------
    ValueError
        If a name is empty or repeats.
    """
    found = names.split() if isinstance(names, str) else list(names)
    if not found or not all(isinstance(n, str) and n for n in found):
        raise ValueError(f"names must be words, got {shown(names)}")
    if len(set(found)) != len(found):
        raise ValueError(f"names must differ, got {shown(names)}")
    return tuple(Expr("var", (), name) for name in found)


def _gather(rule: str, items: Sequence[Any], start: int) -> Expr:
    """Return a sum or product: nested ones opened, constants taken together."""
    constant, rest = Fraction(start), []
    for item in map(lift, items):
        for part in item.args if item.rule == rule else (item,):
            if part.rule == "const":
                value = Fraction(part.value)
                constant = constant + value if rule == "add" else constant * value
            else:
                rest.append(part)
    if constant != start or not rest:
        rest.insert(0, lift(constant))
    return rest[0] if len(rest) == 1 else Expr(rule, tuple(rest))


def total(items: Sequence[Any]) -> Expr:
    """Return the sum of expressions and numbers."""
    return _gather("add", items, 0)


def product(items: Sequence[Any]) -> Expr:
    """Return the product of expressions and numbers."""
    return _gather("mul", items, 1)


def _unary(rule: str, x: Any) -> Expr:
    return Expr(rule, (lift(x),))


def exp(x: Any) -> Expr:
    """Return exp(x)."""
    return _unary("exp", x)


def log(x: Any) -> Expr:
    """Return log(x), undefined unless x > 0."""
    return _unary("log", x)


def sqrt(x: Any) -> Expr:
    """Return the square root, undefined unless x >= 0."""
    return _unary("sqrt", x)


def tanh(x: Any) -> Expr:
    """Return tanh(x)."""
    return _unary("tanh", x)


def lse(*terms: Any) -> Expr:
    """Return log(exp(u_1) + ... + exp(u_n))."""
    if not terms:
        raise ValueError("terms must not be empty, got none")
    return Expr("lse", tuple(map(lift, terms)))


def shares(*terms: Any) -> tuple[Expr, ...]:
    """Return exp(u_i) / sum_j exp(u_j) for every i: posterior masses of log-weights u."""
    if not terms:
        raise ValueError("terms must not be empty, got none")
    args = tuple(map(lift, terms))
    return tuple(Expr("share", args, i) for i in range(len(args)))


def postorder(root: Expr) -> Iterator[Expr]:
    """Yield every part of an expression once, arguments first; expressions may be deep."""
    seen: set[int] = set()
    todo = [root]
    while todo:
        missing = [arg for arg in todo[-1].args if id(arg) not in seen]
        if missing:
            todo.extend(missing)
            continue
        item = todo.pop()
        if id(item) not in seen:
            seen.add(id(item))
            yield item


class Function:
    """An expression as a list of distinct nodes.

    Parameters
    ----------
    expression : Expr or number
    order : sequence of str, optional
        Names of all variables in the order wanted; more than occur may be given.

    Attributes
    ----------
    nodes : list of tuple
        ``(rule, argument indices, value)``; arguments come first.
    variables : tuple of str

    Raises
    ------
    ValueError
        If a variable is not among ``order``.
    """

    def __init__(self, expression: Expr | Number, order: Sequence[str] | None = None) -> None:
        self.nodes: list[tuple[str, tuple[int, ...], Any]] = []
        place: dict[Any, int] = {}
        seen: dict[int, int] = {}
        for item in postorder(lift(expression)):
            key = (item.rule, tuple(seen[id(arg)] for arg in item.args), item.value)
            if key not in place:
                place[key] = len(self.nodes)
                self.nodes.append(key)
            seen[id(item)] = place[key]
        self._kept = expression  # ids above stay valid while it lives
        used = [value for rule, _, value in self.nodes if rule == "var"]
        self.variables = tuple(used if order is None else order)
        if unknown := [name for name in used if name not in self.variables]:
            raise ValueError(f"region must give a range for {unknown[0]!r}, got {self.variables}")

    def spec(self) -> list[Any]:
        """Return the nodes as plain data, see the table at the top of this module."""
        out: list[Any] = []
        for rule, args, value in self.nodes:
            if rule in ("var", "const"):
                out.append([rule, str(value)])
            else:
                out.append([rule, list(args), *([] if value is None else [value])])
        return out

    @classmethod
    def from_spec(cls, spec: Sequence[Any], order: Sequence[str] | None = None) -> Function:
        """Return the function of plain data.

        Raises
        ------
        ValueError
            If a node is not as in the table, naming its number.
        """
        return cls(expression_of(spec), order)

    def __call__(self, **at: ArrayLike) -> Array:
        """Return values in plain floating point at arrays of points, one per variable by name."""
        values: list[Array] = []
        given = {name: np.asarray(value, dtype=float) for name, value in at.items()}
        with np.errstate(all="ignore"):
            for rule, args, value in self.nodes:
                values.append(_plain(rule, [values[i] for i in args], value, given))
        return values[-1]

    def text(self) -> str:
        """Return the function in one line, for messages."""
        parts: list[str] = []
        for rule, args, value in self.nodes:
            inner = [parts[i] for i in args]
            if rule in ("var", "const"):
                parts.append(str(value) if rule == "var" else _short(value))
            elif rule in ("add", "mul"):
                parts.append("(" + (" + " if rule == "add" else " * ").join(inner) + ")")
            elif rule == "div":
                parts.append(f"({inner[0]} / {inner[1]})")
            elif rule == "pow":
                parts.append(f"{inner[0]}^{value}")
            else:
                index = f"[{value}]" if rule == "share" else ""
                parts.append(f"{rule}{index}({', '.join(inner)})")
            if len(parts[-1]) > LONGEST:  # shared parts are written out: it may grow for ever
                return f"a function of {len(self.nodes)} nodes"
        return parts[-1]


def expression_of(spec: Sequence[Any]) -> Expr:
    """Return the expression of plain data; raises ValueError naming a wrong node."""
    built: list[Expr] = []
    if not isinstance(spec, Sequence) or not spec:
        raise ValueError(f"nodes must be a list of nodes, got {shown(spec)}")
    for k, node in enumerate(spec):
        try:
            rule, first, value = node[0], node[1], node[2] if len(node) > 2 else None
            if rule == "var":
                built.append(Expr("var", (), str(first)))
            elif rule == "const":
                built.append(Expr("const", (), Fraction(first)))
            else:
                if rule not in RULES or any(not 0 <= i < k for i in first) or not first:
                    raise ValueError
                if rule == "pow" and not (isinstance(value, int) and value >= 2):
                    raise ValueError
                if rule == "share" and not (isinstance(value, int) and 0 <= value < len(first)):
                    raise ValueError
                count = {"div": 2, "pow": 1, **dict.fromkeys(UNARY, 1)}.get(rule, len(first))
                if len(first) != count or len(node) > (3 if rule in ("pow", "share") else 2):
                    raise ValueError
                built.append(Expr(rule, tuple(built[i] for i in first), value))
        except (ValueError, TypeError, IndexError, KeyError, ZeroDivisionError):
            raise ValueError(f"nodes[{k}] is not a node, got {shown(node)}") from None
    return built[-1]


def _short(value: Fraction) -> str:
    text = str(value)
    if len(text) < 12:
        return text
    try:
        return f"{float(value):.6g}"
    except OverflowError:
        return f"{text[:8]}... ({len(text)} characters)"


def _plain(rule: str, args: list[Array], value: Any, given: Mapping[str, Array]) -> Array:
    """Return a node's value in floating point."""
    if rule == "var":
        return given[value]
    if rule == "const":
        try:
            return np.asarray(float(value))
        except OverflowError:
            return np.asarray(math.inf if value > 0 else -math.inf)
    if rule == "add":
        return np.asarray(sum(args[1:], args[0]))
    if rule == "mul":
        return np.asarray(math.prod(args[1:], start=args[0]))
    if rule == "div":
        return np.asarray(args[0] / args[1])
    if rule == "pow":
        return np.asarray(args[0] ** value)
    if rule in UNARY:
        return np.asarray(getattr(np, rule)(args[0]))
    if rule == "lse":
        return np.asarray(np.logaddexp.reduce(np.stack(np.broadcast_arrays(*args))))
    own = args[value]
    return np.asarray(1 / sum(np.exp(other - own) for other in args))
