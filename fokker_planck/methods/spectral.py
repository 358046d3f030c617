r"""Fourier pseudo-spectral method for noisy processes, in a moving frame.

In the frame x = m + s y (docs/theory.md, N3) the density q(y, tau) = s p solves

.. math:: \partial_\tau q = -\partial_y(\beta q) + \delta\,\partial_y^2 q - V q,
    \quad \beta = (b - \dot m - \dot s y)/s,\ \delta = D/s^2,

on a periodic box that the tail bound chose. Diffusion is integrated exactly (Lawson), the rest
by the eighth-order Dormand-Prince pair; steps follow the embedded error, which also guards
stability, and the number of modes follows the spectrum. V = 0 but for Feynman-Kac weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fokker_planck.frame import Frame, graded_integral, integral_at, moment_frame
from fokker_planck.methods.base import Progress, SolverError
from fokker_planck.methods.characteristics import watched
from fokker_planck.methods.runge_kutta import (
    MAX_STEPS,
    N_STAGES,
    embedded_error,
    halved,
    next_factor,
    tableau,
)
from fokker_planck.model import Dynamics
from fokker_planck.pilot import Pilot, run_pilot
from fokker_planck.runs import GridReading, grid_run
from fokker_planck.tails import TailBound, tail_bound

Array = NDArray[np.float64]
Potential = Callable[[Array, Array], Array]
MAX_MODES = 4096
N_ATTEMPTS = 4
#: the companion run keeps this share of the modes
COARSER = 0.8
#: largest growth exponent k^2 * (diffusion in a step): beyond, rounding in high modes is amplified
MAX_EXPONENT = 80.0


@dataclass(frozen=True)
class Problem:
    """The Fokker-Planck equation in its frame and box."""

    process: Dynamics
    frame: Frame
    lower: float
    length: float
    diffusion_series: Array
    potential: Potential | None
    bound: TailBound
    pilot: Pilot | None

    def start_density(self, y: Array) -> Array:
        """Return q(y, 0)."""
        m, s, _, _ = (float(item) for item in self.frame.at(0.0))
        return np.asarray(s * np.exp(self.process.initial.log_density(m + s * y)))

    def tail(self, taus: Array, mesh: Array, means: Array) -> Array:
        """Return the probability that may lie outside the box at or before each time.

        Beyond the outer box of the tail bound, and between it and the inner box of the pilot;
        ``means`` are those of the solution at the times ``mesh``.
        """
        assert self.pilot is not None
        outer_low, outer_high = self.pilot.faces[0], self.pilot.faces[-1]
        centre, scale, _, _ = self.frame.at(self.bound.taus)
        mean = centre + scale * np.interp(self.bound.taus, mesh, means)
        far = self.bound.outside_at(
            centre + scale * outer_low, centre + scale * outer_high, taus, mean
        )
        return far + self.pilot.outside(self.lower, self.lower + self.length, taus)

    def nodes(self, n: int) -> Array:
        """Return n equally spaced y, the left end included."""
        return self.lower + self.length / n * np.arange(n, dtype=float)

    def wavenumbers(self, n: int) -> Array:
        """Return the nonnegative wavenumbers of n nodes, the Nyquist mode set to zero."""
        k = 2 * np.pi / self.length * np.arange(n // 2 + 1, dtype=float)
        if n % 2 == 0:
            k[-1] = 0.0
        return k

    def velocity(self, taus: Array, y: Array) -> tuple[Array, Array | None]:
        """Return beta and V at several times, shape (m, n)."""
        m, s, dm, stretch = (item[:, None] for item in self.frame.at(taus))
        x = m + s * y
        b = self.process.drift(x, taus[:, None])
        beta = (b - dm) / s - stretch * y
        return beta, None if self.potential is None else self.potential(x, taus[:, None])

    def diffusivity(self, taus: Any) -> Array:
        """Return delta = D/s^2."""
        scale = self.frame.at(taus)[1]
        return np.asarray(0.5 * np.asarray(self.process.noise(taus)) ** 2 / scale**2)

    def diffusion(self, taus: Array) -> Array:
        """Return the integral of delta from 0 to each time."""
        return integral_at(self.diffusion_series, taus, self.process.horizon)


@dataclass
class Stepper:
    """Lawson steps of one resolution; holds the slope at the current time (first same as last)."""

    problem: Problem
    n: int

    def __post_init__(self) -> None:
        self.y = self.problem.nodes(self.n)
        self.k = self.problem.wavenumbers(self.n)
        self.derivative = -1j * self.k
        self.decay = -((2 * np.pi / self.problem.length * np.arange(self.n // 2 + 1)) ** 2)

    def slope(self, u: Array, beta: Array, potential: Array | None) -> Array:
        """Return the transform of -(beta q)_y - V q."""
        q = fft.irfft(u, self.n)
        out = self.derivative * fft.rfft(beta * q)
        return out if potential is None else out - fft.rfft(potential * q)

    def start(self, u: Array, tau: float) -> Array:
        """Return the slope at a time."""
        beta, potential = self.problem.velocity(np.array([tau]), self.y)
        return self.slope(u, beta[0], None if potential is None else potential[0])

    def step(self, u: Array, tau: float, h: float, first: Array) -> tuple[Array, Array, Array]:
        """Return the transform after one step, its slope, and the error in y-space."""
        a, b, c, e3, e5 = tableau()
        # distinct stage times: the last stage and the end share tau + h
        times = tau + h * c
        beta, potential = self.problem.velocity(times[1:], self.y)
        gained = self.problem.diffusion(times) - self.problem.diffusion(np.array([tau]))
        damp = np.exp(np.outer(gained, self.decay))
        grow = 1.0 / damp
        k = np.empty((N_STAGES + 1, u.size), dtype=complex)
        k[0] = first
        for s in range(1, N_STAGES):
            stage = damp[s] * (u + h * (a[s, :s] @ k[:s]))
            v = None if potential is None else potential[s - 1]
            k[s] = grow[s] * self.slope(stage, beta[s - 1], v)
        new = damp[-1] * (u + h * (b @ k[:N_STAGES]))
        end = self.slope(new, beta[-1], None if potential is None else potential[-1])
        k[N_STAGES] = grow[-1] * end
        rows = [fft.irfft(damp[-1] * (e @ k), self.n) for e in (e3, e5)]
        return new, end, embedded_error(rows[0], rows[1], h)

    def longest_step(self, tau: float) -> float:
        """Return the longest step whose diffusion does not amplify rounding."""
        rate = float(self.problem.diffusivity(tau))
        return MAX_EXPONENT / float(-self.decay[-1]) / max(rate, 1e-300)


def resized(u: Array, n_from: int, n_to: int) -> Array:
    """Return transform coefficients for another number of nodes."""
    out = np.zeros(n_to // 2 + 1, dtype=complex)
    keep = min(n_from, n_to) // 2
    out[:keep] = u[:keep]
    return out * (n_to / n_from)


def _good_size(n: float) -> int:
    return int(fft.next_fast_len(2 * int(np.ceil(n / 2)), real=True) + 1) // 2 * 2


@dataclass
class Pass:
    """One run over the time interval: its mesh, modes per step, and transforms at the outputs."""

    mesh: list[float]
    modes: list[int]
    outputs: list[tuple[Array, int]]
    means: list[float]
    local_error: float = 0.0


def _mean(u: Array, stepper: Stepper) -> float:
    q = fft.irfft(u, stepper.n)
    return float(q @ stepper.y / q.sum())


def adaptive_pass(
    problem: Problem, start: Array, n: int, taus: Array, local_tol: float, mode_tol: float,
    report: Callable[[float], None],
) -> Pass:  # fmt: skip
    """Run with steps chosen by the embedded error and modes by the spectrum's end."""
    horizon = problem.process.horizon
    stepper = Stepper(problem, n)
    u, tau = start, 0.0
    done = Pass([0.0], [], [], [_mean(u, stepper)])
    slope = stepper.start(u, 0.0)
    h = 0.02 * horizon
    for stop in taus:
        while stop - tau > 1e-13 * horizon:
            h = min(h, stepper.longest_step(tau))
            left = stop - tau
            pieces = np.ceil(left / h - 1e-9)
            trial = left / max(pieces, 1.0) if pieces <= 2 else h
            new, end, error = stepper.step(u, tau, trial, slope)
            size = float(np.abs(error).mean() * problem.length)
            h = trial * next_factor(size, local_tol)
            if h < 1e-12 * horizon or len(done.mesh) > MAX_STEPS:
                raise SolverError(f"spectral: step size collapsed at tau = {tau:.6g}")
            if not size <= local_tol:
                continue
            top = int(COARSER * (stepper.n // 2))
            tip = float(np.abs(new[top:]).max() / np.abs(new[0]))
            if tip > mode_tol and stepper.n < MAX_MODES:
                # not resolved any more: repeat this step with more modes
                bigger = _good_size(1.35 * stepper.n)
                u = resized(u, stepper.n, bigger)
                stepper = Stepper(problem, bigger)
                slope = stepper.start(u, tau)
                h = trial
                continue
            tau = float(stop) if pieces <= 1 else tau + trial
            u, slope = new, end
            done.mesh.append(tau)
            done.modes.append(stepper.n)
            done.means.append(_mean(u, stepper))
            done.local_error += size
            report(tau)
        done.outputs.append((u, stepper.n))
    return done


def coarsened(mesh: list[float], modes: list[int], taus: Array) -> tuple[Array, list[int]]:
    """Return a mesh of 1 / COARSER times longer steps through the output times, and its modes.

    Fewer modes allow longer steps: the companion stays as far from the stability limit.
    """
    full = np.array(mesh)
    ends = [0, *np.searchsorted(full, taus - 1e-13 * taus[-1])]
    times, sizes = [np.array([0.0])], []
    for a, b in itertools.pairwise(ends):
        if b > a:
            count = max(1, int(np.ceil(COARSER * (b - a))))
            where = a + (b - a) * np.arange(1, count + 1) / count
            times.append(np.interp(where, np.arange(full.size), full))
            picked = [modes[min(int(np.ceil(w)) - 1, len(modes) - 1)] for w in where]
            sizes += [_good_size(COARSER * k) for k in picked]
    return np.concatenate(times), sizes


def fixed_pass(
    problem: Problem, start: Array, n: int, taus: Array, mesh: Array, modes: list[int],
    report: Callable[[float], None],
) -> list[tuple[Array, int]]:  # fmt: skip
    """Run over a given mesh with given modes; return transforms at the output times."""
    stepper = Stepper(problem, modes[0] if modes else n)
    u = resized(start, n, stepper.n)
    slope = stepper.start(u, 0.0)
    outputs = []
    ends = np.searchsorted(mesh, taus - 1e-13 * problem.process.horizon)
    done = 0
    for stop in ends:
        for j in range(done, int(stop)):
            if modes[j] != stepper.n:
                u = resized(u, stepper.n, modes[j])
                stepper = Stepper(problem, modes[j])
                slope = stepper.start(u, float(mesh[j]))
            u, slope, _ = stepper.step(u, float(mesh[j]), float(mesh[j + 1] - mesh[j]), slope)
            report(float(mesh[j + 1]))
        done = int(stop)
        outputs.append((u, stepper.n))
    return outputs


def companion_pass(
    problem: Problem, log_weight: Any, fine: Pass, n: int, taus: Array,
    report: Callable[[float], None], longer: bool = True,
) -> list[tuple[Array, int]] | None:  # fmt: skip
    """Run with fewer modes (and longer steps); None if that is unstable."""
    if longer:
        mesh, modes = coarsened(fine.mesh, fine.modes, taus)
    else:
        mesh, modes = np.array(fine.mesh), [_good_size(COARSER * k) for k in fine.modes]
    n_coarse = modes[0] if modes else _good_size(COARSER * n)
    start = _initial(problem, n_coarse, log_weight)
    outputs = fixed_pass(problem, start, n_coarse, taus, mesh, modes, report)
    tame = all(np.abs(u).max() <= 2 * np.abs(u[0]) for u, _ in outputs)
    return outputs if tame else None


def pose(process: Dynamics, potential: Potential | None = None) -> Problem:
    """Choose frame and box: outer ends from the tail bound, inner ones from a pilot inside.

    Raises
    ------
    SolverError
        If no finite box is known, or the noise vanishes or is not smooth in time.
    """
    frame = moment_frame(process)
    bound = tail_bound(process)
    horizon = process.horizon
    m, s, _, _ = frame.at(bound.taus)
    lower, upper = bound.interval(mean=m, slack=1.0)
    low, high = float(((lower - m) / s).min()), float(((upper - m) / s).max())
    if not np.isfinite(high - low) or high - low > 1e4:
        raise SolverError("spectral: no tail bound gives a usable box")

    def rate(tau: Array) -> Array:
        return np.asarray(0.5 * np.asarray(process.noise(tau)) ** 2 / frame.at(tau)[1] ** 2)

    series, smooth = graded_integral(rate, horizon)
    if not smooth or np.any(rate(bound.taus) <= 0):
        raise SolverError("spectral: the noise amplitude vanishes or is not smooth in time")
    outer = Problem(process, frame, low, high - low, series, potential, bound, None)
    pilot = run_pilot(
        lambda taus, y: outer.velocity(taus, y)[0], rate, outer.start_density, (low, high), horizon
    )
    low, high = pilot.box()
    # a margin against the wrap-around of the periodic box
    margin = 0.02 * (high - low)
    return Problem(
        process, frame, low - margin, high - low + 2 * margin, series, potential, bound, pilot
    )


def _initial(problem: Problem, n: int, log_weight: Any = None) -> Array:
    y = problem.nodes(n)
    q = problem.start_density(y)
    if log_weight is not None:
        m, s, _, _ = (float(item) for item in problem.frame.at(0.0))
        q = q * np.exp(log_weight(m + s * y))
    return np.asarray(fft.rfft(q))


def solve_spectral(
    process: Dynamics, taus: Array, tol: float, progress: Progress | None,
    *, potential: Potential | None = None, log_weight: Any = None,
) -> tuple[GridReading, dict[str, Any]]:  # fmt: skip
    """Solve the Fokker-Planck equation of a noisy 1-D process.

    Parameters
    ----------
    process : Dynamics
        One-dimensional, noise amplitude positive.
    taus : ndarray, shape (m,)
        Output times.
    tol : float
        Requested error of entropy, mean and posterior mass.
    progress : callable or None
    potential, log_weight : callable, optional
        Killing rate V(x, tau) and log of a weight on the start (Feynman-Kac).

    Raises
    ------
    SolverError
        If no box is known or the step size collapses.
    """
    if process.deterministic:
        raise ValueError("method spectral needs noise_level > 0 (the SDE sampler)")
    problem = pose(process, potential)
    local_tol, mode_tol = 0.01 * tol, 0.01 * tol
    for attempt in range(N_ATTEMPTS):
        n = _good_size(max(64, 2.6 * problem.length))
        start = _initial(problem, n, log_weight)
        while np.abs(start[int(COARSER * n / 2) :]).max() > mode_tol * np.abs(start[0]):
            if n >= MAX_MODES:
                break
            n = _good_size(1.35 * n)
            start = _initial(problem, n, log_weight)

        def report(tau: float, base: float = 0.0, share: float = 1.0, a: int = attempt) -> None:
            if progress is not None:
                progress(a + base + share * tau / process.horizon, N_ATTEMPTS)

        fine = adaptive_pass(
            problem, start, n, taus, local_tol, mode_tol, lambda tau: report(tau, 0.0, 0.6)
        )
        late = partial(report, base=0.6, share=0.4)
        coarse = companion_pass(problem, log_weight, fine, n, taus, late)
        if coarse is None:
            # longer steps are unstable: halve the steps of the fine run, coarsen modes alone
            coarse = companion_pass(problem, log_weight, fine, n, taus, late, longer=False)
            halves = [k for k in fine.modes for _ in (0, 1)]
            mesh = halved(np.array(fine.mesh))
            outputs = fixed_pass(problem, start, n, taus, mesh, halves, late)
            fine = replace(fine, outputs=outputs)
        if coarse is None or not all(np.all(np.isfinite(u)) for u, _ in fine.outputs):
            raise SolverError("spectral: unstable even at the steps that the error allows")
        reading = _read_off(problem, taus, fine, coarse)
        budgets = [reading.read(functional)[1] for functional in watched(process)]
        worst = max(float(budget["resolution"].max()) for budget in budgets)
        if worst <= 0.6 * tol:
            break
        cut = max(min(0.1, 0.1 * tol / worst), 1e-3)
        local_tol, mode_tol = max(local_tol * cut, 1e-15), max(mode_tol * cut, 1e-15)
        if max([n, *fine.modes]) >= MAX_MODES:
            break
    cost = {
        "steps": len(fine.mesh) - 1,
        "modes": max([n, *fine.modes]),
        "evaluations": 12 * (len(fine.mesh) - 1),
        "local_error_sum": fine.local_error,
    }
    return reading, cost


def _read_off(
    problem: Problem, taus: Array, fine: Pass, coarse: list[tuple[Array, int]]
) -> GridReading:
    n = max(size for group in (fine.outputs, coarse) for _, size in group)
    y = problem.nodes(n)
    m, s, _, _ = (item[:, None] for item in problem.frame.at(taus))
    dy = problem.length / n

    def densities(outputs: list[tuple[Array, int]]) -> Array:
        return np.array([fft.irfft(resized(u, size, n), n) for u, size in outputs])

    best, companion = densities(fine.outputs), densities(coarse)
    run = grid_run(taus, m + s * y, best / s, np.broadcast_to(s * dy, best.shape))
    tail = problem.tail(taus, np.array(fine.mesh), np.array(fine.means))
    return GridReading(run, {"resolution": companion * dy}, tail)
