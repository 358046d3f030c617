"""From two processes, an order and a region to what the hypotheses are about."""

from __future__ import annotations

from typing import Any

import numpy as np

from sde_compare.comparison.described import Described
from sde_compare.comparison.order import Order
from sde_compare.comparison.paths import is_whole
from sde_compare.comparison.ratios import ratio_view
from sde_compare.comparison.sampled import Sampler
from sde_compare.comparison.start import Laws, ordered_start
from sde_compare.comparison.steps import exact_steps
from sde_compare.comparison.system import Evaluated
from sde_compare.comparison.theorems import Setting
from sde_compare.comparison.views import View, plain_view
from sde_compare.regions import Expr, Region, variables
from sde_compare.rules import time_nodes


def make_setting(
    a: Described,
    b: Described,
    order: Order,
    region: Region,
    discrete: bool,
    laws: Laws,
    equals: Any,
    rule: str,
    n_steps: int,
    limits: tuple[str | None, int],
) -> Setting | str:
    """Return what hypotheses are about, or why there is nothing that they could be about."""
    stepped = discrete and not a.discrete
    numeric = [Evaluated(d.terms, d.names, d.time) if d.terms else d.process.drift for d in (a, b)]
    view_region = region
    if stepped:
        nodes = time_nodes(a.process, n_steps)
        short, long = exact_steps(nodes.tolist())
        if order.kind == "log-ratios":
            ends = a.process.forward_time(nodes[1:])
            view_region = Region({"u": (min(ends), max(ends)), "h": (short, long)})
        elif rule != "euler":
            return f"rule must be euler for the order of coordinates, got {rule!r}"
        else:
            free = next(n for n in ("h", "step", "step_size") if n not in (*a.names, a.time))
            view_region = Region({**region.ranges, free: (short, long)})
            numeric = [_euler(f, float(short)) for f in numeric]
            a, b = (_stepped(d, free) for d in (a, b))
    if order.kind == "log-ratios":
        if not is_whole(region, a.names):
            raise ValueError(f"region must be left out for order 'log-ratios', got {region}")
        if a.terms is None or b.terms is None:
            return a.why or b.why
        times_ = view_region if stepped else Region({"tau": region.ranges[a.time]})
        made: View = ratio_view(a.process, b.process, order, times_, rule if stepped else None)
    else:
        made = plain_view(a, b, order, view_region, equals)
    return Setting(
        *(a, b, order, made, region, discrete, ordered_start(laws, order)),
        numeric=(numeric[0], numeric[1]),
        sampler=lambda: Sampler(region, a.names, a.time, laws[0]),
        modulus=limits[0],
        max_boxes=limits[1],
    )


def _euler(f: Any, h: float) -> Any:
    return lambda x, tau: x + h * np.asarray(f(x, tau))


def _stepped(d: Described, free: str) -> Described:
    """Return the Euler step map of a drift, with the step size as a variable."""
    if d.terms is None:
        return d
    h, *x = variables([free, *d.names])
    terms: tuple[Expr, ...] = tuple(xi + h * f for xi, f in zip(x, d.terms, strict=True))
    return Described(d.process, d.names, d.time, terms, d.amplitude, stepped=True)
