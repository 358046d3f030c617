r"""The system that the log-ratios of one mixture obey, for a drift or a step rule.

.. math:: q_j' = \alpha q_j + \beta\,(\langle w_j, \mu_y\rangle
                 + \eta \sum_k \langle w_j, v_k\rangle P_k(q)), \qquad q = W x,

on all of space and all times at once. Source: docs/theory.md, C7.
"""

from __future__ import annotations

from fokker_planck.model import ReverseProcess
from sde_compare.comparison.described import SIDES, names_of
from sde_compare.comparison.hypotheses import Condition
from sde_compare.comparison.linear import combination, parallel, rank, solve, transpose
from sde_compare.comparison.order import Order, ratio_rows
from sde_compare.comparison.steps import step_coefficients
from sde_compare.comparison.strengths import abstracted
from sde_compare.comparison.system import substitute
from sde_compare.comparison.views import Side, View
from sde_compare.regions import Expr, Region, derivative, number, total, variables
from sde_compare.symbolic import (
    affine_log_ratios,
    clock,
    fraction,
    guidance_masses,
    inner,
    mean,
    pull,
    rivals,
    single,
)


def ratio_view(
    lower: ReverseProcess, upper: ReverseProcess, order: Order, region: Region, step: str | None
) -> View:
    """Return the view in the log-ratios of one mixture; ``step`` names a step rule, None: drifts.

    The region has a range of time (tau, or u and h for a step) and none of space.
    """
    w, m = order.rows, len(order.rows)
    independent = rank(w) == m
    x_names = names_of(lower)
    q = variables([f"q{j}" for j in range(m)])
    x = variables(x_names)
    y = single(lower)
    assert y is not None
    ways = ratio_rows(lower)
    inside = {}  # <v_k, x> in terms of q
    for k in rivals(lower):
        if k not in ways:
            inside[k] = number(0)
            continue
        same = [(j, ratio) for j in range(m) if (ratio := parallel(ways[k], w[j])) is not None]
        if same:
            inside[k] = same[0][1] * q[same[0][0]]
        else:
            weights = solve(transpose(w), ways[k])
            assert weights is not None
            inside[k] = combination(weights, q)
    if step is None:
        (tau,) = variables("tau")
        c = clock(lower, fraction(lower.stop) + fraction(lower.horizon) - tau)
        alpha, beta = pull(lower, c)
    else:
        c, alpha, beta = step_coefficients(lower, step)
    masses = guidance_masses(affine_log_ratios(lower, c, inside))
    mu = mean(lower, y)

    def push(j: int) -> Expr:
        terms = [inner(w[j], ways[k]) * masses[k] for k in ways if inner(w[j], ways[k])]
        return total(terms or [0])

    def drift(process: ReverseProcess, j: int) -> Expr:
        return alpha * q[j] + beta * total([inner(w[j], mu), fraction(process.strength) * push(j)])

    drifts = {
        n: [drift(p, j) for j in range(m)] for n, p in zip(SIDES, (lower, upper), strict=True)
    }
    back = {f"q{j}": combination(w[j], x) for j in range(m)}

    def shown(e: Expr) -> Expr:  # where rows are dependent only q = W x is reached
        return e if independent else substitute(e, back)

    gap: list[Condition] = [
        (f"rise of {label}", shown(h - f), None)
        for label, f, h in zip(order.labels, drifts["lower"], drifts["upper"], strict=True)
    ]
    sides: dict[str, Side | None] = {}
    for name in SIDES:
        slopes = [[shown(derivative(f, f"q{i}")) for i in range(m)] for f in drifts[name]]
        sides[name] = Side(slopes, [])
    names = [f"q{j}" for j in range(m)] if independent else list(x_names)
    whole = Region({**dict.fromkeys(names, ("-inf", "inf")), **region.ranges})
    brief = abstracted(lower, upper, order, beta, region)
    return View(whole, gap, sides, independent, brief)
