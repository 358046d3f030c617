"""Integrals of the positive part of a function on a grid, smooth but for its zeros."""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from fokker_planck.extrapolation import spline_share

Array = NDArray[np.float64]
#: halvings of a cell in which a root is sought
BISECTIONS = 50


def positive_part(gap: Array) -> tuple[float, float]:
    """Return the sum of max(gap, 0) over a grid as an integral, and its error.

    Along an axis a quintic spline is integrated between its roots, so that the edge of the set
    where the gap is positive does no harm; across it rows are summed. In the plane that is done
    both ways. The error is what every other row would change; on the line, where it falls with
    a power of the spacing, the share of such a change that is left (N4d).
    """
    if gap.ndim == 1:
        found = [
            [float(_along(skip * gap[None, first::skip]).sum()) for first in range(skip)]
            for skip in (1, 2, 4)
        ]
        last = max(abs(half - found[0][0]) for half in found[1])
        previous = max(abs(quarter - half) for quarter in found[2] for half in found[1])
        return found[0][0], last * spline_share(last, previous)
    both = [_along(gap), _along(gap.T)]
    value = 0.5 * float(both[0].sum() + both[1].sum())
    ways = [abs(float(rows.sum()) - value) for rows in both]
    # rows end where they touch the edge: of order 5/2, so half is more than twice what is left
    halves = [2 * float(rows[first::2].sum()) for rows in both for first in (0, 1)]
    return value, max(*ways, 0.5 * max(abs(half - value) for half in halves))


def _along(gap: Array) -> Array:
    """Return the integral of the positive part along each row, spacing 1."""
    n = gap.shape[1]
    spline = make_interp_spline(np.arange(n), gap.T, k=5)
    total = spline.antiderivative()(np.arange(n)).T
    cells = np.diff(total, axis=1)
    left, right = gap[:, :-1], gap[:, 1:]
    whole = np.where((left >= 0) & (right >= 0), cells, 0.0)
    rows, where = np.nonzero(left * right < 0)
    if rows.size:
        # the polynomial of a cell, about its left node, highest power first
        powers = range(5, -1, -1)
        c = np.stack([spline(np.arange(n), m)[where, rows] / factorial(m) for m in powers])
        low, high = np.zeros(rows.size), np.ones(rows.size)
        rising = right[rows, where] > 0
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            above = (_polynomial(c, middle) > 0) == rising
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        integral = np.concatenate([c / np.arange(6, 0, -1)[:, None], np.zeros((1, rows.size))])
        part = _polynomial(integral, 0.5 * (low + high))
        np.add.at(whole, (rows, where), np.where(rising, cells[rows, where] - part, part))
    return np.asarray(whole.sum(axis=1))


def _polynomial(c: Array, x: Array) -> Array:
    """Return polynomials with coefficients c (k, n), highest first, at x (n,)."""
    out = c[0]
    for row in c[1:]:
        out = out * x + row
    return out
