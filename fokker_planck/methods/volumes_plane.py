"""Finite volumes on a moving box in the plane: generators as sets of lines, and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgttrs

from fokker_planck.methods.base import SolverError, pieces
from fokker_planck.methods.box_plane import PlaneFrame, TimeSeries
from fokker_planck.methods.finite_volume import face_rates, factor
from fokker_planck.model import Dynamics
from fokker_planck.runs import Run

Array = NDArray[np.float64]
START_NODES, MOST_START_NODES = 192, 1024  # per axis, to average the start over cells
DRIFT_TOL = 1e-7  # of the drift's series in time


@dataclass(frozen=True)
class Lines:
    """The factors of I - k L for all lines along one axis, put end to end."""

    axis: int
    lower: Array
    pivots: Array
    upper: Array

    @staticmethod
    def of(velocity: Array, diffusivity: float, h: float, dts: Array, axis: int) -> list[Lines]:
        """Return the factors for steps of several lengths that end at one time.

        ``velocity`` is at the inner faces of the axis.
        """
        along = velocity.T if axis == 0 else velocity
        right, left = face_rates(along, np.array([[diffusivity]]), h)
        m, n = along.shape
        many = (dts.size, 1)
        parts = factor(np.tile(right, many), np.tile(left, many), np.repeat(dts, m))
        # lines do not touch: a zero closes each
        closed = np.zeros((2, dts.size, m, n + 1))
        closed[0, ..., :-1], closed[1, ..., :-1] = (
            parts[side].reshape(dts.size, m, n) for side in (0, 2)
        )
        lower, upper = closed.reshape(2, dts.size, -1)[..., :-1]
        pivots = parts[1].reshape(dts.size, -1)
        return [Lines(axis, *item) for item in zip(lower, pivots, upper, strict=True)]

    def solve(self, p: Array) -> Array:
        """Return (I - k L)^{-1} p."""
        along = p.T if self.axis == 0 else p
        n = along.size
        pivoting = np.arange(1, n + 1, dtype=np.int32)
        solved, info = dgttrs(
            self.lower, self.pivots, self.upper, np.zeros(n - 2), pivoting, along.ravel()
        )
        if info != 0:
            raise SolverError(f"finite-volume: the tridiagonal solve failed (info {info})")
        out = solved.reshape(along.shape)
        return np.asarray(out.T if self.axis == 0 else out)


@dataclass(frozen=True, eq=False)
class PlaneVolumes:
    """The scheme on the box [lower, upper] of a moving frame, with equal numbers of cells."""

    process: Dynamics
    frame: PlaneFrame
    lower: Array
    upper: Array

    def sizes(self, cells: int) -> Array:
        """Return the lengths of a cell, shape (2,)."""
        return np.asarray((self.upper - self.lower) / cells)

    def coordinates(self, first: Any, second: Any, cells: int) -> Array:
        """Return points y at positions counted in cells along both axes, shape (n1, n2, 2)."""
        grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1)
        return np.asarray(self.lower + grid * self.sizes(cells))

    def start(self, cells: int) -> Array:
        """Return the start's cell averages in y, by Gauss quadrature in every cell.

        Raises
        ------
        SolverError
            If a component of the start is too narrow for that.
        """
        spectra = np.linalg.eigvalsh(self.process.initial.covariances)
        width = self.frame.at(0.0)[1] * (self.upper - self.lower) / np.sqrt(spectra.min())
        nodes = max(START_NODES, 2 * float(width.max()))
        if nodes > MOST_START_NODES:
            raise SolverError(
                "a component of the start is narrower than 1/500 of the box: no grid fits"
            )
        per_cell = max(3, int(np.ceil(nodes / cells)))
        z, w = np.polynomial.legendre.leggauss(per_cell)
        positions = (np.arange(cells)[:, None] + 0.5 * (1 + z)).ravel()
        s = self.frame.at(0.0)[1]
        total = np.zeros((cells, cells))
        # one column of quadrature points at a time keeps memory near one grid
        for j in range(per_cell):
            y = self.coordinates(positions, positions[j::per_cell], cells)
            p = np.exp(self.process.initial.log_density(self.frame.points(y, 0.0)))
            total += 0.5 * w[j] * 0.5 * np.einsum("aqb,q->ab", p.reshape(cells, per_cell, cells), w)
        return total * float(s.prod())

    def velocities(self, process: Dynamics, cells: int) -> Callable[[float], Array]:
        """Return the field of both velocities at the middles of the cells, (2, n1, n2).

        Faces take a fourth-order average of cells, at half the price of values of their own.
        """
        middles = np.arange(cells) + 0.5
        y = self.coordinates(middles, middles, cells)
        return lambda tau: np.moveaxis(self.frame.velocity(process, y, tau), -1, 0)

    def march(
        self,
        cells: int,
        meshes: list[Array],
        drift_tol: float = DRIFT_TOL,
        least: float = 0.0,
    ) -> Iterator[tuple[int, int, Array]]:
        """Yield (mesh, index, cell averages) for several meshes, which share the drift's series.

        Every mesh passes through the breaks of the process. Diffusivities below ``least`` are
        raised to it: where the noise vanishes fluxes are then upwind.
        """
        states = [self.start(cells) for _ in meshes]
        for i, p in enumerate(states):
            yield i, 0, p
        h = self.sizes(cells)
        horizon = self.process.horizon
        longest = min(horizon / 4, 4 * getattr(self.process, "noise_time", np.inf))
        for a, b, piece in pieces(self.process):
            field = self.velocities(piece, cells)
            beta = TimeSeries(field, a, b, drift_tol, longest, horizon * 1e-3)
            # the meshes advance together, in order of time
            ends = sorted(
                (float(tau), i, k)
                for i, mesh in enumerate(meshes)
                for k, tau in enumerate(mesh)
                if k > 0 and a < tau <= b
            )
            for tau, group in groupby(ends, key=itemgetter(0)):
                steps = [(i, k) for _, i, k in group]
                dts = np.array([tau - float(meshes[i][k - 1]) for i, k in steps])
                delta = np.maximum(self.frame.diffusivities(piece, tau), least)
                values = beta(tau)
                axes = (
                    Lines.of(faces_of(values[axis], axis), delta[axis], h[axis], dts, axis)
                    for axis in (0, 1)
                )
                for (i, k), first, second in zip(steps, *axes, strict=True):
                    p = states[i]
                    states[i] = 0.5 * (first.solve(second.solve(p)) + second.solve(first.solve(p)))
                    yield i, k, states[i]

    def runs(self, cells: int, taus: Array, meshes: list[tuple[Array, Any]]) -> list[Run]:
        """Return the runs on several meshes, given with the indices of the output times."""
        n = cells * cells
        values = np.zeros((len(meshes), taus.size, n))
        for i, k, p in self.march(cells, [mesh for mesh, _ in meshes]):
            for j in np.flatnonzero(meshes[i][1] == k):
                values[i, j] = p.ravel()
        if not np.all(np.isfinite(values)):
            raise SolverError("finite-volume: the density overflowed")
        middles = np.arange(cells) + 0.5
        y = self.coordinates(middles, middles, cells).reshape(-1, 2)
        points = np.stack([self.frame.points(y, float(tau)) for tau in taus])
        stretch = np.array([np.log(self.frame.at(float(tau))[1]).sum() for tau in taus])
        area = float(self.sizes(cells).prod())
        return [
            Run(
                taus,
                points,
                rows * area,
                np.log(np.maximum(rows, np.finfo(float).tiny)) - stretch[:, None],
                (cells, cells),
            )
            for rows in values
        ]


def faces_of(velocity: Array, axis: int) -> Array:
    """Return values at the inner faces along an axis, fourth order but for the outermost."""
    v = np.moveaxis(velocity, axis, 0)
    out = 0.5 * (v[1:] + v[:-1])
    out[1:-1] += (out[1:-1] - 0.5 * (v[3:] + v[:-3])) / 8
    return np.moveaxis(out, 0, axis)
