r"""Where the law can be, and how high: bounds that need the model alone, enclosed in time.

For a diffused mixture of constant strength on the line, over pieces of time on which every
coefficient is enclosed by a ball (docs/theory.md, N7e):

- :math:`x\,b \le K + A|x| + \beta x^2`, whence :math:`E e^{x^2/2S} \le V` with
  :math:`S' = 2\beta S + 2D + \varepsilon`;
- :math:`-\partial_x b \le \omega`, whence :math:`\sup p(\tau) \le \sup p(0)\, e^{\int\omega^+}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.residual.balls import Ball
from fokker_planck.residual.field import Law, MixtureField, Terms

Array = NDArray[np.float64]
#: pieces of time, and how far they crowd towards the end
PIECES, GRADING = 600, 12.0
#: relative slack for the rounding of a few hundred additions and products
SLACK = 1 + 1e-11
#: a far-field excess beyond this goes into the quadratic term
MOST_EXCESS = 300.0


@dataclass(frozen=True)
class Reach:
    """Bounds at some times: E exp(x^2 / 2S) <= exp(log_moment), and log sup p.

    ``spread`` is S. Shapes (m,).
    """

    taus: Array
    spread: Array
    log_moment: Array
    log_height: Array

    def second_moment(self, i: int) -> float:
        """Return a bound of E x^2, by Jensen's inequality."""
        return float(2 * self.spread[i] * max(self.log_moment[i], 0.0)) * SLACK

    def beyond(self, i: int, radius: float, power: int) -> float:
        """Return a bound of E [|x|^power; |x| > radius] for power 0, 1 or 2."""
        s = self.spread[i]
        with np.errstate(over="ignore", under="ignore"):
            outside = np.exp(min(self.log_moment[i] - 0.5 * radius**2 / s, 700.0)) * SLACK
        # R^k Pr + int_R^inf k u^(k-1) Pr(|x| > u) du
        tails = (1.0, radius + s / radius, radius**2 + 2 * s)
        return float(outside * tails[power]) * SLACK

    def cut(self, i: int, error: float, power: int, least: float) -> float:
        """Return a bound of E [|x|^power; outside] + least^power * error over the best radius.

        For a signed measure of total variation ``error`` whose negative part lies within
        ``least``: its integral against |x|^power.
        """
        level = self.log_moment[i] - np.log(max(error, 1e-300))
        start = max(least, float(np.sqrt(max(2 * self.spread[i] * level, 1e-12))))
        radii = [least, *(start * np.linspace(0.7, 1.6, 19))]
        sums = [r**power * error + self.beyond(i, r, power) for r in radii if r >= least > 0]
        return float(min(sums))


def graded_edges(horizon: float, taus: Array) -> Array:
    """Return ends of pieces of time that crowd towards the horizon and include ``taus``."""
    u = np.linspace(1.0, 0.0, PIECES + 1)
    graded = horizon * (1 - np.expm1(GRADING * u) / np.expm1(GRADING))
    edges = np.unique(np.concatenate([graded, taus]))
    return np.asarray(edges[(edges >= 0) & (edges <= taus[-1])])


def reach(field: MixtureField, taus: Array) -> Reach:
    """Return the bounds at increasing times in [0, horizon]."""
    horizon = field.process.horizon
    edges = graded_edges(horizon, taus)
    h = np.diff(edges) * SLACK
    middle = 0.5 * (edges[1:] + edges[:-1])
    terms = field.terms(Ball(middle, 0.5 * h))
    beta, rise, excess = _growth(field, terms)
    double = 2 * terms.diffusivity.upper
    margin = 0.5 * terms.weight.upper + 1e-3 * float(field.start.variances.max()) / horizon
    fall = np.maximum(_compression(field, terms), 0.0)
    rates = np.stack([beta, rise, excess, 0.5 * double, margin, fall])
    return march(taus, edges, rates, _start(field.start))


def march(taus: Array, edges: Array, rates: Array, start: tuple[float, float, float]) -> Reach:
    """Return the bounds at ``taus`` from the rates on the pieces between ``edges``.

    Parameters
    ----------
    rates : ndarray, shape (6, pieces)
        beta, A, K (with D d for its diffusion), D, epsilon and omega.
    start : tuple of float
        S, log E V and log sup p at time 0.
    """
    spread, log_moment, log_height = start
    rows = [start]
    for h, (beta, rise, excess, diffusivity, margin, fall) in zip(
        np.diff(edges) * SLACK, rates.T, strict=True
    ):
        before = spread
        rate = 2 * beta
        gain = np.expm1(rate * h) / rate if abs(rate * h) > 1e-12 else h
        with np.errstate(over="ignore", invalid="ignore"):
            grown = before * np.exp(rate * h) + (2 * diffusivity + margin) * gain
            spread = float(grown) * SLACK
            drive = (excess + diffusivity) / min(before, spread / SLACK)
            log_moment += float(h * (drive + rise**2 / (2 * margin))) * SLACK
        log_height += float(h * fall) * SLACK
        rows.append((spread, log_moment, log_height))
    found = np.array(rows)[np.searchsorted(edges, taus)]
    found = np.where(np.isnan(found), np.inf, found)
    return Reach(taus, *found.T)


