r"""Lawson steps for the Fokker-Planck equation in a moving frame, one resolution at a time.

In the frame x = m + s y (docs/theory.md, N3) the density q(y, tau) = s p solves

.. math:: \partial_\tau q = -\partial_y(\beta q) + \delta\,\partial_y^2 q,
    \quad \beta = (b - \dot m - \dot s y)/s,\ \delta = D/s^2,

on a periodic box. Diffusion is integrated exactly, the rest by the eighth-order Dormand-Prince
pair. The embedded error chooses the steps, which also guards stability; the end of the spectrum
chooses the number of modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fokker_planck.frame import Frame, integral_at
from fokker_planck.methods.base import SolverError
from fokker_planck.methods.runge_kutta import (
    MAX_STEPS,
    N_STAGES,
    combine,
    embedded_error,
    next_factor,
    tableau,
)
from fokker_planck.model import Dynamics
from fokker_planck.pilot import Pilot
from fokker_planck.tails import TailBound

Array = NDArray[np.float64]
MAX_MODES = 4096
#: the spectrum's end that must be empty, as a share of the modes
COARSER = 0.8
#: largest speed times wavenumber times step seen to be stable
STABILITY = 2.2
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
        speed = np.abs(self.velocity(taus, self.nodes(64))).max(axis=1)
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

    def velocity(self, taus: Array, y: Array) -> Array:
        """Return beta at several times, shape (m, n)."""
        m, s, dm, stretch = (item[:, None] for item in self.frame.at(taus))
        x = m + s * y
        b = self.process.drift(x, taus[:, None])
        return np.asarray((b - dm) / s - stretch * y)

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

    def slope(self, u: Array, beta: Array) -> Array:
        """Return the transform of -(beta q)_y."""
        return np.asarray(self.derivative * fft.rfft(beta * fft.irfft(u, self.n)))

    def start(self, u: Array, tau: float) -> Array:
        """Return the slope at a time."""
        return self.slope(u, self.problem.velocity(np.array([tau]), self.y)[0])

    def step(self, u: Array, tau: float, h: float, first: Array) -> tuple[Array, Array, Array]:
        """Return the transform after one step, its slope, and the error in y-space."""
        a, b, c, e3, e5 = tableau()
        # distinct stage times: the last stage and the end share tau + h
        times = tau + h * c
        beta = self.problem.velocity(times[1:], self.y)
        gained = self.problem.diffusion(times) - self.problem.diffusion(np.array([tau]))
        damp = np.exp(np.outer(gained, self.decay))
        grow = 1.0 / damp
        k = np.empty((N_STAGES + 1, u.size), dtype=complex)
        k[0] = first
        for s in range(1, N_STAGES):
            stage = damp[s] * (u + h * combine(a[s, :s], k[:s]))
            k[s] = grow[s] * self.slope(stage, beta[s - 1])
        new = damp[-1] * (u + h * combine(b, k[:N_STAGES]))
        end = self.slope(new, beta[-1])
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


def good_size(n: float) -> int:
    """Return an even number of nodes, at least n, that transforms fast."""
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
                bigger = good_size(1.35 * stepper.n)
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
