r"""High-order central differences in space, an adaptive integrator in time: the second opinion.

.. math:: \partial_\tau p = -\partial_x(b\,p) + D\,\partial_{xx}p, \qquad D = g(\tau)^2/2

on equal cells, eighth-order coefficients from findiff, p = 0 outside the box. Works with and
without noise. Mass is not conserved exactly: its defect shows, and nothing is repaired.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.integrate import solve_ivp
from scipy.special import ndtr, ndtri

from fokker_planck.functionals import ENTROPY, Functional, posterior_mass
from fokker_planck.methods.base import Progress, SolverError, pieces, with_breaks
from fokker_planck.model import Dynamics
from fokker_planck.readings import GridReading
from fokker_planck.runs import FarTail, Run, grid_run
from fokker_planck.tails import tail_bound

Array = NDArray[np.float64]
ORDER = 8
LEVEL = 1e-17  # probability that may lie outside the box
FIRST_CELL = 0.15  # cell of the first grid, in units of the narrowest deviation of the model
MAX_CELLS = 3000
MAX_EVALUATIONS = 12_000  # of the drift in one run
MAX_WORK = 30_000_000  # cells times evaluations of one run: some ten seconds
LOOSER = 10.0  # the tolerance of the time companion, relative; its longest step is doubled
LEAST_STEPS = 16
SPACE_RATIO = 4 / 3  # cells, relative to those of the space companion
RTOL_RANGE = (1e-12, 1e-4)
FINER_NODES = (1, 4, 16, 64)  # nodes per cell on which functionals are summed


@cache
def stencil(derivative: int) -> Array:
    """Return the coefficients of the central difference at unit step, shape (9,), exactly rounded.

    The symbolic coefficients: those solved for in floating point carry errors of 1e-14.
    """
    from findiff import coefficients

    table = coefficients(deriv=derivative, acc=ORDER, symbolic=True)["center"]
    offsets = [int(k) for k in table["offsets"]]
    full = np.zeros(ORDER + 1)
    full[np.array(offsets) + ORDER // 2] = [float(c) for c in table["coefficients"]]
    return full


@dataclass(frozen=True, eq=False)
class CentralGrid:
    r"""The semi-discrete equation p' = A(tau) p on ``cells`` equal cells of [lower, upper].

    The unknowns are point values at the middles of the cells, so that a mirrored problem has a
    mirrored grid; A is banded (nine diagonals).
    """

    process: Dynamics
    lower: float
    upper: float
    cells: int

    @property
    def cell(self) -> float:
        """Length of a cell."""
        return (self.upper - self.lower) / self.cells

    @cached_property
    def points(self) -> Array:
        """Middles of the cells, shape (n,)."""
        middles = np.arange(self.cells, dtype=float) + 0.5
        return self.lower + middles * self.cell

    @cached_property
    def _stencils(self) -> tuple[Array, Array]:
        first = np.asarray(stencil(1) / self.cell, dtype=np.float64)
        return first, np.asarray(stencil(2) / self.cell**2, dtype=np.float64)

    @cached_property
    def _spent(self) -> list[int]:
        return [0]

    @cached_property
    def _coefficients(self) -> dict[float, tuple[Array, float]]:
        return {}

    def coefficients(self, tau: float) -> tuple[Array, float]:
        """Return drift at the points and diffusivity; the latest few times are remembered."""
        memory = self._coefficients
        if tau not in memory:
            if len(memory) >= 8:
                del memory[next(iter(memory))]
            self._spent[0] += self.cells
            if self._spent[0] > MAX_WORK:
                raise SolverError(
                    f"central: too stiff, more than {MAX_WORK:g} cells times steps by "
                    f"tau = {tau:.6g}"
                )
            drift = self.process.drift(self.points, tau)
            memory[tau] = drift, 0.5 * float(self.process.noise(tau)) ** 2
        return memory[tau]

    def rhs(self, tau: float, p: Array) -> Array:
        """Return A(tau) p, shape (n,)."""
        drift, diffusivity = self.coefficients(tau)
        first, second = self._stencils
        out = -np.convolve(drift * p, first[::-1], "same")
        if diffusivity > 0:
            out += diffusivity * np.convolve(p, second[::-1], "same")
        return out

    def jacobian(self, tau: float, p: Array | None = None) -> sparse.csc_array:
        """Return A(tau), shape (n, n)."""
        drift, diffusivity = self.coefficients(tau)
        first, second = self._stencils
        reach = ORDER // 2
        bands = diffusivity * second[:, None] - first[:, None] * drift
        # a band of a DIA matrix is stored by column: A[j - k, j] sits in band k, column j
        offsets = np.arange(-reach, reach + 1)
        return sparse.dia_array((bands, offsets), shape=(self.cells, self.cells)).tocsc()

    @cached_property
    def explicit(self) -> bool:
        """Whether stability lets DOP853 take about as few steps as Radau."""
        times = np.linspace(0.0, self.process.horizon, 9)
        diffusivity = 0.5 * float(np.max(np.asarray(self.process.noise(times)) ** 2))
        radius = diffusivity * float(np.abs(self._stencils[1]).sum())
        return radius * self.process.horizon / 6 < 100


def integrate(
    grid: CentralGrid,
    taus: Array,
    rtol: float,
    progress: Progress | None = None,
    max_step: float = np.inf,
) -> tuple[Run, dict[str, int]]:
    """Solve on one grid at one tolerance: Radau for noisy processes, DOP853 where it is cheaper.

    The integrator stops at every output time, since its dense output is of lower order, and
    where the drift jumps. A longest step makes two tolerances differ where both would take the
    same few steps.

    Raises
    ------
    SolverError
        If the integrator gives up.
    """
    process = grid.process
    density = np.exp(process.initial.log_density(grid.points))
    method = "DOP853" if grid.explicit else "Radau"
    atol = 1e-3 * rtol * float(density.max())
    rows, now, first_step = [], 0.0, None
    cost = {"steps": 0, "evaluations": 0}
    parts = [(b, replace(grid, process=part)) for _, b, part in pieces(process)]
    for tau in (float(t) for t in with_breaks(process, taus)):
        if tau > now:
            here = next(part for b, part in parts if now < b)
            vars(here)["_spent"] = grid._spent  # work is counted over all pieces
            if first_step is not None:
                first_step = min(first_step, max_step, tau - now)
            options = {} if grid.explicit else {"jac": here.jacobian}
            done = solve_ivp(
                here.rhs,
                (now, tau),
                density,
                method=method,
                rtol=rtol,
                atol=atol,
                first_step=first_step,
                max_step=max_step,
                **options,
            )
            if not done.success:
                raise SolverError(f"central: the integrator stopped at tau = {done.t[-1]:g}")
            density, now = done.y[:, -1], tau
            first_step = float(np.diff(done.t).max())
            cost["steps"] += done.t.size - 1
            cost["evaluations"] += done.nfev
        if tau in taus:
            rows.append(density)
        if progress is not None:
            progress(tau, float(taus[-1]))
    values = np.array(rows)
    if not np.all(np.isfinite(values)):
        raise SolverError("central: the density overflowed")
    points = np.broadcast_to(grid.points, values.shape)
    # the logarithm of an underflow stays finite: it weighs differences from other runs
    log_density = np.log(np.maximum(np.abs(values), np.finfo(float).tiny))
    return Run(taus, points, grid.cell * values, log_density), cost


def resample(density: Array, cells: int) -> Array:
    """Return cell-middle values (m, n) on ``cells`` >= n cells of the same box.

    Trigonometric interpolation: exact for what the coarse grid can carry. The density vanishes
    at the ends of the box, so that it may be continued periodically.
    """
    n = density.shape[-1]
    spectrum = np.fft.rfft(density, axis=-1)
    if n % 2 == 0:
        spectrum[..., -1] *= 0.5
    wave = np.arange(spectrum.shape[-1])
    # from samples at (j + 1/2)/n to samples at (j + 1/2)/cells
    spectrum = spectrum * np.exp(1j * np.pi * wave * (1 / cells - 1 / n))
    return np.fft.irfft(spectrum, n=cells, axis=-1) * (cells / n)


def flow_box(process: Dynamics) -> tuple[float, float, float]:
    """Return a box that the flow of an ODE keeps, and the probability of starting outside it.

    In one dimension paths keep their order, so that the two paths from the ends of an interval
    enclose all paths between them. The box is widened by a hundredth, for the time between samples.
    """
    law = process.initial
    means, deviations = law.means[:, 0], np.sqrt(law.covariances[:, 0, 0])
    reach = -ndtri(LEVEL / 2)
    ends = np.array([(means - reach * deviations).min(), (means + reach * deviations).max()])
    # paths are fast near the end of reverse time
    times = process.horizon * (1 - np.linspace(1.0, 0.0, 257) ** 4)
    paths = solve_ivp(
        lambda tau, x: process.drift(x, tau),
        (0.0, process.horizon),
        ends,
        method="DOP853",
        t_eval=times,
        rtol=1e-8,
        atol=1e-10,
    )
    if not paths.success or not np.all(np.isfinite(paths.y)):
        raise SolverError(f"central: the flow left every bound at tau = {paths.t[-1]:g}")
    lower, upper = float(paths.y.min()), float(paths.y.max())
    pad = 0.01 * (upper - lower)
    left, right = (ends[0] - means) / deviations, (means - ends[1]) / deviations
    outside = float(law.weights @ (ndtr(left) + ndtr(right)))
    return lower - pad, upper + pad, outside


def _targets(process: Dynamics) -> list[Functional]:
    """Return what the refinement is steered by: entropy, and posterior mass if there is one."""
    has_posterior = hasattr(process, "log_posterior")
    return [ENTROPY, posterior_mass(process)] if has_posterior else [ENTROPY]


def claim(reading: GridReading, process: Dynamics, part: str) -> float:
    """Return the largest value of one part of the error, over targets and output times."""
    return max(float(np.max(reading.read(f)[1][part])) for f in _targets(process))


def _next_cells(cells: int, before: int, error: float, tol: float) -> int:
    """Return the next number of cells, from the error of the grid before this one."""
    here = error / ((cells / before) ** ORDER - 1)
    factor = 1.05 * (here / (0.25 * tol)) ** (1 / ORDER)
    return int(np.ceil(cells * min(max(factor, SPACE_RATIO), 2.0)))


def solve_central(
    process: Dynamics, taus: Array, tol: float = 1e-8, progress: Progress | None = None
) -> tuple[GridReading, dict[str, Any]]:
    """Solve by central differences; the companions are a coarser grid and a looser tolerance.

    Cells, then tolerances are refined until entropy and posterior mass claim at most ``tol``, or
    refining no longer helps or costs too much (3000 cells): the claim is what it then is.

    Parameters
    ----------
    process : Dynamics
        One-dimensional, with or without noise. Densities of the ODE may form filaments that no
        fixed grid resolves; the error is then large, and says so.
    taus : ndarray, shape (m,)
        Output times, increasing.
    tol : float
        Requested error of entropy and posterior mass.

    Returns
    -------
    reading : GridReading
    cost : dict
        Cells, steps and evaluations of the drift in all runs, tolerance of the integrator.

    Raises
    ------
    SolverError
        If the integrator gives up or the density overflows.
    """
    if process.deterministic:
        lower, upper, outside = flow_box(process)
        tail, far = np.full(taus.size, outside), None
    else:
        bound = tail_bound(process)
        lower, upper = bound.static_box(LEVEL)
        # side by side: the two ends may owe their places to different bounds
        ends = np.array([lower, upper])
        tail = bound.outside_at(ends[0], np.array(np.inf), taus)
        tail = np.minimum(tail + bound.outside_at(np.array(-np.inf), ends[1], taus), 1.0)
        far = FarTail(*bound.beyond(lower, upper, taus))
    cost: dict[str, Any] = {"runs": 0, "steps": 0, "evaluations": 0}

    longest = min(process.horizon / LEAST_STEPS, getattr(process, "noise_time", np.inf))

    def run(cells: int, rtol: float, max_step: float) -> Run:
        grid = CentralGrid(process, lower, upper, cells)
        result, work = integrate(grid, taus, rtol, progress, max_step)
        cost["runs"] += 1
        for name, amount in work.items():
            cost[name] += amount
        return result

    def compared(best: Run, finer: int = 1, **others: Run) -> GridReading:
        n = finer * best.points.shape[1]
        cell = (upper - lower) / n
        masses = {
            name: other.mass
            if other.mass.shape == (taus.size, n)
            else cell * resample(other.mass / _cell(other), n)
            for name, other in others.items()
        }
        if finer > 1:
            middles = lower + cell * (np.arange(n) + 0.5)
            points = np.broadcast_to(middles, (taus.size, n))
            density = resample(best.mass / _cell(best), n)
            best = grid_run(taus, points, density, np.full((taus.size, n), cell))
        return GridReading(best, masses, tail, far)

    model = getattr(process, "mixture", process.initial)
    variance = min(model.covariances.min(), process.initial.covariances.min())
    cells = int(np.clip((upper - lower) / (FIRST_CELL * np.sqrt(variance)), 96, MAX_CELLS / 2))
    # errors of the fifth-order Radau stay well below its tolerance, those of DOP853 do not
    explicit = CentralGrid(process, lower, upper, cells).explicit
    rtol = float(np.clip(tol * (0.1 if explicit else 10.0), *RTOL_RANGE))
    coarse, error = run(cells, rtol, longest), np.inf
    wanted = int(np.ceil(SPACE_RATIO * cells))
    while True:
        before, cells = cells, min(wanted, MAX_CELLS)
        spent = cost["evaluations"]
        best = run(cells, rtol, longest)
        costly = cost["evaluations"] - spent > MAX_EVALUATIONS / 2
        last, error = error, claim(compared(best, space=coarse), process, "space")
        stalled = error > 0.5 * last and error < 1e-5
        hopeless = error > 0.1 and cells > MAX_CELLS / 3
        if error <= 0.5 * tol or stalled or hopeless or costly or cells == MAX_CELLS:
            break
        coarse, wanted = best, _next_cells(cells, before, error, tol)

    if error > 0.5 * tol and before > cells // 2:
        # the order is not seen yet: a companion near by would flatter
        before = cells // 2
        coarse = run(before, rtol, longest)

    loose = run(cells, LOOSER * rtol, 2 * longest)
    late = claim(compared(best, time=loose), process, "time")
    if late > max(0.5 * tol, error) and rtol > RTOL_RANGE[0]:
        rtol = max(rtol / max(LOOSER, 4 * late / tol), RTOL_RANGE[0])
        loose, longest = best, 0.5 * longest
        best, coarse = run(cells, rtol, longest), run(before, rtol, longest)
    cost |= {"cells": cells, "rtol": rtol}
    # a posterior may vary faster than the density: its nodes are then set closer
    for finer in FINER_NODES:
        reading = compared(best, finer, space=coarse, time=loose)
        if claim(reading, process, "quadrature") <= 0.1 * tol:
            break
    return reading, cost


def _cell(run: Run) -> float:
    """Return the cell length of a run on equal cells."""
    return float(run.points[0, 1] - run.points[0, 0])
