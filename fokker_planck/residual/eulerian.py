"""The L1 certificate of a 1-D solution from the residual of its interpolant in space and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from fokker_planck.model import GaussianMixture
from fokker_planck.residual.balls import Ball, ellipse_cover
from fokker_planck.residual.chebyshev import gauss, lagrange, left_out, lobatto
from fokker_planck.residual.frames import TimePanel
from fokker_planck.residual.line import (
    DEGREE,
    NODES_SLACK,
    CellParts,
    Cells,
)
from fokker_planck.residual.pieces import DRIFT_DEGREES
from fokker_planck.residual.table import Table

Array = NDArray[np.float64]
#: panels of space before any is halved, and the most halvings of one
FIRST_CELLS, MOST_HALVINGS = 8, 8
MOST_CELLS = 400
#: share of the target that may be left out of the drift, and ellipses for the initial law
LEFT_OUT, ELLIPSES = 0.1, (4.0, 3.0, 2.2, 1.6, 1.3)


@dataclass(frozen=True)
class Certificate:
    """L1 distance of a function q~ to the true law at the ends of time panels, by part.

    Parameters
    ----------
    taus : ndarray, shape (k + 1,)
        Ends of the panels.
    parts : dict of str to ndarray, shape (k + 1,)
        Sums up to each end: start, residual, kinks, truncation, rounding.
    enclosed : bool
        Whether every part is an upper bound, quadrature and rounding included.
    """

    taus: Array
    parts: dict[str, Array]
    enclosed: bool

    @property
    def l1(self) -> Array:
        """The distance at the ends of panels."""
        out = np.sum(list(self.parts.values()), axis=0)
        return np.where(np.isnan(out), np.inf, out)

    @property
    def per_panel(self) -> Array:
        """What each panel adds."""
        return np.diff(self.l1)


@dataclass(frozen=True)
class Interpolant:
    """The function q~ that was certified: panels in time, cells in space, and its certificate."""

    table: Table
    field: Any
    panels: list[TimePanel]
    cells: Array
    certificate: Certificate

    def values(self, where: tuple[int, int]) -> tuple[Array, float, float]:
        """Return Q at the cells' nodes at a time node of a panel, and centre and half width there.

        The density is Q / half.
        """
        k, node = where
        panel = self.panels[k]
        v = Cells(panel, self.table, self.field).values(self.cells)[:, node]
        return v, *panel.position(panel.nodes[node])

    def tau(self, where: tuple[int, int]) -> float:
        """Return the reverse time of a time node of a panel."""
        k, node = where
        return float(self.table.run.taus[self.panels[k].indices[node]])

    def place(self, i: int) -> tuple[int, int]:
        """Return panel and node of output time ``i`` of the run."""
        for k, panel in enumerate(self.panels):
            if panel.indices[0] <= i <= panel.indices[-1]:
                return k, i - panel.indices[0]
        raise ValueError(f"output time must lie on a panel, got index {i}")

    def l1_at(self, i: int) -> float:
        """Return the L1 distance at output time ``i``: at a panel's start, else at its end."""
        k, node = self.place(i)
        return float(self.certificate.l1[k + (node > 0)])


