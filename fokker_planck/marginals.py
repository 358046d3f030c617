r"""Marginals of a law in the plane (docs/theory.md, N10).

The marginal along an axis has the characteristic function
:math:`\varphi(w) = \sum_k m_k e^{-i w x_k}`, a plain sum over nodes with masses, whatever their
arrangement: turned grids and nodes carried by characteristics alike. It is summed at the
multiples of :math:`2\pi/P`, P a period that holds all nodes, and transformed back on equally
spaced points. The result is read as a grid solution on the line is, every source of error a
companion.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

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
from fokker_planck.runs import EPS, Reading, Run, every

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
#: share of the nodes' range that is added on either side to make a period
MARGIN = 0.05
#: points per shortest wave that the characteristic function holds
OVERSAMPLING = 4
#: at most so many frequencies; a thinner law is refused by the size of what is left out
MOST_WAVES = 1 << 14
#: the spacing is halved so often, and to at most so many nodes
HALVINGS, MOST_NODES = 4, 1 << 16
#: nodes and frequencies summed at once
CHUNK, BLOCK = 8192, 64


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


# -- characteristic functions ------------------------------------------------------------------
def wave_sums(x: Array, masses: Array, step: float, first: int, stop: int) -> Complex:
    """Return sum_k m_k exp(-i w x_k) for w = step * (first, ..., stop - 1).

    Parameters
    ----------
    x : ndarray, shape (n,)
    masses : ndarray, shape (c, n)

    Returns
    -------
    ndarray, shape (c, stop - first)
    """
    n_blocks = -(-(stop - first) // BLOCK)
    out = np.zeros((len(masses), n_blocks, BLOCK), dtype=complex)
    for start in range(0, x.size, CHUNK):
        part = slice(start, start + CHUNK)
        # exp(-i (a B + b) w x) as a product: few exponentials, the rest is matrix products
        fine = np.exp(-1j * step * np.outer(x[part], np.arange(BLOCK)))
        leap = np.exp(-1j * step * np.outer(first + BLOCK * np.arange(n_blocks), x[part]))
        for row, mass in enumerate(masses):
            out[row] += (leap * mass[part]) @ fine
    return out.reshape(len(masses), -1)[:, : stop - first]


class _Waves:
    """Points of one period and the frequencies that the marginal is made of.

    Parameters
    ----------
    snap : Snapshot
    axis : int
    band : float
        Frequencies from here on cannot be told from others.
    checks : list of Snapshot
        Part of the nodes: where their sums have gone astray by more than is left of the
        characteristic function, the band ends.
    """

    def __init__(self, snap: Snapshot, axis: int, band: float, checks: list[Snapshot]) -> None:
        x = snap.along(axis)
        low, high = float(x.min()), float(x.max())
        width = max(high - low, 1e-300)
        self.origin, self.axis = low, axis
        self.start, self.period = low - MARGIN * width, (1 + 2 * MARGIN) * width
        self.step = 2 * np.pi / self.period
        limit = int(min(max(band / self.step, 8), MOST_WAVES))
        rows = [np.zeros(0, dtype=complex) for _ in (snap, *checks)]
        quiet = 64 * EPS * float(np.abs(snap.mass).sum())
        count, end = 0, limit
        while count < limit:
            more = min(max(2 * count, 4 * BLOCK), limit)
            for k, part in enumerate((snap, *checks)):
                found = self._sums(part, part.mass[None], count, more)[0]
                rows[k] = np.concatenate([rows[k], found])
            count = more
            size = np.abs(rows[0])
            astray = np.max([np.abs(row - rows[0]) for row in rows], axis=0)
            end = min(_first_silence(size, quiet), _first_noise(size, astray))
            if end < count:
                break
        known, *others = (row[:end] for row in rows)
        if others:
            left = np.cumsum(np.abs(known)[::-1])[::-1]
            end = max(int(np.argmin(np.cumsum(astray[:end]) - astray[:end] + left)), 8)
        self.count = min(end, known.size)
        self.known, *self.checked = (row[: self.count] for row in rows)
        self.points = self.start + self.period * np.arange(self.size) / self.size

    def _sums(self, snap: Snapshot, masses: Array, first: int, stop: int) -> Complex:
        return wave_sums(snap.along(self.axis) - self.origin, masses, self.step, first, stop)

    @property
    def size(self) -> int:
        """Number of points."""
        return 2 * OVERSAMPLING * self.count

    def sums(self, snap: Snapshot, masses: Array | None = None) -> Complex:
        """Return the characteristic functions, shape (c, count), of masses (c, n) or its own."""
        return self._sums(snap, snap.mass[None] if masses is None else masses, 0, self.count)

    def node_masses(self, waves: Complex) -> Array:
        """Return the probability at every point: density times spacing, shape (c, size)."""
        turn = np.exp(1j * self.step * np.arange(self.count) * (self.start - self.origin))
        return np.asarray(np.fft.irfft(waves * turn, self.size, axis=-1))

    def beyond(self) -> float:
        """Return how many times what the last fifth holds lies beyond the band.

        The characteristic function is continued as an exponential through its largest values at
        0.80 to 0.85 and at 0.95 to 1 of the band, or over another band length if that does not
        fall; what a sum over nodes folds back from there is as large again.
        """
        size, n = np.abs(self.known), self.count
        inner, outer = size[int(0.8 * n) : int(0.85 * n) + 1].max(), size[int(0.95 * n) :].max()
        with np.errstate(divide="ignore"):
            rate = np.log(inner / max(outer, 1e-300)) / (0.15 * n)
        held = max(float(size[int(0.8 * n) :].sum()), 1e-300)
        return float(2 * outer / max(rate, 1 / n) / held)

    def reading(
        self, tau: float, best: Complex, others: dict[str, Complex], tail: float
    ) -> GridReading:
        """Return the marginal as a grid reading at one time."""
        clipped = np.where(np.arange(self.count) < 0.8 * self.count, best, 0.0)
        others = {**others, "band": best + self.beyond() * (best - clipped)}
        mass = self.node_masses(best[None])
        values = mass * (self.size / self.period)
        log_density = np.log(np.maximum(np.abs(values), np.finfo(float).tiny))
        return GridReading(
            Run(np.array([tau]), self.points[None], mass, log_density),
            {name: self.node_masses(other[None]) for name, other in others.items()},
            np.array([tail]),
        )


# -- one way per kind of reading -------------------------------------------------------------
def _steps(snap: Snapshot, axis: int) -> Array:
    """Return what one step along each axis of an affine grid adds to a coordinate."""
    grid = snap.along(axis).reshape(snap.grid)
    return np.array([grid[1, 0] - grid[0, 0], grid[0, 1] - grid[0, 0]])


def _band(snap: Snapshot, axis: int) -> float:
    """Return the highest frequency along an axis that an affine grid can tell from others."""
    return float(np.pi / np.abs(_steps(snap, axis)).max())


def _first_silence(size: Array, quiet: float) -> int:
    """Return where a stretch begins and ends, a quarter of what is before it, of rounding only.

    The end of that stretch; the length of ``size`` where there is none. Sums over nodes rise again
    beyond what their spacing resolves.
    """
    loud = np.flatnonzero(size > quiet)
    gaps = np.append(loud, size.size)
    for here, there in pairwise(gaps.tolist()):
        if there > 1.25 * here + 4:
            return int(1.25 * here + 4)
    return int(size.size)


def _first_noise(size: Array, astray: Array) -> int:
    """Return where a stretch begins in which the sums are astray by half of what they are."""
    whole, wrong = (np.concatenate([[0.0], np.cumsum(part)]) for part in (size, astray))
    here = np.arange(size.size)
    there = (1.25 * here + 4).astype(int)
    inside = there <= size.size
    here, there = here[inside], there[inside]
    lost = np.flatnonzero(wrong[there] - wrong[here] > 0.5 * (whole[there] - whole[here]))
    return int(there[lost[0]]) if lost.size else int(size.size)


def _of_grid(reading: GridReading, axis: int, i: int) -> GridReading:
    snap = reading.best.snapshot(i)
    waves = _Waves(snap, axis, _band(snap, axis), [])
    names = list(reading.companions)
    sums = waves.sums(snap, np.stack([reading.companions[name][i] for name in names]))
    others = dict(zip(names, sums, strict=True))
    return waves.reading(snap.tau, waves.known, others, float(reading.tail[i]))


def _of_characteristics(
    fine: Snapshot, reading: CharacteristicReading, axis: int, i: int
) -> GridReading:
    """Return the marginal of carried nodes; errors in time are those of ``reading``."""
    waves = _Waves(fine, axis, np.inf, [every(fine, 2, first) for first in (0, 1)])
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
    waves = _Waves(snap, axis, _band(snap, axis), [])
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
