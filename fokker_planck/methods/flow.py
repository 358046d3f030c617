r"""Characteristics of a field: points and the logarithm of the flow's Jacobian, step by step.

Along :math:`\dot x = b(x, \tau)` the log-Jacobian grows by the divergence (docs/theory.md, I3).
The slopes depend on the points alone, so stages carry points only. Points are rows, (d, n).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fokker_planck.methods.base import SolverError
from fokker_planck.methods.runge_kutta import (
    FEW,
    MAX_STEPS,
    N_STAGES,
    embedded_error,
    halved,
    next_factor,
    tableau,
)
from fokker_planck.model.dynamics import Dynamics, breaks_of, piece_of
from fokker_planck.model.field import Field, field_of

Array = NDArray[np.float64]
#: steps whose times are prepared at once
BLOCK = 64
#: points that are carried at once
CHUNK = 2048
#: norm(error of the points (d, n), error of the log-Jacobian (n,), points) -> number
Norm = Callable[[Array, Array, Array], float]


def weighted_rows(weights: Array, rows: Array, out: Array) -> None:
    """Write sum_j weights_j rows_j; in blocks so small that BLAS starts no threads."""
    n = rows.shape[1]
    if rows.size <= FEW:
        np.dot(weights, rows, out=out)
        return
    width = max(FEW // len(weights), 64)
    for start in range(0, n, width):
        np.dot(weights, rows[:, start : start + width], out=out[start : start + width])


#: rows of k_2, k_1, the state, k_0, k_3, k_4, ...: no stage after the fourth needs the first two
STATE = 2
ROWS = (3, 1, 0, *range(4, N_STAGES + 2))
#: the rows that each stage needs
NEEDED = ((0, 0), (2, 4), (1, 4), (0, 4), (0, 5), *((2, s + 1) for s in range(5, N_STAGES)))


class Stepper:
    """One step of the eighth-order Dormand-Prince pair for points and log-Jacobian.

    Parameters
    ----------
    field : Field
    x, logs : ndarray, shape (d, n) and (n,)
        The state at the start; copied.
    """

    def __init__(self, field: Field, x: Array, logs: Array) -> None:
        self.field = field
        self.shape = x.shape
        d, n = x.shape
        # the state is a row among the slopes: a stage is one product of weights and rows
        self.points = np.empty((N_STAGES + 2, d * n))
        self.rates = np.empty((N_STAGES + 1, n))
        self.points[STATE] = x.ravel()
        self.logs = logs.copy()
        self.stage, self.change = np.empty((2, d * n))
        self.log_change = np.empty(n)
        a, b, c, e3, e5 = tableau()
        self.b, self.e3, self.e5 = b, e3, e5
        self.nodes = np.append(c[1:], 1.0)
        self.weights = np.zeros((N_STAGES + 1, N_STAGES + 2))
        for s in range(N_STAGES):
            self.weights[s, ROWS[:s]] = a[s, :s]
        self.weights[N_STAGES, ROWS[:N_STAGES]] = b
        self.rows = [self.points[row].reshape(d, n) for row in ROWS]
        self.at = self.stage.reshape(d, n)

    @property
    def x(self) -> Array:
        """The points, shape (d, n)."""
        return self.points[STATE].reshape(self.shape)

    def begin(self, i: int) -> None:
        """Compute the slope at the start, at the field's time ``i``."""
        self.field.evaluate(i, self.x, self.rows[0], self.rates[0])

    def times(self, tau: float | Array, h: float | Array) -> Array:
        """Return the N_STAGES times of a step at which the field is needed; one row per step."""
        return tau + self.nodes * h

    def trial(self, i: int, h: float) -> None:
        """Take a step; the field's times from ``i`` on are those of :meth:`times`."""
        scaled = h * self.weights
        change = scaled[N_STAGES].copy()
        scaled[:, STATE] = 1.0
        evaluate, points, stage, at = self.field.evaluate, self.points, self.stage, self.at
        for s in range(1, N_STAGES):
            first, last = NEEDED[s]
            weighted_rows(scaled[s, first:last], points[first:last], stage)
            evaluate(i + s - 1, at, self.rows[s], self.rates[s])
        used = slice(STATE + 1, N_STAGES + 1)
        weighted_rows(change[used], points[used], self.change)
        weighted_rows(h * self.b, self.rates[:N_STAGES], self.log_change)
        np.add(points[STATE], self.change, out=stage)
        evaluate(i + N_STAGES - 1, at, self.rows[N_STAGES], self.rates[N_STAGES])

    def errors(self, h: float) -> tuple[Array, Array]:
        """Return the embedded error estimates of the trial step, (d, n) and (n,)."""
        out = []
        for slopes, where in ((self.points, ROWS), (self.rates, range(N_STAGES + 1))):
            rough = np.empty((2, slopes.shape[1]))
            for row, error in zip(rough, (self.e3, self.e5), strict=True):
                weights = np.zeros(len(slopes))
                weights[list(where)] = error
                weighted_rows(weights, slopes, row)
            out.append(embedded_error(rough[0], rough[1], abs(h)))
        return out[0].reshape(self.shape), out[1]

    def accept(self) -> None:
        """Make the trial step the state."""
        self.points[STATE] = self.stage
        self.rows[0][:] = self.rows[N_STAGES]
        self.rates[0] = self.rates[N_STAGES]
        self.logs += self.log_change


