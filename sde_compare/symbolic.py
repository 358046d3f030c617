r"""Guided reverse processes as expressions, so that conditions on their drift can be decided.

Built from first principles: the log-densities of the diffused components, with the exact values
of the process's floats, and scores by the rules of differentiation. With a common isotropic
covariance the closed form (2.1) of docs/theory.md is used, in which log-ratios are affine,

.. math:: b = \alpha x + \beta\,(\mu_y + \eta \sum_{k \ne y} P_k v_k), \qquad
          \ell_k = \log\frac{w_y}{w_k}
                   + \frac{r}{s}\Big(\langle v_k, x\rangle - \frac r2(|\mu_y|^2 - |\mu_k|^2)\Big).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from fokker_planck.model import ConstantStrength, ReverseProcess
from fokker_planck.model.checks import shown
from sde_compare import regions as rg
from sde_compare.regions import Expr

MOST_COMPONENTS, MOST_DIMENSIONS = 6, 3


@dataclass(frozen=True)
class Clock:
    """A schedule at forward time t as expressions: signal, variance, drift rate, diffusivity."""

    signal: Expr
    variance: Expr
    rate: Expr
    diffusivity: Expr


@dataclass(frozen=True, eq=False)
class Symbolic:
    r"""A reverse process as expressions in its coordinates and in reverse time.

    Attributes
    ----------
    process : ReverseProcess
    names : tuple of str
        The coordinates: x in dimension one, else x0, x1, ...
    time : str
        The variable of reverse time, "tau".
    drift : tuple of Expr
        Components of b(x, tau).
    noise : Expr
        Amplitude :math:`\lambda\sqrt{2D}` of the noise in every coordinate.
    log_ratios : dict of int to Expr
        log of target class over component k, for the components k outside the class.
    posterior : Expr
        P_t(y|x).
    clock : Clock
        The schedule at forward time.
    """

    process: ReverseProcess
    names: tuple[str, ...]
    time: str
    drift: tuple[Expr, ...]
    noise: Expr
    log_ratios: dict[int, Expr]
    posterior: Expr
    clock: Clock


def fraction(value: Any) -> Fraction:
    """Return a float as the fraction that it is."""
    return Fraction(float(value))


def clock(process: ReverseProcess, t: Expr) -> Clock:
    """Return the schedule of a process at a forward time.

    Raises
    ------
    ValueError
        If it cannot be written with exponentials and square roots: "cosine" and a user's own.
    """
    spec = process.schedule.spec()
    kind = spec.get("name")
    one = rg.number(1)
    if kind == "ou":
        r = rg.exp(-t)
        return Clock(r, 1 - r**2, -one, one)
    if kind == "ve":
        rho = rg.number(spec["rate"])
        return Clock(one, rho * t, rg.number(0), rho / 2)
    if kind == "linear-vp":
        low, high = fraction(spec["beta_min"]), fraction(spec["beta_max"])
        slope = (high - low) / fraction(spec["span"])
        beta = low + slope * t
        r = rg.exp(-(t * (low + slope / 2 * t)) / 2)
        return Clock(r, 1 - r**2, -beta / 2, beta / 2)
    raise ValueError(
        f"schedule must be ou, ve or linear-vp to be written as an expression, got {shown(kind)}"
    )


def _check(process: Any) -> ReverseProcess:
    if not isinstance(process, ReverseProcess):
        raise ValueError(f"process must be a reverse process of a mixture, got {shown(process)}")
    if not isinstance(process.guidance, ConstantStrength):
        raise ValueError(f"guidance must be a constant strength, got {shown(process.guidance)}")
    if process.perturbation is not None:
        raise ValueError(f"perturbation must be absent, got {shown(process.perturbation)}")
    mixture = process.mixture
    if mixture.n_components > MOST_COMPONENTS:
        raise ValueError(
            f"mixture must have at most {MOST_COMPONENTS} components, got {mixture.n_components}"
        )
    if mixture.dimension > MOST_DIMENSIONS:
        raise ValueError(
            f"mixture must have dimension at most {MOST_DIMENSIONS}, got {mixture.dimension}"
        )
    return process


def isotropic(process: ReverseProcess) -> bool:
    """Whether all components share one covariance, a multiple of the identity, exactly."""
    c = process.mixture.covariances
    return bool(np.all(c == c[0, 0, 0] * np.eye(process.dimension)))


def single(process: ReverseProcess) -> int | None:
    """Return the component that is the target class, None if the class has several."""
    members = process.mixture.members(process.target)
    return int(members[0]) if members.size == 1 else None


def rivals(process: ReverseProcess) -> list[int]:
    """Return the components of positive weight outside the target class."""
    own = set(process.mixture.members(process.target).tolist())
    weights = process.mixture.weights
    return [k for k in range(len(weights)) if weights[k] > 0 and k not in own]


def mean(process: ReverseProcess, k: int) -> list[Fraction]:
    """Return the mean of a component, exactly."""
    return [fraction(m) for m in process.mixture.means[k]]


def inner(a: Sequence[Any], b: Sequence[Any]) -> Any:
    """Return a scalar product of numbers or of numbers and expressions."""
    terms = [u * v for u, v in zip(a, b, strict=True)]
    return rg.total(terms) if any(isinstance(t, Expr) for t in terms) else sum(terms, Fraction(0))


def spread(process: ReverseProcess, c: Clock) -> Expr:
    """Return s_t = r^2 sigma^2 + v, just 1 where the schedule preserves a unit variance."""
    sigma2 = fraction(process.mixture.covariances[0, 0, 0])
    if process.schedule.spec()["name"] == "ve":
        return sigma2 + c.variance
    return rg.number(1) if sigma2 == 1 else 1 + (sigma2 - 1) * c.signal**2


def affine_log_ratios(process: ReverseProcess, c: Clock, along: dict[int, Expr]) -> dict[int, Expr]:
    """Return log P(y)/P(k) from the expressions <v_k, x>; common isotropic covariance."""
    y = single(process)
    assert y is not None
    s = spread(process, c)
    weights = process.mixture.weights
    out = {}
    for k in rivals(process):
        rise = (inner(*[mean(process, y)] * 2) - inner(*[mean(process, k)] * 2)) / 2
        bias = fraction(weights[y]) / fraction(weights[k])
        start = rg.number(0) if bias == 1 else rg.log(bias)
        out[k] = start + c.signal / s * (along[k] - rise * c.signal)
    return out


def guidance_masses(ratios: dict[int, Expr]) -> dict[int, Expr]:
    """Return the posteriors of the rivals from log-ratios: shares of 0 and -l_k."""
    found = rg.shares(0, *(-one for one in ratios.values()))
    return dict(zip(ratios, found[1:], strict=True))


def pull(process: ReverseProcess, c: Clock) -> tuple[Expr, Expr]:
    """Return alpha and beta of (2.1)."""
    speed = (1 + fraction(process.noise_level) ** 2) * c.diffusivity
    s = spread(process, c)
    return -c.rate - speed / s, speed * c.signal / s


def guided(
    process: ReverseProcess,
    x: Sequence[Expr],
    alpha: Expr,
    beta: Expr,
    masses: dict[int, Expr],
) -> list[Expr]:
    """Return the drift (2.1) at x from alpha, beta and the posteriors of the rivals."""
    y = single(process)
    assert y is not None
    mu, eta = mean(process, y), fraction(process.strength)
    out = []
    for i, xi in enumerate(x):
        ways = [(mu[i] - mean(process, k)[i], mass) for k, mass in masses.items()]
        out.append(alpha * xi + beta * rg.total([mu[i], *(eta * v * p for v, p in ways if v)]))
    return out


def _log_density(process: ReverseProcess, c: Clock, k: int, x: Sequence[Expr]) -> Expr:
    """Return log w_k + log p_t(x|k) but for the constant, which all components share."""
    d = process.dimension
    cov = process.mixture.covariances[k]
    m = [
        [fraction(cov[i, j]) * c.signal**2 + (c.variance if i == j else 0) for j in range(d)]
        for i in range(d)
    ]
    gap = [xi - c.signal * mu for xi, mu in zip(x, mean(process, k), strict=True)]
    det, adjugate = _adjugate(m)
    form = rg.total([gap[i] * adjugate[i][j] * gap[j] for i in range(d) for j in range(d)])
    weight = rg.log(fraction(process.mixture.weights[k]))
    return weight - rg.log(det) / 2 - form / (2 * det)


def _adjugate(m: list[list[Expr]]) -> tuple[Expr, list[list[Expr]]]:
    """Return determinant and adjugate of a matrix of expressions, up to 3 by 3."""
    d = len(m)
    if d == 1:
        return m[0][0], [[rg.number(1)]]

    def cofactor(i: int, j: int) -> Expr:
        rows = [r for r in range(d) if r != j]
        cols = [q for q in range(d) if q != i]
        minor = [[m[r][q] for q in cols] for r in rows]
        det = minor[0][0] if d == 2 else minor[0][0] * minor[1][1] - minor[0][1] * minor[1][0]
        return det if (i + j) % 2 == 0 else -det

    adjugate = [[cofactor(i, j) for j in range(d)] for i in range(d)]
    return rg.total([m[0][j] * adjugate[j][0] for j in range(d)]), adjugate


def symbolic(process: ReverseProcess) -> Symbolic:
    r"""Return the drift, noise, log-ratios and posterior of a process as expressions.

    Parameters
    ----------
    process : ReverseProcess
        Of at most 6 components in dimension at most 3, with a constant strength, no stated error,
        and the schedule ``ou``, ``ve`` or ``linear-vp``.

    Returns
    -------
    Symbolic

    Raises
    ------
    ValueError
        If the process is none of these, naming what is not.

    Notes
    -----
    The drift is :math:`-f x + (1+\lambda^2) D\,[\nabla a + \eta \nabla (a - b)]` with a and b the
    log-densities of the class and of the whole, or (2.1). Source: docs/theory.md, section 2.
    """
    _check(process)
    d = process.dimension
    names = ("x",) if d == 1 else tuple(f"x{i}" for i in range(d))
    x = rg.variables(names)
    (tau,) = rg.variables("tau")
    c = clock(process, fraction(process.stop) + fraction(process.horizon) - tau)
    level = fraction(process.noise_level)
    noise = level * rg.sqrt(2 * c.diffusivity) if level else rg.number(0)
    y, others = single(process), rivals(process)
    if isotropic(process) and y is not None:
        mu = mean(process, y)
        ways = {k: [a - b for a, b in zip(mu, mean(process, k), strict=True)] for k in others}
        ratios = affine_log_ratios(process, c, {k: inner(v, x) for k, v in ways.items()})
        masses = guidance_masses(ratios)
        alpha, beta = pull(process, c)
        drift = guided(process, x, alpha, beta, masses)
        posterior = rg.shares(0, *(-one for one in ratios.values()))[0]
        return Symbolic(process, names, "tau", tuple(drift), noise, ratios, posterior, c)
    own = [k for k in process.mixture.members(process.target).tolist()]
    own = [k for k in own if process.mixture.weights[k] > 0]
    logs = {k: _log_density(process, c, k, x) for k in (*own, *others)}
    a, b = rg.lse(*(logs[k] for k in own)), rg.lse(*logs.values())
    if len(own) == 1:
        a = logs[own[0]]
    speed, eta = (1 + level**2) * c.diffusivity, fraction(process.strength)
    score = [(1 + eta) * rg.derivative(a, n) - eta * rg.derivative(b, n) for n in names]
    drift = [-c.rate * xi + speed * s for xi, s in zip(x, score, strict=True)]
    posterior = rg.total(rg.shares(*logs.values())[: len(own)])
    ratios = {k: a - logs[k] for k in others}
    return Symbolic(process, names, "tau", tuple(drift), noise, ratios, posterior, c)
