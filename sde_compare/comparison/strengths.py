r"""Two strengths of one model, with alpha, beta and all log-ratios as free variables.

That W b has the form :math:`\alpha W x + \beta\,(W\mu_y + \eta \sum_k P_k W v_k)` and that the
difference of two strengths is :math:`(\eta' - \eta)\,\beta \sum_k P_k W v_k` are identities in
them, so that no number of the model enters an exponent; there remains beta >= 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fokker_planck.model import ReverseProcess
from sde_compare.comparison.described import SIDES
from sde_compare.comparison.hypotheses import Condition
from sde_compare.comparison.linear import combination
from sde_compare.comparison.order import Order, ratio_rows
from sde_compare.observables import share_classifier
from sde_compare.regions import Expr, Region, number, total, variables
from sde_compare.symbolic import (
    fraction,
    guidance_masses,
    guided,
    inner,
    isotropic,
    mean,
    rivals,
    single,
)


@dataclass(frozen=True, eq=False)
class Abstract:
    """Two strengths of one model, with alpha, beta >= 0 and the log-ratios as free variables.

    ``gap`` and ``links`` are on ``region``; ``signs``, on ``times``, say that beta >= 0.
    """

    region: Region
    gap: list[Condition]
    links: list[tuple[str, Expr]]
    times: Region
    signs: list[Condition]


def abstracted(lower: Any, upper: Any, order: Order, beta: Expr, times: Region) -> Abstract | None:
    """Return what order and form of two strengths of one model come down to; None for others."""
    if not (isinstance(lower, ReverseProcess) and isinstance(upper, ReverseProcess)):
        return None
    same = lower.noise_level == upper.noise_level and lower.horizon == upper.horizon
    if not same or not share_classifier(lower, upper):
        return None
    if single(lower) is None or not isotropic(lower):
        return None
    y, w = single(lower), order.rows
    assert y is not None
    ratios = dict(zip(rivals(lower), variables([f"l{k}" for k in rivals(lower)]), strict=True))
    x = variables([f"x{i}" for i in range(lower.dimension)])
    a, b = variables("alpha beta")
    masses, ways = guidance_masses(ratios), ratio_rows(lower)

    def push(row: list[Any]) -> Expr:
        return total([g * masses[k] for k, v in ways.items() if (g := inner(row, v))] or [0])

    drifts = [guided(p, x, a, b, masses) for p in (lower, upper)]
    more = fraction(upper.strength) - fraction(lower.strength)
    gap: list[Condition] = []
    links = []
    for row, label in zip(w, order.labels, strict=True):
        f, h = (combination(row, drift) for drift in drifts)
        gap.append((f"rise of {label}", h - f, more * b * push(row) if more else number(0)))
        for name, e, p in zip(SIDES, (f, h), (lower, upper), strict=True):
            inside = total([inner(row, mean(p, y)), fraction(p.strength) * push(row)])
            links.append((f"{label} of {name}", e - (a * combination(row, x) + b * inside)))
    free = [n.value for n in (*x, *ratios.values(), a)]
    region = Region({**dict.fromkeys(free, ("-inf", "inf")), "beta": (0, "inf")})
    return Abstract(region, gap, links, times, [("beta", beta, None)])
