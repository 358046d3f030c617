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

from fokker_planck.residual.balls import Ball
from fokker_planck.residual.chebyshev import gauss, lagrange, lobatto, rounding_count
from fokker_planck.residual.frames import TimePanel
from fokker_planck.residual.pieces import DRIFT_DEGREES, cut, whole
from fokker_planck.residual.table import Table

Array = NDArray[np.float64]
#: degree of the interpolant in space
DEGREE = 16
#: how much the rounding of Gauss nodes may change a root mean square
NODES_SLACK = 1 + 1e-8
#: cells evaluated at a time
BATCH = 32


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
        self.in_time = lagrange(np.array(panel.nodes), self.theta)[0]
        self.at_ends = lagrange(lobatto(DEGREE), np.array([-1.0, 1.0]))[1]
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

    def evaluate(self, cells: Array, allowed: float) -> CellParts:
        """Return the L1 bounds of cells; ``allowed`` may be left out of the drift on each."""
        v = self.values(cells)
        half = 0.5 * (cells[:, 1] - cells[:, 0])
        area = half * self.panel.half
        if self.field.enclosed:
            pieces = cut(cells, self._sizes(v, half), self.coefficients, allowed / (8 * area))
        else:
            pieces = whole(len(cells))
        residual, rounding, truncation = np.zeros((3, len(cells)))
        # exact: |G - polynomial| counts at the nodes and between them
        np.add.at(truncation, pieces.cell, 8 * area[pieces.cell] * pieces.share * pieces.left_out)
        for box in np.unique(pieces.box, axis=0):
            some = np.flatnonzero(np.all(pieces.box == box, axis=1))
            for part in np.array_split(some, -(-some.size // BATCH)):
                chosen = pieces.cell[part]
                size, rad = self._on_box(cells[chosen], v[chosen], half[chosen], box)
                scale = area[chosen] * pieces.share[part]
                np.add.at(residual, chosen, scale * size)
                np.add.at(rounding, chosen, scale * rad)
        ends = [self._apply(self.in_time, v, self.at_ends)[:, :, side] / half[:, None]
                for side in (0, 1)]  # fmt: skip
        return CellParts(residual, rounding, truncation, *ends)

    def _on_box(self, cells: Array, v: Array, half: Array, box: Array) -> tuple[Array, Array]:
        """Return 2 sqrt(int G^2) over a piece, sides scaled to 2, and the same of the radii."""
        theta = 0.5 * (box[2] + box[3]) + 0.5 * (box[3] - box[2]) * self.theta
        xi = 0.5 * (box[0] + box[1]) + 0.5 * (box[1] - box[0]) * self.xi
        t0, t1, _ = lagrange(np.array(self.panel.nodes), theta)
        y0, y1, y2 = lagrange(lobatto(DEGREE), xi)
        width = half[:, None, None]
        length = Ball(self.panel.ends[1]) - self.panel.ends[0]
        q = self._apply(t0, v, y0)
        q_y = self._apply(t0, v, y1) / width
        q_yy = self._apply(t0, v, y2) / (width * width)
        q_t = 2 * self._apply(t1, v, y0) / length
        y = 0.5 * (cells[:, 0] + cells[:, 1])[:, None, None] + width * Ball(xi)
        beta, slope, delta = self.coefficients(y, Ball(theta[:, None]))
        g = q_t + slope * q + beta * q_y - delta * q_yy
        weight = self.time_weights[:, None] * self.space_weights

        def root(size: Array) -> Array:
            square = np.sum(weight * np.broadcast_to(size, g.mid.shape) ** 2, axis=(1, 2))
            return np.asarray(2 * np.sqrt(square) * NODES_SLACK)

        return root(np.abs(g.mid)), root(g.rad)

    def coefficients(self, y: Ball, theta: Ball) -> tuple[Ball, Ball, Ball]:
        """Return beta, its slope in y, and delta, at theta of shape (..., m, 1)."""
        centre, scale = self.panel.frame(theta)
        terms = self.field.terms(self.panel.time(theta))
        move, stretch = self.panel.rates()
        inverse = scale.inverse()
        drift, slope = self.field.drift_and_slope(centre + scale * y, terms)
        beta = (drift - move - stretch * y) * inverse
        return beta, slope - stretch * inverse, terms.diffusivity * inverse * inverse

    def _sizes(self, v: Array, half: Array) -> Array:
        """Return bounds of |Q| and of its first two derivatives on each cell, shape (m, 3)."""
        out = []
        for k, matrix in enumerate(lagrange(lobatto(DEGREE), lobatto(DEGREE))):
            largest = np.abs(v @ matrix.T).max(axis=(1, 2)) if k else np.abs(v).max(axis=(1, 2))
            out.append(1.001 * self.growth * largest / half**k)
        return np.stack(out, axis=1)

    def kinks(self, parts: CellParts, order: NDArray[np.intp]) -> Array:
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
            theta = Ball(self.theta[:, None])
            inverse = self.panel.frame(theta)[1].inverse()
            diffusivity = self.field.terms(self.panel.time(theta)).diffusivity
            return float((diffusivity * inverse * inverse).size.max())
        pieces = np.linspace(-1, 1, 33)
        theta = Ball(0.5 * (pieces[1:] + pieces[:-1]), np.full(32, 1 / 32))
        inverse = self.panel.frame(theta)[1].inverse()
        diffusivity = self.field.terms(self.panel.time(theta)).diffusivity
        return float((diffusivity * inverse * inverse).size.max())
