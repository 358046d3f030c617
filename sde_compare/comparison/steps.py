r"""Step rules of a reverse process as expressions in u, the forward time at the end, and h.

With t = u + h, :math:`g = r_u / r_t` and :math:`n = v_t - v_u / g^2`, the variance that the forward
step adds, a step is :math:`x' = a x + b\,s + C \xi`; in (2.1) the score has slope -1/s_t, so that

===========  =============================================  ====================================
rule         A = a - b / s_t                                b
===========  =============================================  ====================================
euler        1 - f h - b / s_t                              (1 + lambda^2) D h
exponential  g - b / s_t                                    (1 + lambda^2) int (r_u / r) D
ddim         (r_u r_t sigma^2 + sqrt(v_u v_t)) / s_t        sqrt(v_t) n g^2 / (sqrt(v_t) g +
                                                            sqrt(v_u))
ddpm         g (r_t^2 sigma^2 + v_u / g^2) / s_t            n g
===========  =============================================  ====================================

Source: docs/theory.md, T1-discrete; :mod:`sde_compare.rules`.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from fokker_planck.model import ReverseProcess
from sde_compare.regions import Expr, exp, number, sqrt, variables
from sde_compare.symbolic import Clock, clock, fraction, spread


def growth(process: ReverseProcess, u: Expr, h: Expr) -> tuple[Expr, Expr, Expr]:
    """Return g, n and the integral of (r_u / r) D over the step, in terms that are positive."""
    spec = process.schedule.spec()
    if spec["name"] == "ve":
        rho = fraction(spec["rate"])
        return number(1), rho * h, rho / 2 * h
    if spec["name"] == "ou":
        rate = h
    else:
        low = fraction(spec["beta_min"])
        slope = (fraction(spec["beta_max"]) - low) / fraction(spec["span"])
        rate = h * (low + slope * (u + h / 2)) / 2
    g = exp(rate)
    return g, 1 - exp(-2 * rate), g - 1


def step_coefficients(process: ReverseProcess, rule: str) -> tuple[Clock, Expr, Expr]:
    """Return the clock at the start of the step, A, and b r_t / s_t."""
    u, h = variables("u h")
    c, end = clock(process, u + h), clock(process, u)
    s = spread(process, c)
    g, fresh, integral = growth(process, u, h)
    sigma2 = fraction(process.mixture.covariances[0, 0, 0])
    level = 1 + fraction(process.noise_level) ** 2
    if rule == "euler":
        b = level * c.diffusivity * h
        slope = 1 - c.rate * h - b / s
    elif rule == "exponential":
        b = level * integral
        slope = g - b / s
    elif rule == "ddim":
        v, w = sqrt(c.variance), sqrt(end.variance)
        b = v * fresh * g**2 / (v * g + w)
        slope = (sigma2 * end.signal * c.signal + v * w) / s
    else:
        b = fresh * g
        slope = g * (sigma2 * c.signal**2 + end.variance / g**2) / s
    return c, slope, b * c.signal / s


def exact_steps(nodes: list[float]) -> tuple[Fraction, Fraction]:
    """Return the shortest and the longest step between times, exactly."""
    sizes = [Fraction(b) - Fraction(a) for a, b in pairwise(nodes)]
    return min(sizes), max(sizes)
