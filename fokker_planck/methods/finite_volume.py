r"""Conservative finite volumes: Scharfetter-Gummel fluxes, implicit Euler, extrapolation.

The flux through the face between two cells of length h, with D = g(tau)^2/2 and Pe = b h / D,

.. math:: F = b\,\bar p - D\,\tfrac{Pe}{2}\coth\tfrac{Pe}{2}\;\partial_x p
            = \tfrac{D}{h}\,[B(-Pe)\,p_{left} - B(Pe)\,p_{right}], \qquad B(z) = z/(e^z - 1),

vanishes at both ends of the box. Face operators come from findiff's half-integer coefficients; the
divergence is the negative transpose of the gradient, so that columns sum to zero. Densities are
cell averages. Second order in space, first in time; functionals are extrapolated
(docs/theory.md, N5). Source: Scharfetter and Gummel, IEEE Trans. Electron Devices 16 (1969) 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg.lapack import dgttrs
from scipy.special import ndtr

from fokker_planck.functionals import ENTROPY, posterior_mass
from fokker_planck.methods.base import Progress, SolverError, pieces, with_breaks
from fokker_planck.model import Dynamics, GaussianMixture
from fokker_planck.readings import TableReading
from fokker_planck.runs import Run
from fokker_planck.tails import tail_bound

Array = NDArray[np.float64]
CHUNK = 200_000  # rates held at once
LEVEL = 1e-17  # probability that may lie outside the box
FIRST_CELLS, SPACE_LEVELS, MAX_SPACE = 64, 4, 2  # the finest run has 512 to 2048 cells
FIRST_STEPS, TIME_LEVELS, MAX_TIME = 16, 5, 4  # ... and 256 to 4096 steps
FASTEST_NOISE = 256  # parts of the horizon in which the noise may change by its own size
MAX_WORK = 5_000_000  # cells times steps of the finest run
GRADINGS = (-2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)


@cache
def face_coefficients() -> tuple[Array, Array]:
    """Return the weights of the left and right cell in the face average and face gradient."""
    from findiff import coefficients

    pairs = [coefficients(deriv=d, offsets=[-0.5, 0.5])["coefficients"] for d in (0, 1)]
    average, gradient = (np.array(pair, dtype=float) for pair in pairs)
    return average, gradient


def bernoulli(z: Array) -> tuple[Array, Array]:
    """Return B(-z) and B(z), B(z) = z / (e^z - 1) >= 0, for any size of z."""
    size = np.abs(z)
    safe = np.minimum(np.where(size < 1e-8, 1.0, size), 700.0)
    low = np.where(size < 1e-8, 1 - 0.5 * size, safe / np.expm1(safe))
    high = low + size
    return np.where(z > 0, high, low), np.where(z > 0, low, high)


def face_rates(drift: Array, diffusivity: Array, h: float) -> tuple[Array, Array]:
    """Return the rates of crossing each inner face rightwards and leftwards, both >= 0.

    Parameters
    ----------
    drift : ndarray, shape (..., n - 1)
        b at the inner faces.
    diffusivity : ndarray, shape (..., 1)
    h : float
        Cell length.
    """
    average, gradient = face_coefficients()
    ahead, back = bernoulli(drift * (h / diffusivity))
    # b = (D/h)(B(-Pe) - B(Pe)) times the average, and (D/2)(B(-Pe) + B(Pe)) times the gradient
    weights = [
        ahead * (average[side] - 0.5 * gradient[side])
        - back * (average[side] + 0.5 * gradient[side])
        for side in (0, 1)
    ]
    scale = diffusivity / h**2
    return scale * weights[0], -scale * weights[1]


def diffusivities(process: Dynamics, taus: Array) -> Array:
    """Return D = g^2/2 at the times.

    Raises
    ------
    SolverError
        If the noise vanishes at one of them.
    """
    noise = np.asarray(process.noise(taus))
    if not np.all(noise > 0):
        tau = taus[~(noise > 0)][0]
        raise SolverError(f"finite-volume: noise must be > 0 throughout, got 0 at tau = {tau:g}")
    return np.asarray(0.5 * noise**2)


def generator(process: Dynamics, tau: float, faces: Array) -> sparse.csc_array:
    """Return L(tau) of p' = L p for cell averages p, shape (n, n), tridiagonal.

    L = G^T F with G the face gradient and F the fluxes as a matrix: the columns sum to zero, off
    the diagonal L >= 0.

    Parameters
    ----------
    process : Dynamics
    tau : float
    faces : ndarray, shape (n + 1,)
        Equally spaced.
    """
    h = float(faces[-1] - faces[0]) / (faces.size - 1)
    n = faces.size - 1
    diffusivity = diffusivities(process, np.array([tau]))
    right, left = face_rates(process.drift(faces[1:-1], tau), diffusivity, h)
    flux = sparse.diags_array([h * right, -h * left], offsets=[0, 1], shape=(n - 1, n))
    gradient = sparse.diags_array(
        [np.full(n - 1, g / h) for g in face_coefficients()[1]], offsets=[0, 1], shape=(n - 1, n)
    )
    return (gradient.T @ flux).tocsc()


def factor(right: Array, left: Array, dt: Array) -> tuple[Array, Array, Array]:
    r"""Return the LU factors of I - dt L for many steps at once, without a subtraction.

    Columns of I - dt L sum to 1, so that the pivots are sums of nonnegative numbers,

    .. math:: d_i = \Delta\,r_i + s_i, \quad s_0 = 1, \quad
              s_{i+1} = 1 + \Delta\,l_i\, s_i / d_i,

    with r_i, l_i the rates across face i: every entry keeps its relative accuracy at any step
    (Grassmann, Taksar and Heyman, Oper. Res. 33 (1985) 1107).

    Parameters
    ----------
    right, left : ndarray, shape (k, n - 1)
        Rates at the ends of k steps.
    dt : ndarray, shape (k,)

    Returns
    -------
    lower, pivots, upper : ndarray, shapes (k, n - 1), (k, n), (k, n - 1)
    """
    ahead = np.ascontiguousarray((dt[:, None] * right).T)
    back = np.ascontiguousarray((dt[:, None] * left).T)
    pivots = np.empty((ahead.shape[0] + 1, dt.size))
    rest = np.ones(dt.size)
    for i in range(ahead.shape[0]):
        np.add(ahead[i], rest, out=pivots[i])
        rest = 1 + back[i] * (rest / pivots[i])
    pivots[-1] = rest
    lower = -ahead / pivots[:-1]
    by_step = [np.ascontiguousarray(part.T) for part in (lower, pivots, -back)]
    return by_step[0], by_step[1], by_step[2]


def step(p: Array, lower: Array, pivots: Array, upper: Array) -> Array:
    """Return the cell averages after one step of implicit Euler, from the factors of one step."""
    n = p.size
    pivoting = np.arange(1, n + 1, dtype=np.int32)
    solved, info = dgttrs(lower, pivots, upper, np.zeros(n - 2), pivoting, p)
    if info != 0:
        raise SolverError(f"finite-volume: the tridiagonal solve failed (info {info})")
    return solved


def initial_averages(law: GaussianMixture, faces: Array) -> Array:
    """Return the cell averages of a 1-D mixture, exactly through its distribution function."""
    means, deviations = law.means[:, 0], np.sqrt(law.covariances[:, 0, 0])
    z = (faces - means[:, None]) / deviations[:, None]
    a, b = z[:, :-1], z[:, 1:]
    # differences are taken in the tail that is small
    mass = np.where(a > 0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
    return np.asarray(law.weights @ mass / np.diff(faces))


@dataclass(frozen=True)
class TimeMap:
    """A smooth mesh tau(s) of [0, horizon], s in [0, 1]: dense at the end where gamma > 0.

    Equal steps in s can be halved, and the error keeps its expansion in powers of the step.
    """

    horizon: float
    gamma: float = 0.0

    def tau(self, s: Array) -> Array:
        """Return tau(s)."""
        if self.gamma == 0:
            return self.horizon * s
        return self.horizon * (1 - np.expm1(self.gamma * (1 - s)) / np.expm1(self.gamma))

    def s(self, tau: Array) -> Array:
        """Return the inverse of :meth:`tau`."""
        if self.gamma == 0:
            return np.asarray(tau) / self.horizon
        left = 1 - np.asarray(tau) / self.horizon
        return 1 - np.log1p(left * np.expm1(self.gamma)) / self.gamma

    def mesh(self, taus: Array, steps: int, level: int) -> tuple[Array, NDArray[np.int_]]:
        """Return a mesh through the output times, and their indices in it.

        About ``steps`` steps over the horizon, each halved ``level`` times.
        """
        stops = self.s(np.concatenate([[0.0], taus]))
        pieces, index = [np.zeros(1)], [0]
        for a, b, tau in zip(stops[:-1], stops[1:], taus, strict=True):
            n = 2**level * max(1, int(np.ceil(steps * (b - a) - 1e-9))) if tau > 0 else 0
            piece = self.tau(a + (b - a) * np.arange(1, n + 1) / max(n, 1))
            piece[-1:] = tau
            pieces.append(piece)
            index.append(index[-1] + n)
        return np.concatenate(pieces), np.array(index[1:])


@dataclass(frozen=True, eq=False)
class FiniteVolumes:
    """The scheme on [lower, upper]: runs on any number of cells and any time mesh."""

    process: Dynamics
    lower: float
    upper: float

    def faces(self, cells: int) -> Array:
        """Return the faces of equal cells, shape (cells + 1,)."""
        return np.linspace(self.lower, self.upper, cells + 1)

    def march(self, cells: int, mesh: Array, index: NDArray[np.int_]) -> Array:
        """Return cell averages at the mesh points ``index``, shape (m, cells)."""
        faces = self.faces(cells)
        h = (self.upper - self.lower) / cells
        p = initial_averages(self.process.initial, faces)
        wanted = np.zeros(mesh.size, dtype=bool)
        wanted[index] = True
        rows = [p] if wanted[0] else []
        chunk = max(1, CHUNK // cells)
        for start in range(0, mesh.size - 1, chunk):
            ends = mesh[start + 1 : start + 1 + chunk]
            diffusivity = diffusivities(self.process, ends)[:, None]
            # a step that ends where the drift jumps takes the drift before the jump
            drift = np.concatenate(
                [
                    part.drift(faces[None, 1:-1], ends[(ends > a) & (ends <= b), None])
                    for a, b, part in pieces(self.process)
                    if np.any((ends > a) & (ends <= b))
                ]
            )
            right, left = face_rates(drift, diffusivity, h)
            dt = np.diff(mesh[start : start + 1 + ends.size])
            for k, factors in enumerate(zip(*factor(right, left, dt), strict=True), start + 1):
                p = step(p, *factors)
                if wanted[k]:
                    rows.append(p)
        return np.array(rows)

    def run(self, cells: int, taus: Array, mesh: Array, index: NDArray[np.int_]) -> Run:
        """Return a run at the output times."""
        values = self.march(cells, mesh, index)
        if not np.all(np.isfinite(values)):
            raise SolverError("finite-volume: the density overflowed")
        faces = self.faces(cells)
        points = np.broadcast_to(0.5 * (faces[1:] + faces[:-1]), values.shape)
        log_density = np.log(np.maximum(values, np.finfo(float).tiny))
        return Run(taus, points, values * ((self.upper - self.lower) / cells), log_density)

    def best_map(self) -> TimeMap:
        """Return the grading of time that makes the first-order error of a pilot run least."""
        trial = TimeMap(self.process.horizon, 2.0)
        mesh, _ = trial.mesh(np.array([self.process.horizon]), 64, 0)
        p = self.march(64, mesh, np.arange(mesh.size))
        rate = np.diff(p, axis=0) / np.diff(mesh)[:, None]
        # integral of |p''| over two steps, times the square of the step that a grading gives
        second = np.abs(np.diff(rate, axis=0)).sum(axis=1)

        def error(gamma: float) -> float:
            s = TimeMap(self.process.horizon, gamma).s(mesh)
            return float(np.sum(second * (mesh[2:] - mesh[:-2]) / (s[2:] - s[:-2])))

        return TimeMap(self.process.horizon, min(GRADINGS, key=error))


def _ratios(reading: TableReading) -> dict[str, float]:
    """Return the ratios of the last entropy differences at the last output time."""
    table = np.array([[run.values(ENTROPY)[-1] for run in row] for row in reading.runs])
    time, space = np.abs(np.diff(table[-1])), np.abs(np.diff(table[:, -1]))
    return {
        name: float(gaps[-2] / gaps[-1]) if gaps[-1] > 0 else float("inf")
        for name, gaps in (("time", time), ("space", space))
    }


def solve_finite_volume(
    process: Dynamics, taus: Array, tol: float = 1e-8, progress: Progress | None = None
) -> tuple[TableReading, dict[str, Any]]:
    """Solve by finite volumes on a table of cells and steps, both halved from level to level.

    The whole table is refined in space or in time until entropy and posterior mass claim at most
    ``tol``, or the finest run has become too expensive: the claim is what it then is.

    Parameters
    ----------
    process : Dynamics
        One-dimensional, with noise > 0 at all times.
    taus : ndarray, shape (m,)
        Output times, increasing.
    tol : float
        Requested error of entropy and posterior mass.

    Returns
    -------
    reading : TableReading
    cost : dict
        Cells and steps of the finest run, number of runs, steps in all of them.

    Raises
    ------
    SolverError
        If the noise is zero at some time or a density overflows.
    """
    diffusivities(process, np.linspace(0.0, process.horizon, 65))
    if getattr(process, "noise_time", np.inf) < process.horizon / FASTEST_NOISE:
        raise SolverError("finite-volume: the noise changes too fast for equal refinements in time")
    bound = tail_bound(process)
    lower, upper = bound.static_box(LEVEL)
    # side by side: the two ends may owe their places to different bounds
    ends = np.array([lower, upper])
    tail = bound.outside_at(ends[0], np.array(np.inf), taus)
    tail = np.minimum(tail + bound.outside_at(np.array(-np.inf), ends[1], taus), 1.0)
    scheme = FiniteVolumes(process, lower, upper)
    grading = scheme.best_map()
    functionals = [ENTROPY]
    if hasattr(process, "log_posterior"):
        functionals.append(posterior_mass(process))
    stops = with_breaks(process, taus)
    done: dict[tuple[int, int], Run] = {}
    cost: dict[str, Any] = {"runs": 0, "steps": 0}

    def run(cells: int, halvings: int) -> Run:
        if (cells, halvings) not in done:
            mesh, index = grading.mesh(stops, FIRST_STEPS, halvings)
            index = index[np.isin(stops, taus)]
            done[cells, halvings] = scheme.run(cells, taus, mesh, index)
            cost["runs"] += 1
            cost["steps"] += mesh.size - 1
        return done[cells, halvings]

    space, time = 0, 0
    while True:
        rows = [FIRST_CELLS * 2 ** (space + s) for s in range(SPACE_LEVELS)]
        runs = [[run(cells, time + q) for q in range(TIME_LEVELS)] for cells in rows]
        reading = TableReading(runs, tail)
        if progress is not None:
            progress(space + time + 1, MAX_SPACE + MAX_TIME + 1)
        budgets = [reading.read(f)[1] for f in functionals]
        late, wide = (max(b[part].max() for b in budgets) for part in ("time", "space"))
        work = rows[-1] * FIRST_STEPS * 2 ** (time + TIME_LEVELS - 1)
        more_time = late > 0.5 * tol and time < MAX_TIME and 2 * work <= MAX_WORK
        work *= 2 if more_time else 1
        more_space = wide > 0.5 * tol and space < MAX_SPACE and 2 * work <= MAX_WORK
        if not (more_time or more_space):
            break
        space, time = space + int(more_space), time + int(more_time)
    finest = grading.mesh(stops, FIRST_STEPS, time + TIME_LEVELS - 1)[0].size - 1
    cost |= {"cells": rows[-1], "finest_steps": finest, "grading": grading.gamma}
    return TableReading(runs, tail, _ratios(reading)), cost