@dataclass(frozen=True)
class Mesh:
    """Step ends, piece by piece: the drift is smooth within a piece (``process.piece``)."""

    pieces: tuple[Array, ...]

    def halved(self) -> Mesh:
        """Return the mesh with every step cut in two."""
        return Mesh(tuple(halved(piece) for piece in self.pieces))

    @property
    def steps(self) -> int:
        """Number of steps."""
        return sum(piece.size - 1 for piece in self.pieces)


def _spans(process: Dynamics, start: float, stop: float) -> Iterator[tuple[Dynamics, float, float]]:
    """Yield the smooth pieces between two times, in the order in which they are crossed."""
    edges = [0.0, *breaks_of(process), process.horizon]
    spans = list(pairwise(edges))
    if stop < start:
        spans = spans[::-1]
    low, high = min(start, stop), max(start, stop)
    for a, b in spans:
        if b > low and a < high:
            piece = piece_of(process, a, b) if len(spans) > 1 else process
            first, last = max(a, low), min(b, high)
            yield (piece, first, last) if stop >= start else (piece, last, first)


def adaptive_mesh(
    process: Dynamics, x: Array, taus: Array, norm: Norm, local_tol: float, start: float = 0.0
) -> tuple[Mesh, Array, Array]:
    """Return a mesh on which the local error is met, and the states at the output times.

    The mesh passes through every output time; the states are those of :func:`carry`.

    Parameters
    ----------
    process : Dynamics
    x : ndarray, shape (d, n)
        Points at reverse time ``start``.
    taus : ndarray
        Output times, in the order in which they are reached (decreasing: backwards).
    norm : callable
        What is compared with ``local_tol``.
    local_tol : float
        Allowed error of one step.
    start : float

    Raises
    ------
    SolverError
        If the step size collapses or the number of steps explodes.
    """
    pieces = []
    points, all_logs = np.empty((taus.size, *x.shape)), np.zeros((taus.size, x.shape[1]))
    points[taus == start] = x
    length = abs(float(taus[-1]) - start)
    sign = 1.0 if taus[-1] >= start else -1.0
    h, logs, total = 0.05 * length, np.zeros(x.shape[1]), 0
    for piece, first, last in _spans(process, start, float(taus[-1])):
        field = field_of(piece, x.shape[1])
        stepper = Stepper(field, x, logs)
        field.prepare(np.array([first]))
        stepper.begin(0)
        tau, mesh = first, [first]
        inside = [float(s) for s in taus if min(first, last) < s < max(first, last)]
        for stop in [*inside, last]:
            while sign * (stop - tau) > 0:
                left = abs(stop - tau)
                pieces_left = np.ceil(left / h - 1e-9)
                trial = left / max(pieces_left, 1.0) if pieces_left <= 2 else h
                field.prepare(stepper.times(tau, sign * trial))
                stepper.trial(0, sign * trial)
                size = norm(*stepper.errors(trial), stepper.x)
                if size <= local_tol:
                    tau = stop if pieces_left <= 1 else tau + sign * trial
                    stepper.accept()
                    mesh.append(tau)
                    total += 1
                    for i in np.flatnonzero(taus == tau):
                        points[i], all_logs[i] = stepper.x, stepper.logs
                # a step cut short by an output time says nothing against the planned one
                kept = h if size <= local_tol and trial < h else 0.0
                h = max(trial * next_factor(size, local_tol), kept)
                if h < 1e-13 * length or total > MAX_STEPS:
                    raise SolverError(f"step size collapsed at tau = {tau:.6g} (h = {h:.1e})")
        pieces.append(np.array(mesh))
        x, logs = stepper.x.copy(), stepper.logs
    return Mesh(tuple(pieces)), points, all_logs


def carry(process: Dynamics, x: Array, mesh: Mesh, taus: Array) -> tuple[Array, Array]:
    """Carry points over a mesh; return points and log-Jacobian at the output times.

    Parameters
    ----------
    process : Dynamics
    x : ndarray, shape (d, n)
        Points at the beginning of the mesh.
    mesh : Mesh
        From :func:`adaptive_mesh` for the same process and output times.
    taus : ndarray, shape (m,)

    Returns
    -------
    points : ndarray, shape (m, d, n)
    logs : ndarray, shape (m, n)
    """
    points, logs = np.empty((taus.size, *x.shape)), np.zeros((taus.size, x.shape[1]))
    if x.shape[1] > CHUNK:
        # what a step works on stays in the cache
        for start in range(0, x.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            points[:, :, part], logs[:, part] = carry(process, x[:, part], mesh, taus)
        return points, logs
    first = float(mesh.pieces[0][0]) if mesh.pieces else float(taus[0])
    points[taus == first] = x
    if not mesh.pieces:
        return points, logs
    total = np.zeros(x.shape[1])
    last = float(mesh.pieces[-1][-1])
    spans = _spans(process, first, last)
    for (piece, _, _), ends in zip(spans, mesh.pieces, strict=True):
        field = field_of(piece, x.shape[1])
        stepper = Stepper(field, x, total)
        field.prepare(ends[:1])
        stepper.begin(0)
        for j, h in enumerate(np.diff(ends).tolist()):
            if j % BLOCK == 0:
                tau, step = ends[j : j + BLOCK + 1, None], np.diff(ends[j : j + BLOCK + 1])
                field.prepare(stepper.times(tau[:-1], step[:, None]).ravel())
            stepper.trial(N_STAGES * (j % BLOCK), h)
            stepper.accept()
            for i in np.flatnonzero(taus == ends[j + 1]):
                points[i], logs[i] = stepper.x, stepper.logs
        x, total = stepper.x.copy(), stepper.logs
    return points, logs
