r"""Laws on lattices of the line: many rows at once, each with its own stretch of one lattice.

Nodes are :math:`j \delta` for whole j, so that a mirrored law has mirrored nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fokker_planck.chains.resolution import Resolution

Array = NDArray[np.float64]
Index = NDArray[np.intp]
#: entries of the spread that are made at a time: they stay in a cache
BLOCK = 1 << 17


@dataclass(frozen=True)
class Sources:
    """Point masses, in rows.

    Parameters
    ----------
    points, mass : ndarray, shape (n,)
    row : ndarray of int, shape (n,)
        In increasing order.
    n_rows : int
    """

    points: Array
    mass: Array
    row: Index
    n_rows: int


@dataclass(frozen=True)
class Laws:
    """Densities on stretches of one lattice.

    Parameters
    ----------
    spacing : float
    first : ndarray of int, shape (rows,)
        Number of the first lattice node of each row.
    offset : ndarray of int, shape (rows + 1,)
        Where each row begins in ``values``.
    values : ndarray, shape (n,)
    """

    spacing: float
    first: Index
    offset: Index
    values: Array

    @property
    def row(self) -> Index:
        """Row of every value, shape (n,)."""
        return np.repeat(np.arange(self.first.size), np.diff(self.offset))

    @property
    def points(self) -> Array:
        """Nodes, shape (n,)."""
        node = np.arange(self.values.size) - np.repeat(
            self.offset[:-1] - self.first, np.diff(self.offset)
        )
        return np.asarray(node * self.spacing)

    def one(self, row: int) -> tuple[Array, Array]:
        """Return nodes and density of a row."""
        where = slice(int(self.offset[row]), int(self.offset[row + 1]))
        node = np.arange(where.stop - where.start) + self.first[row]
        return node * self.spacing, self.values[where]


def spread(sources: Sources, deviation: float, spacing: float, reach: float) -> Laws:
    """Return the sum of Gaussians of one deviation at the sources, on a lattice.

    Each row's stretch goes ``reach`` deviations beyond its outermost sources.
    """
    starts = np.searchsorted(sources.row, np.arange(sources.n_rows))
    low = np.minimum.reduceat(sources.points, starts)
    high = np.maximum.reduceat(sources.points, starts)
    half = int(np.ceil(reach * deviation / spacing))
    first = np.rint(low / spacing).astype(np.intp) - half - 1
    last = np.rint(high / spacing).astype(np.intp) + half + 1
    offset = np.concatenate([[0], np.cumsum(last - first + 1)])
    values = np.zeros(int(offset[-1]))
    shift = (offset[:-1] - first)[sources.row]
    steps = np.arange(-half, half + 1)
    scale = spacing / deviation
    fixed = np.exp(-0.5 * (scale * steps) ** 2) / (deviation * np.sqrt(2 * np.pi))
    size = max(1, BLOCK // steps.size)
    for begin in range(0, sources.points.size, size):
        part = slice(begin, begin + size)
        node = np.rint(sources.points[part] / spacing)
        delta = sources.points[part] / deviation - node * scale
        place = node.astype(np.intp) + shift[part]
        weight = sources.mass[part] * np.exp(-0.5 * delta**2)
        # exp(-(delta - l)^2 / 2) = exp(-delta^2 / 2) exp(delta l) exp(-l^2 / 2)
        kernel = np.exp(np.multiply.outer(delta, scale * steps))
        kernel *= fixed
        kernel *= weight[:, None]
        where = (place[:, None] + steps).ravel()
        least = int(where.min())
        found = np.bincount(where - least, weights=kernel.ravel())
        values[least : least + found.size] += found
    return Laws(spacing, first, offset, values)


def trimmed(laws: Laws, cut: float) -> tuple[Laws, Array]:
    """Return the laws without the outermost nodes of probability ``cut`` at either end.

    And what was left off, per row.
    """
    n = np.diff(laws.offset)
    lost = np.zeros(n.size)
    keep = np.ones(laws.values.size, dtype=bool)
    first = laws.first.copy()
    for row in range(n.size):
        where = slice(int(laws.offset[row]), int(laws.offset[row + 1]))
        mass = laws.values[where] * laws.spacing
        left, right = np.cumsum(mass), np.cumsum(mass[::-1])
        begin = min(int(np.searchsorted(left, cut)), mass.size - 1)
        end = min(int(np.searchsorted(right, cut)), mass.size - 1 - begin)
        keep[where.start : where.start + begin] = False
        keep[where.stop - end : where.stop] = False
        lost[row] = mass[:begin].sum() + (mass[mass.size - end :].sum() if end else 0.0)
        first[row] += begin
    row_of = laws.row[keep]
    counts = np.bincount(row_of, minlength=n.size)
    offset = np.concatenate([[0], np.cumsum(counts)])
    return Laws(laws.spacing, first, offset, laws.values[keep]), lost


@lru_cache(maxsize=256)
def interpolation(exponent: float, parts: int) -> tuple[Array, int]:
    r"""Return weights (2m, parts) that carry values at nodes to nodes ``parts`` times as close.

    The best ones, in least squares, for functions whose transform lies below
    :math:`e^{-C^2 k^2/2}`; and m.
    """
    cell = Resolution(exponent).cell
    m = int(np.ceil(0.6 * exponent)) + 4
    k = np.linspace(0.0, 9.0, 400)
    size = np.exp(-0.5 * k**2)[:, None]
    nodes = cell * np.arange(1 - m, m + 1)
    matrix = np.concatenate([np.cos(np.outer(k, nodes)), np.sin(np.outer(k, nodes))])
    target = cell * np.arange(parts) / parts
    wanted = np.concatenate([np.cos(np.outer(k, target)), np.sin(np.outer(k, target))])
    both = np.concatenate([size, size])
    weights = np.linalg.lstsq(both * matrix, both * wanted, rcond=1e-15)[0]
    weights[:, 0] = np.arange(1 - m, m + 1) == 0
    return weights, m


def refined(laws: Laws, steep: NDArray[np.bool_], parts: int, resolution: Resolution) -> Sources:
    """Return the laws as point masses, on closer nodes where the step that comes is steep.

    A smooth share of every mass is taken from the coarse nodes, the rest from the fine ones.

    Parameters
    ----------
    laws : Laws
    steep : ndarray of bool, shape (n,)
        Coarse nodes that will not do.
    parts : int
        Fine nodes per coarse one.
    resolution : Resolution
    """
    n = laws.values.size
    ramp = resolution.ramp
    far = int(np.ceil(np.sqrt(2 * resolution.exponent) * ramp))
    weights, m = interpolation(resolution.exponent, parts)
    pad = far + m
    counts = np.diff(laws.offset)
    # rows are set apart, so that none sees its neighbour
    place = np.arange(n) + np.repeat(2 * pad * np.arange(counts.size) + pad, counts)
    total = n + 2 * pad * counts.size
    apart = np.zeros(total)
    apart[place] = laws.values
    flags = np.zeros(total)
    flags[place] = steep
    wide = np.convolve(flags, np.ones(2 * far + 1), "same") > 0.5
    reach = np.arange(-far, far + 1)
    bump = np.exp(-0.5 * (reach / ramp) ** 2)
    bump /= bump.sum()
    share = np.convolve(wide.astype(float), bump, "same")[place]
    coarse = share < 1 - 1e-15
    # cells that any fine node with a share lies in
    seen = np.convolve(wide.astype(float), np.ones(2 * far + 3), "same") > 0.5
    inside = np.zeros(total, dtype=bool)
    inside[place] = True
    cells = np.flatnonzero(seen & inside)
    fine = apart[cells[:, None] + np.arange(1 - m, m + 1)] @ weights
    offsets = np.subtract.outer(np.arange(-far, far + 2), np.arange(parts) / parts)
    ramps = np.exp(-0.5 * (offsets / ramp) ** 2) / (ramp * np.sqrt(2 * np.pi))
    windows = wide.astype(float)[np.clip(cells[:, None] + np.arange(-far, far + 2), 0, total - 1)]
    fine *= windows @ ramps
    back = np.empty(total, dtype=np.intp)
    back[place] = np.arange(n)
    own = back[cells]
    points, rows = laws.points, laws.row
    x_fine = points[own][:, None] + laws.spacing * np.arange(parts) / parts
    keep = coarse & (laws.values > 0)
    x = np.concatenate([points[keep], x_fine.ravel()])
    mass = np.concatenate(
        [
            (laws.values * (1 - share))[keep] * laws.spacing,
            fine.ravel() * (laws.spacing / parts),
        ]
    )
    row = np.concatenate([rows[keep], np.repeat(rows[own], parts)])
    if counts.size > 1:
        order = np.argsort(row, kind="stable")
        x, mass, row = x[order], mass[order], row[order]
    return Sources(x, mass, row, counts.size)


def as_sources(laws: Laws) -> Sources:
    """Return the laws as point masses at their own nodes."""
    return Sources(laws.points, laws.values * laws.spacing, laws.row, laws.first.size)
