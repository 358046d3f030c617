"""A solution's densities between its nodes: local interpolation of high order, at output times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokker_planck.runs import Run

Array = NDArray[np.float64]
#: nodes of one local interpolation
STENCIL = 16


class Table:
    """Densities of a 1-D run at any points of its output times; zero beyond the nodes.

    The logarithm is interpolated where a method carries it along paths (``logs``), else the
    density itself. What the interpolation errs by is no matter: the residual is that of the
    function which comes out (docs/theory.md, N7a).
    """

    def __init__(self, run: Run, logs: bool) -> None:
        self.run = run
        self.logs = logs
        self.values = np.sign(run.mass) * np.exp(run.log_density)

    def level_ends(self, i: int, level: float) -> tuple[float, float]:
        """Return the outermost nodes at which the density reaches ``level`` of its maximum."""
        size = np.abs(self.values[i])
        x = self.run.points[i]
        high = np.flatnonzero(size > level * np.nanmax(size))
        if high.size < 2:
            return float(x[0]), float(x[-1])
        return float(x[max(high[0] - 1, 0)]), float(x[min(high[-1] + 1, x.size - 1)])

    def at(self, i: int, x: Array) -> Array:
        """Return the density at points of any shape, at output time ``i``."""
        nodes = self.run.points[i]
        data = self.run.log_density[i] if self.logs else self.values[i]
        size = min(STENCIL, nodes.size)
        flat = np.ravel(x)
        first = np.clip(np.searchsorted(nodes, flat) - size // 2, 0, nodes.size - size)
        index = first[:, None] + np.arange(size)
        local = nodes[index]
        width = (local[:, -1:] - local[:, :1]) / 4
        gaps = (local[:, :, None] - local[:, None, :]) / width[:, :, None]
        gaps[:, np.arange(size), np.arange(size)] = 1.0
        weights = 1 / np.prod(gaps, axis=2)
        away = (flat[:, None] - local) / width
        hit = away == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = weights / away
            shares = np.where(hit.any(axis=1)[:, None], hit, shares)
            out = np.sum(shares * data[index], axis=1) / np.sum(shares, axis=1)
        if self.logs:
            out = np.exp(out)
        out = np.where((flat >= nodes[0]) & (flat <= nodes[-1]), out, 0.0)
        return np.asarray(out.reshape(np.shape(x)))
