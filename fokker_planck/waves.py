"""Characteristic functions of nodes with masses, and marginals back from them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fokker_planck.functionals import Snapshot
from fokker_planck.readings import GridReading
from fokker_planck.runs import EPS, Run

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
#: share of the nodes' range that is added on either side to make a period
MARGIN = 0.05
#: points per shortest wave that the characteristic function holds
OVERSAMPLING = 4
#: at most so many frequencies; a thinner law is refused by the size of what is left out
MOST_WAVES = 1 << 14
#: nodes and frequencies summed at once
CHUNK, BLOCK = 8192, 64


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


class Waves:
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
