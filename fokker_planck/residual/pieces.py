r"""Pieces of cells on which the drift is close to a polynomial, with a bound of how close.

A piece is a rectangle of (xi, theta) in a cell. On the product of Bernstein ellipses around it
the drift is bounded in ball arithmetic, and so is what its double Chebyshev series leaves out; a
piece is halved, in space or in time, as long as that is too much (docs/theory.md, N7c).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokker_planck.residual.balls import Ball, ellipse_cover
from fokker_planck.residual.chebyshev import left_out, left_out_twice

Array = NDArray[np.float64]
#: degrees to which the drift is expanded in space and in time
DRIFT_DEGREES = (32, 24)
#: pairs of ellipses (space, time) on which the drift is bounded, widest first
ELLIPSES = ((3.0, 4.0), (2.1, 2.8))
#: balls along the longer axes of an ellipse in space and in time
COVER = (6, 5)
#: narrowest piece along either axis, as a share of its cell
NARROWEST = 2.0**-6
#: coefficients(y, theta) -> beta, its slope, delta, as balls (pieces, theta points, xi points)
Coefficients = Callable[[Ball, Ball], tuple[Ball, Ball, Ball]]


@dataclass(frozen=True)
class Pieces:
    """Rectangles: the cell of each, its ends (xi0, xi1, theta0, theta1), and the bound there."""

    cell: NDArray[np.intp]
    box: Array
    left_out: Array

    @property
    def share(self) -> Array:
        """The part of its cell that a piece fills."""
        return np.asarray((self.box[:, 1] - self.box[:, 0]) * (self.box[:, 3] - self.box[:, 2]) / 4)


def whole(count: int) -> Pieces:
    """Return every cell as one piece, with nothing known to be left out."""
    box = np.tile([-1.0, 1.0, -1.0, 1.0], (count, 1))
    return Pieces(np.arange(count), box, np.zeros(count))


def cut(cells: Array, sizes: Array, coefficients: Coefficients, allowed: Array) -> Pieces:
    """Return pieces on which what is left out of the residual is at most ``allowed``, if possible.

    Parameters
    ----------
    cells : ndarray, shape (m, 2)
        Ends in y.
    sizes : ndarray, shape (m, 3)
        Bounds of |Q|, |dQ/dy|, |d2Q/dy2| on each cell.
    coefficients : callable
    allowed : ndarray, shape (m,)
    """
    first = whole(len(cells))
    cell, box = first.cell, first.box
    bound = missing(cells[cell], sizes[cell], box, coefficients)
    done: list[Pieces] = []
    while cell.size:
        narrow = (box[:, 1] - box[:, 0] <= 2 * NARROWEST) & (box[:, 3] - box[:, 2] <= 2 * NARROWEST)
        good = (bound <= allowed[cell]) | narrow
        done.append(Pieces(cell[good], box[good], bound[good]))
        cell, box = cell[~good], box[~good]
        if not cell.size:
            break
        options = []
        for axis in (0, 1):
            halves = np.concatenate([_half(box, axis, side) for side in (0, 1)])
            twice = np.tile(cell, 2)
            found = missing(cells[twice], sizes[twice], halves, coefficients)
            options.append((halves, found))
        worst = [np.max(found.reshape(2, -1), axis=0) for _, found in options]
        width = [box[:, 1] - box[:, 0], box[:, 3] - box[:, 2]]
        tie = ~np.isfinite(worst[0]) & ~np.isfinite(worst[1])
        in_time = np.where(tie, width[1] >= width[0], worst[1] < worst[0])
        in_time = np.where(width[1] <= 2 * NARROWEST, False, in_time)
        in_time = np.where(width[0] <= 2 * NARROWEST, True, in_time)
        pick = np.tile(in_time, 2)
        box = np.where(pick[:, None], options[1][0], options[0][0])
        bound = np.where(pick, options[1][1], options[0][1])
        cell = np.tile(cell, 2)
    return Pieces(
        np.concatenate([part.cell for part in done]),
        np.concatenate([part.box for part in done]),
        np.concatenate([part.left_out for part in done]),
    )


def _half(box: Array, axis: int, side: int) -> Array:
    """Return one half of rectangles along an axis."""
    out = box.copy()
    out[:, 2 * axis + 1 - side] = 0.5 * (box[:, 2 * axis] + box[:, 2 * axis + 1])
    return out


def missing(cells: Array, sizes: Array, box: Array, coefficients: Coefficients) -> Array:
    """Return a bound of |G - polynomial| on pieces, one row of every argument for each."""
    out = np.full(len(box), np.inf)
    for rhos in ELLIPSES:
        # where the next ellipse cannot help, or the bound is below rounding, stop
        todo = np.flatnonzero(~(out <= 1e-17 + 1e-14 * sizes.sum(axis=1)))
        if todo.size == 0:
            break
        beta, slope, delta = _largest(cells[todo], box[todo], rhos, coefficients)
        double = left_out_twice(rhos, DRIFT_DEGREES)
        single = left_out(rhos[1], DRIFT_DEGREES[1])
        q, q_y, q_yy = sizes[todo].T
        with np.errstate(invalid="ignore"):
            found = double * (beta * q_y + slope * q) + single * delta * q_yy
        out[todo] = np.fmin(out[todo], np.where(np.isnan(found), np.inf, found))
    return out


def _largest(
    cells: Array, box: Array, rhos: tuple[float, float], coefficients: Coefficients
) -> list[Array]:
    """Return bounds of the coefficients on the ellipses around pieces."""
    xi = ellipse_cover(rhos[0], COVER[0], upper_half=True)
    theta = ellipse_cover(rhos[1], COVER[1])
    xi0, xi1, theta0, theta1 = (column[:, None, None] for column in box.T)
    xi = 0.5 * (xi0 + xi1) + 0.5 * (xi1 - xi0) * xi
    theta = 0.5 * (theta0 + theta1) + 0.5 * (theta1 - theta0) * Ball(
        theta.mid[:, None], theta.rad[:, None]
    )
    low, high = cells[:, 0, None, None], cells[:, 1, None, None]
    y = 0.5 * (low + high) + 0.5 * (high - low) * xi
    out = []
    for found in coefficients(y, theta):
        size = found.size
        out.append(np.broadcast_to(size, (len(box), *size.shape[1:])).max(axis=(1, 2)))
    return out
