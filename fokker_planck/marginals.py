r"""Marginals of a law in the plane (docs/theory.md, N8).

The marginal along an axis has the characteristic function
:math:`\varphi(w) = \sum_k m_k e^{-i w x_k}`, a plain sum over nodes with masses, whatever their
arrangement: turned grids and nodes carried by characteristics alike. It is summed at the
multiples of :math:`2\pi/P`, P a period that holds all nodes, and transformed back on equally
spaced points. The result is read as a grid solution on the line is, every source of error a
companion.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.carried import Carrier
from fokker_planck.characteristic_reading import CharacteristicReading, remaining_share
from fokker_planck.density import Density
from fokker_planck.estimate import Estimate
from fokker_planck.functionals import ENTROPY, Functional, Snapshot
from fokker_planck.model import Dynamics
from fokker_planck.model.checks import shown
from fokker_planck.readings import GridReading, TableReading
from fokker_planck.runs import Reading, Run, every
from fokker_planck.waves import Waves

Array = NDArray[np.float64]
#: the spacing is halved so often, and to at most so many nodes
HALVINGS, MOST_NODES = 4, 1 << 16


class Marginal(Density):
    """A marginal density on the line, with what it is worth.

    Parameters
    ----------
    reading : GridReading or TableReading
        The marginal's own runs, at one time.
    """

    def __init__(self, reading: GridReading | TableReading) -> None:
        density = reading.density(0)
        assert isinstance(density, Density)
        super().__init__(
            density.points, density.values, density.mass, density.log_values, floor=density.floor
        )
        self.reading = reading

    @property
    def l1_error(self) -> float:
        """Estimated L1 error of the marginal density (kind "refinement")."""
        return float(sum(part[0] for part in self.reading.l1_differences().values()))

    def log_error(self, x: ArrayLike) -> Array:
        """Return the error of ``log_pdf`` at points; inf where it is not known."""
        return self.reading.pointwise_error(np.asarray(x, dtype=float), 0)

    def estimate(self, functional: Functional) -> Estimate:
        """Return a functional of the marginal."""
        values, budget = self.reading.read(functional)
        return Estimate(values[0], sum(float(part[0]) for part in budget.values()), "refinement")

    @property
    def entropy(self) -> Estimate:
        """Differential entropy of the marginal, in nats."""
        return self.estimate(ENTROPY)


def marginal(reading: Reading, axis: int, i: int, process: Dynamics | None = None) -> Marginal:
    """Return the marginal along ``axis`` of a reading in the plane, at output time ``i``.

    Parameters
    ----------
    reading : Reading
    axis : {0, 1}
    i : int
        Index of the output time.
    process : Dynamics, optional
        What was solved: characteristics then carry more nodes for it, else the marginal is
        summed, and its error claimed, from the nodes there are.

    Raises
    ------
    ValueError
        If the reading is not two-dimensional or there is no such axis.
    """
    if reading.best.shape is None:
        raise ValueError("marginal must be taken in dimension 2, got dimension 1")
    if axis not in (0, 1):
        raise ValueError(f"axis must be 0 or 1, got {shown(axis)}")
    if isinstance(reading, GridReading):
        return Marginal(_of_grid(reading, axis, i))
    if isinstance(reading, CharacteristicReading):
        if process is not None:
            return Marginal(_of_process(process, reading, axis, i))
        return Marginal(_of_characteristics(reading.best.snapshot(i), reading, axis, i))
    if isinstance(reading, TableReading):
        return Marginal(_of_table(reading, axis, i))
    raise TypeError(f"no marginal of a reading of type {type(reading).__name__}")


def _steps(snap: Snapshot, axis: int) -> Array:
    """Return what one step along each axis of an affine grid adds to a coordinate."""
    grid = snap.along(axis).reshape(snap.grid)
    return np.array([grid[1, 0] - grid[0, 0], grid[0, 1] - grid[0, 0]])


def _band(snap: Snapshot, axis: int) -> float:
    """Return the highest frequency along an axis that an affine grid can tell from others."""
    return float(np.pi / np.abs(_steps(snap, axis)).max())


def _of_grid(reading: GridReading, axis: int, i: int) -> GridReading:
    snap = reading.best.snapshot(i)
    waves = Waves(snap, axis, _band(snap, axis), [])
    names = list(reading.companions)
    sums = waves.sums(snap, np.stack([reading.companions[name][i] for name in names]))
    others = dict(zip(names, sums, strict=True))
    return waves.reading(snap.tau, waves.known, others, float(reading.tail[i]))


def _of_characteristics(
    fine: Snapshot, reading: CharacteristicReading, axis: int, i: int
) -> GridReading:
    """Return the marginal of carried nodes; errors in time are those of ``reading``."""
    waves = Waves(fine, axis, np.inf, [every(fine, 2, first) for first in (0, 1)])
    best = waves.known
    quadrature = max(waves.checked, key=lambda other: float(np.abs(other - best).sum()))
    runs = (reading.best, reading.coarse_time, reading.coarsest_time)
    three = [waves.sums(run.snapshot(i))[0] for run in runs]
    # in time as everywhere with characteristics: what is left after the last halving (N4d)
    last, previous = (np.abs(three[k] - three[k + 1]).sum() for k in (0, 1))
    share = remaining_share(float(last), float(previous))
    others = {"time": best + share * (three[1] - three[0]), "quadrature": quadrature}
    return waves.reading(fine.tau, best, others, float(reading.lost))


def _of_process(
    process: Dynamics, reading: CharacteristicReading, axis: int, i: int
) -> GridReading:
    """Return the marginal of an ODE's law on closer nodes than functionals need.

    A rule that integrates functionals well cannot carry the waves of which a marginal with steep
    sides is made: the spacing is halved until the entropy's error is that of the reading.
    """
    from fokker_planck.methods.base import SolverError

    carrier = Carrier(process, reading, i)
    timed = carrier.reading()
    found: list[GridReading] = []
    for k in range(1, HALVINGS + 1):
        if found and carrier.size(0.5**k) > MOST_NODES:
            break
        try:
            snap = carrier.run(0.5**k).snapshot(0)
        except SolverError:
            break
        found.append(_of_characteristics(snap, timed, axis, 0))
        budget = found[-1].read(ENTROPY)[1]
        if budget["band"][0] + budget["quadrature"][0] + budget["negative"][0] <= carrier.tol:
            break
    return found[-1] if found else _of_characteristics(reading.best.snapshot(i), reading, axis, i)


def _separable(run: Run, axis: int, i: int) -> bool:
    """Whether the coordinate is one of the grid's own axes."""
    assert run.shape is not None
    x = run.points[i][:, axis].reshape(run.shape)
    return bool(np.ptp(x, axis=1 - axis).max() <= 1e-12 * np.ptp(x))