def certify_line(
    table: Table,
    field: Any,
    panels: list[TimePanel],
    target: float,
    cells: Array | None = None,
) -> Interpolant:
    """Return the certified interpolant of a table of densities.

    Parameters
    ----------
    table : Table
    field : MixtureField or SampledField
    panels : list of TimePanel
    target : float
        Wanted L1 error: cells are halved while that helps and the sum is larger.
    cells : ndarray, shape (m, 2), optional
        Cells to begin with.
    """
    rows = [Cells(panel, table, field) for panel in panels]
    if cells is None:
        edges = np.linspace(-1, 1, FIRST_CELLS + 1)
        cells = np.stack([edges[:-1], edges[1:]], axis=1)
    allowed = LEFT_OUT * target / (len(cells) * len(rows))
    parts = [row.evaluate(cells, allowed) for row in rows]
    # with enclosures the cells are taken as given: they cost more, and tell the same
    final = np.full(len(cells), field.enclosed)
    for _ in range(MOST_HALVINGS):
        sums = np.sum([part.sums for part in parts], axis=0)
        split = np.flatnonzero((sums > 0.5 * target / len(cells)) & ~final)
        if split.size == 0 or len(cells) + split.size > MOST_CELLS:
            break
        middle = 0.5 * (cells[split, 0] + cells[split, 1])
        halves = np.stack(
            [np.stack([cells[split, 0], middle], 1), np.stack([middle, cells[split, 1]], 1)], 1
        ).reshape(-1, 2)
        finer = [row.evaluate(halves, allowed) for row in rows]
        gain = np.sum([part.sums for part in finer], axis=0).reshape(-1, 2).sum(axis=1)
        better = (gain < 0.5 * sums[split]) | ~np.isfinite(sums[split])
        final[split[~better]] = True
        gone, taken = split[better], np.repeat(better, 2)
        keep = np.ones(len(cells), dtype=bool)
        keep[gone] = False
        cells = np.concatenate([cells[keep], halves[taken]])
        final = np.concatenate([final[keep], np.zeros(int(taken.sum()), dtype=bool)])
        parts = [_merged(a, keep, b, taken) for a, b in zip(parts, finer, strict=True)]
    order = np.argsort(cells[:, 0])
    kinks = [row.kinks(part, order).sum() for row, part in zip(rows, parts, strict=True)]
    start = _start_error(table, field, panels[0], cells)
    added = {
        "residual": [part.residual.sum() for part in parts],
        "truncation": [part.truncation.sum() for part in parts],
        "rounding": [part.rounding.sum() for part in parts],
        "kinks": kinks,
    }
    sums = {name: np.concatenate([[0.0], np.cumsum(row)]) for name, row in added.items()}
    sums["start"] = np.full(len(panels) + 1, start)
    taus = np.array([panels[0].ends[0], *(panel.ends[1] for panel in panels)])
    slack = 1 + 1e-12
    certificate = Certificate(taus, {k: v * slack for k, v in sums.items()}, field.enclosed)
    return Interpolant(table, field, panels, cells[order], certificate)


def _merged(a: CellParts, keep: NDArray[np.bool_], b: CellParts, taken: Any) -> CellParts:
    def joined(x: Array, y: Array) -> Array:
        return np.concatenate([x[keep], y[taken]])

    def balls(x: Ball, y: Ball) -> Ball:
        return Ball(joined(x.mid, y.mid), joined(x.rad, y.rad))

    return CellParts(
        joined(a.residual, b.residual),
        joined(a.rounding, b.rounding),
        joined(a.truncation, b.truncation),
        balls(a.left, b.left),
        balls(a.right, b.right),
    )


def _start_error(table: Table, field: Any, panel: TimePanel, cells: Array) -> float:
    """Return the L1 distance of q~ to the initial law at the start."""
    row = Cells(panel, table, field)
    v = row.values(cells)[:, :1]
    half = 0.5 * (cells[:, 1] - cells[:, 0])
    middle = 0.5 * (cells[:, 1] + cells[:, 0])
    xi, weights = gauss(DRIFT_DEGREES[0] + 1)
    space = lagrange(lobatto(DEGREE), xi)[0]
    q = row._apply(np.eye(1), v, space)[:, 0]
    centre, scale = Ball(panel.centres[0]), Ball(panel.halves[0])

    def exact(points: Ball) -> Ball:
        y = middle[:, None] + half[:, None] * points
        found: Ball = scale * field.initial_density(centre + scale * y)
        return found

    gap = (exact(Ball(xi)) - q).size
    total = np.sum(half * np.sqrt(2 * np.sum(weights * gap**2, axis=1))) * NODES_SLACK
    if field.enclosed:
        left = np.full(len(cells), np.inf)
        for rho in ELLIPSES:
            bound = exact(ellipse_cover(rho, 12, upper_half=True)).size.max(axis=1)
            left = np.fmin(left, left_out(rho, DRIFT_DEGREES[0]) * bound)
        total += np.sum(4 * half * left)
    return float(total) + _outside(field.process.initial, panel)


def _outside(law: GaussianMixture, panel: TimePanel) -> float:
    """Return the probability of the initial law outside the frame at the start."""
    low = panel.centres[0] - panel.halves[0]
    high = panel.centres[0] + panel.halves[0]
    deviation = np.sqrt(law.covariances[:, 0, 0])
    tails = ndtr((low - law.means[:, 0]) / deviation) + ndtr((law.means[:, 0] - high) / deviation)
    return float(law.weights @ tails) * (1 + 1e-9)
