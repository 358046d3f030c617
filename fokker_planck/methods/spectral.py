r"""Fourier pseudo-spectral method for noisy processes, in a moving frame.

In the frame x = m + s y (docs/theory.md, N3) the density q(y, tau) = s p solves

.. math:: \partial_\tau q = -\partial_y(\beta q) + \delta\,\partial_y^2 q - V q,
    \quad \beta = (b - \dot m - \dot s y)/s,\ \delta = D/s^2,

on a periodic box that the tail bound chose. Diffusion is integrated exactly (Lawson), the rest
by the eighth-order Dormand-Prince pair; steps follow the embedded error, which also guards
stability, and the number of modes follows the spectrum. V = 0 but for Feynman-Kac weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    combine,
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
#: beyond, an implicit method is faster
MOST_STEPS = 6_000
#: largest speed times wavenumber times step seen to be stable
STABILITY = 2.2
#: local errors and amplitudes below this are rounding
LEAST_TOL = 3e-14
N_ATTEMPTS = 4
#: the spectrum's end that must be empty; and how many more modes the fine run has
COARSER = 0.8
FINER = 1.25
#: nodes per mode on which functionals are summed: they may vary faster than the density
OVERSAMPLING = (4, 16, 64)
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

    def expected_steps(self) -> float:
        """Return about how many steps stability asks for: speed times wavenumber, over time."""
        taus = self.bound.taus
        speed = np.abs(self.velocity(taus, self.nodes(64))[0]).max(axis=1)
        wavenumber = 2.6 * np.pi
        return float(np.trapezoid(speed, taus)) * wavenumber / STABILITY

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
            stage = damp[s] * (u + h * combine(a[s, :s], k[:s]))
            v = None if potential is None else potential[s - 1]
            k[s] = grow[s] * self.slope(stage, beta[s - 1], v)
        new = damp[-1] * (u + h * combine(b, k[:N_STAGES]))
        end = self.slope(new, beta[-1], None if potential is None else potential[-1])
        k[N_STAGES] = grow[-1] * end
        rows = [fft.irfft(damp[-1] * combine(e, k), self.n) for e in (e3, e5)]
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


def pose(process: Dynamics, potential: Potential | None = None) -> Problem:
    """Choose frame and box: outer ends from the tail bound, inner ones from a pilot inside.

    Raises
    ------
    SolverError
        If no finite box is known, or the noise vanishes or is not smooth in time.
    """
    bound = tail_bound(process)
    if not (np.all(np.isfinite(bound.static_box())) or np.all(np.isfinite(bound.lipschitz))):
        raise SolverError("spectral: no tail bound gives a usable box")
    frame = moment_frame(process)
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
    problem = Problem(
        process, frame, low - margin, high - low + 2 * margin, series, potential, bound, pilot
    )
    steps = problem.expected_steps()
    if steps > MOST_STEPS:
        raise SolverError(
            f"spectral: about {steps:.1g} explicit steps, more than {MOST_STEPS}: too stiff"
        )
    return problem


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
    local_tol, mode_tol = max(2e-3 * tol, LEAST_TOL), max(0.01 * tol, LEAST_TOL)
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

        first = adaptive_pass(
            problem, start, n, taus, local_tol, mode_tol, partial(report, share=0.3)
        )
        mesh = halved(np.array(first.mesh))
        modes = [_good_size(FINER * k) for k in first.modes for _ in (0, 1)]
        n_fine = modes[0] if modes else _good_size(FINER * n)
        fine = fixed_pass(
            problem, _initial(problem, n_fine, log_weight), n_fine, taus, mesh, modes,
            partial(report, base=0.3, share=0.7),
        )  # fmt: skip
        if not all(np.all(np.isfinite(u)) for u, _ in fine):
            raise SolverError("spectral: unstable at the steps that the error allows")
        for oversampling in OVERSAMPLING:
            reading = _read_off(problem, taus, first, fine, oversampling, log_weight is None)
            budgets = [reading.read(functional)[1] for functional in watched(process)]
            if max(float(budget["quadrature"].max()) for budget in budgets) <= 0.1 * tol:
                break
        worst = max(float(budget["resolution"].max()) for budget in budgets)
        if worst <= 0.6 * tol:
            break
        cut = max(min(0.1, 0.1 * tol / worst), 1e-3)
        if max([n, *first.modes]) >= MAX_MODES or max(local_tol, mode_tol) <= LEAST_TOL:
            break
        local_tol, mode_tol = max(local_tol * cut, LEAST_TOL), max(mode_tol * cut, LEAST_TOL)
    cost = {
        "steps": mesh.size - 1,
        "modes": max([n_fine, *modes]),
        "evaluations": 12 * (mesh.size - 1),
        "local_error_sum": first.local_error,
    }
    return reading, cost


def _read_off(
    problem: Problem,
    taus: Array,
    first: Pass,
    fine: list[tuple[Array, int]],
    oversampling: int,
    conserved: bool,
) -> GridReading:
    n = _good_size(oversampling * max(size for _, size in fine))
    y = problem.nodes(n)
    m, s, _, _ = (item[:, None] for item in problem.frame.at(taus))
    dy = problem.length / n

    def densities(outputs: list[tuple[Array, int]]) -> Array:
        return np.array([fft.irfft(resized(u, size, n), n) for u, size in outputs])

    best, companion = densities(fine), densities(first.outputs)
    run = grid_run(taus, m + s * y, best / s, np.broadcast_to(s * dy, best.shape))
    tail = problem.tail(taus, np.array(first.mesh), np.array(first.means))
    return GridReading(run, {"resolution": companion * dy}, tail, conserved)
