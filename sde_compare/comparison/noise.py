r"""Hypotheses about noise: the same for both, additive, or with a modulus of continuity.

A Lipschitz amplitude has modulus :math:`\rho(u) = L u`; one with
:math:`\sigma \ge 0` and Lipschitz square has :math:`\rho(u) = \sqrt{L u}`, since
:math:`|\sigma - \sigma'|^2 \le |\sigma^2 - \sigma'^2|`. For both
:math:`\int_0 du/\rho(u)^2 = \infty`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fokker_planck.model import GuidedProcess, Process
from fokker_planck.model.checks import one_of
from sde_compare.comparison.described import Described
from sde_compare.comparison.hypotheses import (
    NEEDS_EXPRESSION,
    Condition,
    Hypothesis,
    bounded,
    nonnegative,
    vanishing,
)
from sde_compare.comparison.system import Diffusion, used
from sde_compare.regions import Expr, Region, derivative, product

MODULI = ("lipschitz", "hoelder-1/2")
N_TIMES = 257


def own_noise(d: Described) -> bool:
    """Whether noise depends on the state, or every coordinate has its own."""
    return isinstance(d.process, Diffusion)


def same_noise(lower: Described, upper: Described, region: Region, max_boxes: int) -> Hypothesis:
    """Decide whether two processes have one noise."""
    name, statement = "noise", "both have the same noise"
    a, b = lower.process, upper.process
    if isinstance(a, GuidedProcess) and isinstance(b, GuidedProcess):
        keys = ("noise_level", "schedule", "horizon", "stop")
        if all(a.spec().get(k) == b.spec().get(k) for k in keys):
            return Hypothesis(
                name, statement, "proved", f"noise level {a.noise_level:g}, one schedule"
            )
    if lower.amplitude is not None and upper.amplitude is not None:
        differ = [
            (f"noise of {n}, upper - lower", q - p)
            for n, p, q in zip(lower.names, lower.amplitude, upper.amplitude, strict=True)
        ]
        if all(e.rule == "const" for _, e in differ):
            for label, e in differ:
                if e.value != 0:
                    text = f"{label} = {float(e.value):g}"
                    return Hypothesis(name, statement, "refuted", text, (), {})
            first = lower.amplitude[0]
            return Hypothesis(name, statement, "proved", f"the number {float(first.value):g}")
        return vanishing(name, statement, differ, _wide(region, lower, differ), max_boxes)
    taus = np.linspace(0.0, a.horizon, N_TIMES)
    g, h = np.asarray(a.noise(taus)), np.asarray(b.noise(taus))
    worst = int(np.argmax(np.abs(g - h)))
    if abs(g[worst] - h[worst]) > 1e-12 * (1 + abs(g[worst])):
        where = {lower.time: float(taus[worst])}
        text = f"{g[worst]:.6g} against {h[worst]:.6g} at {lower.time} = {taus[worst]:.6g}"
        return Hypothesis(name, statement, "refuted", text, (), where)
    if _number(a) is not None and _number(a) == _number(b):
        return Hypothesis(name, statement, "proved", f"the number {_number(a):g}")
    return Hypothesis(name, statement, "undecided", NEEDS_EXPRESSION)


def _wide(region: Region, d: Described, differ: list[tuple[str, Expr]]) -> Region:
    """Return the region with ranges for all variables: a step's view may lack reverse time."""
    missing = {n for _, e in differ for n in used(e)} - set(region.names)
    more = {n: (0, d.process.horizon) if n == d.time else ("-inf", "inf") for n in missing}
    return Region({**region.ranges, **more}) if more else region


def _number(process: Any) -> float | None:
    """Return the noise of a process if it is one number."""
    if process.deterministic:
        return 0.0
    if isinstance(process, Process) and math.isinf(process.noise_time):
        return float(process.noise(0.0))
    return None


def square(e: Expr) -> Expr:
    """Return e^2 with square roots taken away where they are factors."""
    if e.rule == "sqrt":
        return e.args[0]
    if e.rule == "mul":
        return product([square(part) for part in e.args])
    return e**2


def modulus(d: Described, region: Region, asked: str | None, max_boxes: int) -> list[Hypothesis]:
    """Decide that noise i depends on coordinate i alone, with an admissible modulus in it."""
    assert d.amplitude is not None
    if asked is not None:
        one_of("modulus", asked, MODULI)
    out = []
    foreign = [
        (f"d(noise of {n})/d({other})", derivative(a, other))
        for n, a in zip(d.names, d.amplitude, strict=True)
        for other in d.names
        if other != n
    ]
    if foreign:
        text = "the noise of a coordinate depends on that coordinate alone"
        out.append(vanishing("own noise", text, foreign, region, max_boxes))
    slopes = [derivative(a, n) for n, a in zip(d.names, d.amplitude, strict=True)]
    both = [
        (f"{sign}d(noise)/d({n})", product([1 if sign == "" else -1, s]))
        for n, s in zip(d.names, slopes, strict=True)
        for sign in ("", "-")
    ]
    if asked != "hoelder-1/2":
        text = "the noise is Lipschitz: slopes bounded on both sides"
        found = bounded("modulus", text, both, region, max_boxes)
        if found.status == "proved" or asked == "lipschitz":
            return [*out, found]
    squares = [square(a) for a in d.amplitude]
    both = [
        (f"{sign}d(noise^2)/d({n})", product([1 if sign == "" else -1, derivative(q, n)]))
        for n, q in zip(d.names, squares, strict=True)
        for sign in ("", "-")
    ]
    conditions: list[Condition] = [
        (f"noise of {n}", a, None) for n, a in zip(d.names, d.amplitude, strict=True)
    ]
    text = "the noise is >= 0 and its square Lipschitz: Hoelder continuous with power 1/2"
    sign = nonnegative("modulus", text, conditions, region, max_boxes)
    if sign.status != "proved":
        return [*out, sign.weakened(sign.detail)]
    found = bounded("modulus", text, both, region, max_boxes)
    joined = Hypothesis(
        "modulus", text, found.status, found.detail, (*sign.decisions, *found.decisions)
    )
    return [*out, joined]
