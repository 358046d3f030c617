r"""The residual of a 1-D solution's interpolant on cells (space panel x time panel), enclosed.

In the frame x = c + s y the interpolant Q(y, tau) = s q is a product polynomial on every cell,
continuous across cells and zero at y = -1 and 1; its residual is

.. math:: G = \partial_\tau Q + \partial_y(\beta Q) - \delta\,\partial_y^2 Q, \quad
          \beta = (b - c' - s' y)/s, \quad \delta = D/s^2,

plus the point masses :math:`-\delta\,[\partial_y Q]` at the ends of panels. Every formula and its
proof: docs/theory.md, N7c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.residual.balls import Ball, ellipse_cover
from fokker_planck.residual.chebyshev import (
    gauss,
    lagrange,
    left_out,
    left_out_twice,
    lobatto,
    rounding_count,
)
from fokker_planck.residual.frames import TimePanel
from fokker_planck.residual.table import Table

Array = NDArray[np.float64]
#: degree of the interpolant in space
DEGREE = 16
#: degrees to which the drift is expanded in space and in time
DRIFT_DEGREES = (32, 20)
#: pairs of ellipses (space, time) on which the drift is bounded, widest first
ELLIPSES = ((3.0, 4.0), (2.2, 3.0), (1.6, 2.2), (1.3, 1.6))
#: how much the rounding of Gauss nodes may change a root mean square
NODES_SLACK = 1 + 1e-9


def lebesgue(degree: int) -> float:
    """Return a bound of the Lebesgue constant of Chebyshev-Lobatto interpolation."""
    return 1.001 * (1 + 2 / np.pi * float(np.log(degree + 1)))


def lebesgue_of(nodes: tuple[float, ...]) -> float:
    """Return a bound of the Lebesgue constant of nodes: fine sampling suffices for few nodes."""
    degree = len(nodes) - 1
    if np.array_equal(nodes, lobatto(degree)) if degree > 1 else True:
        return lebesgue(max(degree, 1))
    # |l(t)| between sampled points: a polynomial of degree n changes by at most n^2 h of itself
    points = np.linspace(-1, 1, 16 * degree * degree + 1)
    sampled = float(np.abs(lagrange(np.array(nodes), points)[0]).sum(axis=1).max())
    return 1.1 * sampled


@dataclass(frozen=True)
class CellParts:
    """L1 bounds of one row of cells (all panels of space at one panel of time)."""

    residual: Array
    rounding: Array
    truncation: Array
    #: slopes of Q at the left and right ends of cells, at the Gauss times
    left: Ball
    right: Ball

    @property
    def sums(self) -> Array:
        """The parts together, per cell."""
        return self.residual + self.rounding + self.truncation


class Cells:
    """Evaluates cells of one time panel.

    Parameters
    ----------
    panel : TimePanel
    table : Table
        The densities of the solution.
    field : MixtureField or SampledField
        The drift; a field with ``enclosed`` false gives no truncation bounds.
    """

    def __init__(self, panel: TimePanel, table: Table, field: Any) -> None:
        self.panel, self.table, self.field = panel, table, field
        n = len(panel.nodes) - 1
        self.theta, self.time_weights = gauss(n + DRIFT_DEGREES[1] + 1)
        self.xi, self.space_weights = gauss(DEGREE + DRIFT_DEGREES[0] + 1)
        self.in_time = lagrange(np.array(panel.nodes), self.theta)
        self.in_space = lagrange(lobatto(DEGREE), self.xi)
        self.at_ends = lagrange(lobatto(DEGREE), np.array([-1.0, 1.0]))[1]
        theta = Ball(self.theta[:, None])
        self.centre, self.scale = panel.frame(theta)
        self.terms = field.terms(panel.time(theta))
        self.growth = lebesgue(DEGREE) * lebesgue_of(panel.nodes)

    def values(self, cells: Array) -> Array:
        """Return Q at the nodes, shape (cells, times, nodes); cells has shape (m, 2)."""
        out = np.empty((len(cells), len(self.panel.nodes), DEGREE + 1))
        y = cells[:, :1] + (cells[:, 1:] - cells[:, :1]) * (0.5 * (1 + lobatto(DEGREE)))
        for j, i in enumerate(self.panel.indices):
            c, s = self.panel.position(self.panel.nodes[j])
            out[:, j] = s * self.table.at(i, c + s * y)
        # nothing outside: the interpolant ends at zero
        out[cells[:, 0] == -1, :, 0] = 0.0
        out[cells[:, 1] == 1, :, -1] = 0.0
        return out

    def _apply(self, time: Array, values: Array, space: Array) -> Ball:
        """Return time @ values @ space^T with its rounding."""
        mid = time @ values @ space.T
        absolute = np.abs(time) @ np.abs(values) @ np.abs(space).T
        return Ball(mid, rounding_count(values.shape[1] + values.shape[2] + 4) * absolute)

    def evaluate(self, cells: Array) -> CellParts:
        """Return the L1 bounds of cells."""
        v = self.values(cells)
        half = 0.5 * (cells[:, 1] - cells[:, 0])[:, None, None]
        (t0, t1, _), (y0, y1, y2) = self.in_time, self.in_space
        length = Ball(self.panel.ends[1]) - self.panel.ends[0]
        q = self._apply(t0, v, y0)
        q_y = self._apply(t0, v, y1) / half
        q_yy = self._apply(t0, v, y2) / (half * half)
        q_t = 2 * self._apply(t1, v, y0) / length
        y = 0.5 * (cells[:, :1] + cells[:, 1:])[:, :, None] + half * self.xi
        beta, slope, delta = self._coefficients(Ball(y), self.centre, self.scale, self.terms)
        g = q_t + slope * q + beta * q_y - delta * q_yy
        weight = self.time_weights[:, None] * self.space_weights
        area = (half * self.panel.half)[:, 0, 0]

        def integral(size: Any) -> Array:
            """Return 4 area^(1/2) times the root of the mean square."""
            square = np.sum(weight * np.broadcast_to(size, g.mid.shape) ** 2, axis=(1, 2))
            return np.asarray(2 * area * np.sqrt(square) * NODES_SLACK)

        ends = [self._apply(t0, v, self.at_ends)[:, :, side] / half[:, :, 0] for side in (0, 1)]
        truncation = self._truncation(cells, v, half[:, 0, 0]) * 8 * area
        return CellParts(integral(np.abs(g.mid)), integral(g.rad), truncation, *ends)

    def _coefficients(
        self, y: Ball, centre: Ball, scale: Ball, terms: Any
    ) -> tuple[Ball, Ball, Ball]:
        """Return beta, its slope in y, and delta."""
        move, stretch = self.panel.rates()
        inverse = scale.inverse()
        drift, slope = self.field.drift_and_slope(centre + scale * y, terms)
        beta = (drift - move - stretch * y) * inverse
        return beta, slope - stretch * inverse, terms.diffusivity * inverse * inverse

    def _truncation(self, cells: Array, v: Array, half: Array) -> Array:
        """Return a bound of |G - polynomial| on each cell."""
        if not self.field.enclosed:
            return np.zeros(len(cells))
        d1, d2 = (lagrange(lobatto(DEGREE), lobatto(DEGREE))[k] for k in (1, 2))
        q = self.growth * np.abs(v).max(axis=(1, 2)) * 1.001
        q_y = self.growth * np.abs(v @ d1.T).max(axis=(1, 2)) / half * 1.001
        q_yy = self.growth * np.abs(v @ d2.T).max(axis=(1, 2)) / half**2 * 1.001
        out = np.full(len(cells), np.inf)
        for rhos in ELLIPSES:
            # where the bound is far below rounding nothing is gained by another ellipse
            todo = np.flatnonzero(out > 1e-15 + 1e-13 * (q_y + q_yy))
            if todo.size == 0:
                break
            sizes = self._on_ellipses(cells[todo], rhos)
            double = left_out_twice(rhos, DRIFT_DEGREES)
            single = left_out(rhos[1], DRIFT_DEGREES[1])
            with np.errstate(invalid="ignore"):
                found = double * (sizes[0] * q_y[todo] + sizes[1] * q[todo])
                found = found + single * sizes[2] * q_yy[todo]
            out[todo] = np.fmin(out[todo], np.where(np.isnan(found), np.inf, found))
        return out

    def _on_ellipses(self, cells: Array, rhos: tuple[float, float]) -> list[Array]:
        """Return bounds of beta, its slope and delta on the ellipses around cells."""
        theta = ellipse_cover(rhos[1], 6)
        theta = Ball(theta.mid[:, None], theta.rad[:, None])
        xi = ellipse_cover(rhos[0], 7, upper_half=True)
        mid, half = (0.5 * (cells[:, 1] + sign * cells[:, 0]) for sign in (1, -1))
        y = mid[:, None, None] + half[:, None, None] * xi
        centre, scale = self.panel.frame(theta)
        terms = self.field.terms(self.panel.time(theta))
        found = self._coefficients(y, centre, scale, terms)
        return [
            np.broadcast_to(f.size, (len(cells), *f.size.shape[-2:])).max((1, 2)) for f in found
        ]

    def kinks(self, parts: CellParts, order: Array) -> Array:
        """Return the L1 size of the point masses at the left end of each cell in order, and last.

        ``order`` sorts the cells from left to right.
        """
        zero = np.zeros((1, self.theta.size))
        left, right = parts.left[order], parts.right[order]
        ahead = Ball(np.concatenate([left.mid, zero]), np.concatenate([left.rad, zero]))
        behind = Ball(np.concatenate([zero, right.mid]), np.concatenate([zero, right.rad]))
        jump = (ahead - behind).size
        delta = self._largest_diffusivity()
        square = np.sum(self.time_weights * jump**2, axis=1)
        return np.asarray(delta * self.panel.half * np.sqrt(2 * square) * NODES_SLACK)

    def _largest_diffusivity(self) -> float:
        """Return an upper bound of delta over the panel."""
        if not self.field.enclosed:
            inverse = self.scale.inverse()
            return float((self.terms.diffusivity * inverse * inverse).size.max())
        pieces = np.linspace(-1, 1, 33)
        theta = Ball(0.5 * (pieces[1:] + pieces[:-1]), np.full(32, 1 / 32))
        inverse = self.panel.frame(theta)[1].inverse()
        diffusivity = self.field.terms(self.panel.time(theta)).diffusivity
        return float((diffusivity * inverse * inverse).size.max())
