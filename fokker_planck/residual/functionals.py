r"""Functionals of the interpolant at one time, with enclosures of their quadrature.

The density of y is a polynomial of degree DEGREE on each cell. Mass and moments are exact sums;
the posterior is replaced by its Chebyshev series; the entropy goes through a polynomial P close
to log Q, whose distance is bounded by :math:`(Q e^{-P})' = e^{-P}(Q' - P'Q)` (docs/theory.md, N7d).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokker_planck.residual.balls import EPS, Ball, ellipse_cover
from fokker_planck.residual.chebyshev import gauss, lagrange, left_out, lobatto, rounding_count
from fokker_planck.residual.eulerian import ELLIPSES, Interpolant
from fokker_planck.residual.line import DEGREE, lebesgue
from fokker_planck.residual.pieces import DRIFT_DEGREES

Array = NDArray[np.float64]
#: a cell is halved this often for the sake of the entropy before only its mass is used
HALVINGS = 6
#: no cell is halved for an error below this
ENOUGH = 1e-12
#: pieces of a cell on which log Q - P is bounded
PIECES = 24


@dataclass(frozen=True)
class Slice:
    """The interpolant at one time: nodal values of Q on cells, and x = centre + half * y."""

    values: Array
    cells: Array
    centre: float
    half: float

    @staticmethod
    def of(interpolant: Interpolant, i: int) -> Slice:
        """Return the slice at output time ``i`` of the run."""
        values, centre, half = interpolant.values(interpolant.place(i))
        return Slice(values, interpolant.cells, centre, half)

    @property
    def widths(self) -> Array:
        """Half widths of the cells in y."""
        return np.asarray(0.5 * (self.cells[:, 1] - self.cells[:, 0]))

    def nodes(self, xi: Array) -> tuple[Ball, Ball]:
        """Return x and Q at points xi of every cell, as balls of shape (cells, points)."""
        space = lagrange(lobatto(DEGREE), xi)[0]
        q = Ball(
            self.values @ space.T,
            rounding_count(DEGREE + 3) * (np.abs(self.values) @ np.abs(space).T),
        )
        return self.points(Ball(xi)), q

    def points(self, xi: Ball) -> Ball:
        """Return x at (complex) points xi of every cell."""
        middle = 0.5 * (self.cells[:, 0] + self.cells[:, 1])
        return self.centre + self.half * (middle[:, None] + self.widths[:, None] * xi)

    def integral(self, f: Ball, q: Ball, weights: Array) -> Ball:
        """Return the Gauss sum of f Q over all cells."""
        terms = f * q * (weights * self.widths[:, None])
        mid = float(np.sum(terms.mid))
        rounding = (terms.mid.size + 8) * EPS * float(np.sum(np.abs(terms.mid)))
        return Ball(mid, float(np.sum(terms.rad)) * (1 + 1e-12) + rounding)

    def at(self, x: Array) -> Array:
        """Return the density q at points, zero outside the frame."""
        y = (x - self.centre) / self.half
        cell = np.clip(np.searchsorted(self.cells[:, 0], y, "right") - 1, 0, len(self.cells) - 1)
        xi = (y - self.cells[cell, 0]) / self.widths[cell] - 1
        away = xi[:, None] - lobatto(DEGREE)
        weights = (-1.0) ** np.arange(DEGREE + 1) * np.r_[0.5, np.ones(DEGREE - 1), 0.5]
        hit = away == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(hit.any(axis=1)[:, None], hit, weights / away)
            q = np.sum(shares * self.values[cell], axis=1) / np.sum(shares, axis=1)
        return np.asarray(np.where(np.abs(y) <= 1, q / self.half, 0.0))

    def moment(self, power: int, origin: float = 0.0) -> Ball:
        """Return the integral of (x - origin)^power q: exact but for rounding."""
        xi, weights = gauss(DEGREE // 2 + 2)
        x, q = self.nodes(xi)
        factor = (x - origin) ** power if power else Ball(np.ones_like(q.mid))
        return self.integral(factor, q, weights)

    def largest(self) -> Array:
        """Return a bound of |Q| on every cell."""
        return np.asarray(lebesgue(DEGREE) * np.abs(self.values).max(axis=1) * 1.001)


def posterior_mass(interpolant: Interpolant, i: int) -> Ball:
    """Return the integral of P_t(y|x) q over x at output time ``i``."""
    part, field = Slice.of(interpolant, i), interpolant.field
    terms = field.terms(Ball(np.full((1, 1), interpolant.tau(interpolant.place(i)))))
    xi, weights = gauss(DEGREE + DRIFT_DEGREES[0] + 1)
    x, q = part.nodes(xi)
    found = part.integral(field.posterior(x, terms), q, weights)
    if not field.enclosed:
        return found
    left = np.full(len(part.cells), np.inf)
    for rho in ELLIPSES:
        points = part.points(ellipse_cover(rho, 12, upper_half=True))
        size = field.posterior(points, terms).size.max(axis=1)
        left = np.fmin(left, left_out(rho, DRIFT_DEGREES[0]) * size)
    # |P| <= 1 itself where no ellipse serves
    left = np.fmin(left, 2.0)
    return Ball(found.mid, found.rad + float(np.sum(4 * part.widths * left * part.largest())))


@dataclass(frozen=True)
class Entropy:
    """Entropy of the positive part of a density near q, and the L1 distance between the two."""

    value: float
    error: float
    moved: float


def entropy(part: Slice) -> Entropy:
    """Return H of the positive part of the interpolant, in x."""
    value, error, moved = 0.0, 0.0, 0.0
    q, h = part.values, part.widths
    for depth in range(HALVINGS + 1):
        good, sums, errors = _by_logarithm(q, h)
        if depth < HALVINGS:
            good &= errors <= ENOUGH
        value, error = value + float(sums[good].sum()), error + float(errors[good].sum())
        q, h = q[~good], h[~good]
        if q.size == 0 or depth == HALVINGS:
            break
        node = lobatto(DEGREE)
        finer = []
        for shift in (-0.5, 0.5):
            space = lagrange(node, 0.5 * node + shift)[0]
            finer.append(q @ space.T)
            size = rounding_count(DEGREE + 3) * np.max(np.abs(q) @ np.abs(space).T, axis=1)
            # the polynomial through rounded values, in place of the one before
            moved += float(np.sum(h * lebesgue(DEGREE) * size))
        q, h = np.concatenate(finer), np.tile(0.5 * h, 2)
    shift = float(np.log(part.half))
    if q.size:
        # what is left has little mass: by Jensen -int Q log Q lies between these
        mass = 2 * float(np.sum(h * np.abs(q).max(axis=1))) * lebesgue(DEGREE) * 1.001
        room = 2 * float(h.sum())
        top = lebesgue(DEGREE) * float(np.abs(q).max()) * 1.001
        spread = mass * np.log(room / mass) if 0 < mass < room / np.e else room / np.e
        error += max(spread, mass * max(float(np.log(max(top, 1e-300))), 0.0)) if mass else 0.0
        # its negative part is in the sum of the mass below, and should not be
        error += 2 * mass * abs(shift)
    mass_all = part.moment(0)
    error += float(mass_all.rad * abs(shift)) + 4 * EPS * abs(shift) * abs(float(mass_all.mid))
    value += shift * float(mass_all.mid)
    return Entropy(value, error + 64 * EPS * (1 + abs(value)), moved)


def _by_logarithm(q: Array, h: Array) -> tuple[NDArray[np.bool_], Array, Array]:
    """Return which cells allow it, and there -int Q log Q over y with a bound of its error."""
    node = lobatto(DEGREE)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.log(np.where(q > 0, q, np.nan))
    own = lagrange(node, node)[1]
    p = np.where(np.isnan(p), 0.0, p)
    slope_p = p @ own.T
    double = lobatto(2 * DEGREE)
    to_double, slope_double, _ = lagrange(node, double)
    residual = q @ slope_double.T - (p @ slope_double.T) * (q @ to_double.T)
    absolute = np.abs(q) @ np.abs(slope_double).T + (np.abs(p) @ np.abs(slope_double).T) * (
        np.abs(q) @ np.abs(to_double).T
    )
    rounding = lebesgue(2 * DEGREE) * rounding_count(2 * DEGREE) * absolute.max(axis=1)
    # e^{-P} (Q' - P' Q) on pieces, each from its middle and Lipschitz bounds
    edges = np.linspace(-1, 1, PIECES + 1)
    middle, radius = 0.5 * (edges[1:] + edges[:-1]), 1 / PIECES
    steep_p = lebesgue(DEGREE) * np.abs(slope_p).max(axis=1)
    on_double = lagrange(double, double)[1]
    steep = lebesgue(2 * DEGREE) * np.abs(residual @ on_double.T).max(axis=1)
    least = p @ lagrange(node, middle)[0].T - radius * steep_p[:, None]
    most = np.abs(residual @ lagrange(double, middle)[0].T) + radius * steep[:, None]
    with np.errstate(over="ignore"):
        change = np.sum((most + rounding[:, None]) * np.exp(-least), axis=1) * (2 * radius)
    gap = 1.01 * change + 16 * EPS * (1 + np.abs(p).max(axis=1))
    good = np.all(q > 0, axis=1) & (gap < 0.05)
    xi, weights = gauss(2 * DEGREE)
    space = lagrange(node, xi)[0]
    product = (q @ space.T) * (p @ space.T)
    size = (np.abs(q) @ np.abs(space).T) * (np.abs(p) @ np.abs(space).T)
    sums = -h * (product @ weights)
    mass = 2 * h * lebesgue(DEGREE) * np.abs(q).max(axis=1)
    # |log u| <= gap / (1 - gap) for |u - 1| <= gap
    errors = 1.06 * gap * mass + h * rounding_count(4 * DEGREE) * (size @ weights)
    return good, sums, errors
