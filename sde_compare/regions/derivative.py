"""Derivatives of expressions, so that a condition on a drift is not derived by hand."""

from __future__ import annotations

from sde_compare.regions.expression import Expr, Number, lift, postorder, product, shares, total


def derivative(expression: Expr | Number, name: str) -> Expr:
    """Return the partial derivative of an expression in one variable.

    Parameters
    ----------
    expression : Expr or number
    name : str
        The variable; an expression without it has derivative 0.

    Returns
    -------
    Expr
        Defined wherever the expression is, except where a square root vanishes.
    """
    known: dict[int, Expr | None] = {}
    root = lift(expression)
    for item in postorder(root):
        known[id(item)] = _rule(item, [known[id(arg)] for arg in item.args], name)
    found = known[id(root)]
    return lift(0) if found is None else found


def _rule(e: Expr, inner: list[Expr | None], name: str) -> Expr | None:
    """Return the derivative of a node from those of its arguments; None is zero."""
    if e.rule == "var":
        return lift(1) if e.value == name else None
    if all(d is None for d in inner):
        return None
    if e.rule == "add":
        return total([d for d in inner if d is not None])
    if e.rule == "mul":
        parts = []
        for i, d in enumerate(inner):
            if d is not None:
                parts.append(product([*(a for j, a in enumerate(e.args) if j != i), d]))
        return total(parts)
    if e.rule == "div":
        bottom = e.args[1]
        d_top, d_bottom = inner
        first = None if d_top is None else d_top / bottom
        if d_bottom is None:
            return first
        second = -(e * d_bottom / bottom)
        return second if first is None else first + second
    if e.rule in ("lse", "share"):
        return _softmax_rule(e, inner)
    own = inner[0]
    assert own is not None
    x = e.args[0]
    if e.rule == "pow":
        return product([e.value, x ** (e.value - 1), own])
    if e.rule == "exp":
        return product([e, own])
    if e.rule == "log":
        return own / x
    if e.rule == "sqrt":
        return own / (2 * e)
    return product([1 - e**2, own])  # tanh


def _softmax_rule(e: Expr, inner: list[Expr | None]) -> Expr:
    """Return sum_j s_j u_j' for lse, s_i sum_j s_j (u_i' - u_j') for a share."""
    s = shares(*e.args)
    if e.rule == "lse":
        return total([product([s[j], d]) for j, d in enumerate(inner) if d is not None])
    own, parts = inner[e.value], []
    for j, d in enumerate(inner):
        change = [x for x in (own, None if d is None else -d) if x is not None]
        if j != e.value and change:
            parts.append(product([s[e.value], s[j], total(change)]))
    return total(parts)