def _of_table(reading: TableReading, axis: int, i: int) -> GridReading | TableReading:
    if _separable(reading.best, axis, i):
        runs = [[_summed(run, axis, i) for run in row] for row in reading.runs]
        return TableReading(runs, reading.tail[i : i + 1], reading.ratios)
    # turned grids: the finest run against the coarser ones, not extrapolated
    snap = reading.best.snapshot(i)
    waves = Waves(snap, axis, _band(snap, axis), [])
    fine, unknown = waves.known, np.full(waves.count, np.inf + 0j)
    rows, last = reading.runs, reading.runs[-1]
    others = {"time": unknown, "space": unknown}
    if len(last) > 1:
        others["time"] = fine + 2 * (fine - waves.sums(last[-2].snapshot(i))[0])
    if len(rows) > 1:
        others["space"] = waves.sums(rows[-2][-1].snapshot(i))[0]
    # averages over cells in place of values at their middle
    w = waves.step * np.arange(waves.count)
    others["cell"] = fine * (1 + w**2 * np.sum(_steps(snap, axis) ** 2) / 24)
    return waves.reading(snap.tau, fine, others, float(reading.tail[i]))


def _summed(run: Run, axis: int, i: int) -> Run:
    """Return the run at one time summed over the other axis of its grid."""
    assert run.shape is not None
    x = run.points[i][:, axis].reshape(run.shape)
    mass = run.mass[i].reshape(run.shape).sum(axis=1 - axis)
    points = x[:, 0] if axis == 0 else x[0]
    cell = points[1] - points[0]
    log_density = np.log(np.maximum(np.abs(mass / cell), np.finfo(float).tiny))
    return replace(
        run,
        taus=run.taus[i : i + 1],
        points=points[None],
        mass=mass[None],
        log_density=log_density[None],
        shape=None,
    )


def marginal_entropies(reading: Reading, axis: int, process: Dynamics | None = None) -> Estimate:
    """Return the entropy of the marginal along an axis over the output times, shape (m,)."""
    found = [marginal(reading, axis, i, process).entropy for i in range(reading.best.taus.size)]
    return Estimate([e.value for e in found], [e.error for e in found], "refinement")