def _start(law: Law) -> tuple[float, float, float]:
    """Return S, log E V and log sup p of the initial law."""
    spread = 1.25 * float(law.variances.max())
    gap = 1 - law.variances / spread
    logs = -0.5 * np.log(gap) + law.means**2 / (2 * (spread - law.variances))
    log_moment = float(np.logaddexp.reduce(np.log(law.weights) + logs))
    height = float(np.sum(law.weights / np.sqrt(2 * np.pi * law.variances)))
    return spread, log_moment + 1e-12, float(np.log(height)) + 1e-12


def _spreads(law: Law, terms: Terms) -> Ball:
    """Return C_k, shape (components, pieces)."""
    r, v = terms.signal, terms.variance
    return (r * r)[None] * Ball(law.variances[:, None]) + v[None]


def _growth(field: MixtureField, terms: Terms) -> tuple[Array, Array, Array]:
    """Return beta, A and K with x b <= K + A|x| + beta x^2, over pieces of time."""
    eta = field.eta
    r = terms.signal.size
    own = _spreads(field.chosen, terms)
    rise = (1 + eta) * r * np.max(np.abs(field.chosen.means)[:, None] / own.lower, axis=0)
    square = -(1 + eta) / own.upper.max(axis=0)
    excess = np.zeros_like(square)
    if eta:
        spreads = _spreads(field.total, terms)
        rise = rise + eta * r * np.max(np.abs(field.total.means)[:, None] / spreads.lower, axis=0)
        wide = int(np.argmax(field.total.variances))
        square = square + eta / spreads.lower[wide]
        for k in range(field.total.means.size):
            if field.total.variances[k] == field.total.variances[wide]:
                continue
            a, b, c = _log_ratio(field.total, terms, k, wide)
            # A x^2 Pr <= 2 z min(1, exp(g - z/2)) with z = |a| x^2 and g = b^2/2|a| + c
            g = np.maximum((b.size**2 / (2 * np.maximum(-a.upper, 1e-300)) + c.upper), 0.0)
            held = (a.upper < 0) & (g < MOST_EXCESS)
            excess = excess + eta * np.where(held, 4 * g + 1.5, 0.0)
            square = square + eta * np.where(held, 0.0, 2 * a.size)
    weight = terms.weight
    # c is nonnegative: the larger product is at one of its ends
    ends = np.stack([weight.upper * square, np.maximum(weight.lower, 0.0) * square])
    beta = ends.max(axis=0) - terms.rate.lower
    return beta, weight.upper * rise, weight.upper * excess


def _log_ratio(law: Law, terms: Terms, k: Any, j: Any) -> tuple[Ball, Ball, Ball]:
    """Return a, b, c with log(w_k N_k / w_j N_j) = a x^2 + b x + c; indices may be arrays."""

    def column(values: Array) -> Ball:
        return Ball(np.asarray(values)[..., None])

    r, v = terms.signal, terms.variance
    square = r * r
    mk, mj = column(law.means[k]), column(law.means[j])
    vk, vj = column(law.variances[k]), column(law.variances[j])
    ck, cj = square * vk + v, square * vj + v
    scale = (ck * cj).inverse()
    a = 0.5 * square * (vk - vj) * scale
    b = r * (square * (mk * vj - mj * vk) + v * (mk - mj)) * scale
    c = -0.5 * square * (square * (mk * mk * vj - mj * mj * vk) + v * (mk * mk - mj * mj)) * scale
    logs = np.log(law.weights[k] / law.weights[j])[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = Ball(
            0.5 * np.log(cj.mid / ck.mid),
            cj.rad / np.maximum(cj.lower, 1e-300) + ck.rad / np.maximum(ck.lower, 1e-300) + 1e-14,
        )
    out = (a, b, c + Ball(logs, 1e-14 * (1 + np.abs(logs))) + halves)
    return tuple(Ball(z.mid, z.rad) for z in out)  # type: ignore[return-value]


def _compression(field: MixtureField, terms: Terms) -> Array:
    r"""Return a bound of -div b over pieces of time.

    :math:`Var_P(g) \le \sum_{j<k} L_{jk}'^2 / (4\cosh^2(L_{jk}/2))`, and L'^2 = (b^2 - 4ac) + 4aL.
    """
    eta = field.eta
    own = _spreads(field.chosen, terms)
    total = (1 + eta) / own.lower.min(axis=0)
    if eta:
        law = field.total
        k, j = np.triu_indices(law.means.size, 1)
        total = total - eta / _spreads(law, terms).upper.max(axis=0)
        if k.size:
            a, b, c = _log_ratio(law, terms, k, j)
            spread = 0.25 * (b * b - 4 * a * c).size + 0.9 * a.size
            total = total + eta * spread.sum(axis=0) * SLACK
    return np.asarray(np.maximum(terms.weight.upper * total, 0.0) + terms.rate.upper)
