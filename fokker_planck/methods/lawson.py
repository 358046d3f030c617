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
from fokker_planck.runs import FarTail
from fokker_planck.tails import TailBound

Array = NDArray[np.float64]
MAX_MODES = 4096
#: the spectrum's end that must be empty, as a share of the modes
COARSER = 0.8
#: largest speed times wavenumber times step seen to be stable
STABILITY = 2.2
#: largest growth exponent k^2 * (diffusion in a step): beyond, rounding in high modes is amplified
MAX_EXPONENT = 80.0
#: nodes times steps of one run: beyond, an implicit method is faster
MOST_WORK = 3_000_000
#: steps whose drift is evaluated in one call
BLOCK = 16


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

    def far_tail(self, taus: Array, mesh: Array, means: Array) -> FarTail:
        """Return how the probability falls off beyond the box, out to two box lengths.

        Inside the outer box the pilot tells (with its safety factor), beyond it the tail bound.
        """
        assert self.pilot is not None
        pilot, bound = self.pilot, self.bound
        reach = self.length * np.linspace(0.0, 2.0, 65)
        y = np.stack([self.lower - reach, self.lower + self.length + reach])
        times = bound.taus
        centre, scale, _, _ = self.frame.at(times)
        mean = centre + scale * np.interp(times, mesh, means)
        points, log_beyond = [], []
        for tau in taus:
            m, s, _, _ = (float(item) for item in self.frame.at(tau))
            near = np.abs(times - tau) <= np.abs(times - tau).min() + 1e-12
            rows = []
            for side in (0, 1):
                ends = np.clip(y[side], pilot.faces[0], pilot.faces[-1])
                held = pilot.beyond(ends, float(tau), side)
                clipped = m + s * y[side]
                out = np.array(
                    [
                        bound.log_sides(np.full(times.size, x), np.full(times.size, x), mean)[side][
                            near
                        ].max()
                        for x in np.where(
                            (y[side] < pilot.faces[0]) | (y[side] > pilot.faces[-1]),
                            clipped,
                            m + s * pilot.faces[-side],
                        )
                    ]
                )
                inside = (y[side] >= pilot.faces[0]) & (y[side] <= pilot.faces[-1])
                with np.errstate(divide="ignore"):
                    rows.append(np.where(inside, np.logaddexp(np.log(held), out), out))
            points.append(m + s * y)
            log_beyond.append(rows)
        return FarTail(np.array(points), np.array(log_beyond))

    def frame_mismatch(self, mesh: Array) -> tuple[Array, Array]:
        """Return how far the steps lose track of the frame: sums of gaps in m and log s.

        The stages see only the frame's velocities; what their quadrature misses of m and log s
        over a step displaces and stretches the density. Shapes (steps + 1,), running sums.
        """
        _, b, c, _, _ = tableau()
        h = np.diff(mesh)[:, None]
        _, _, dm, ds = self.frame.at(mesh[:-1, None] + h * c)
        m, s, _, _ = self.frame.at(mesh)
        gaps = np.abs(np.diff(m) - (h * dm) @ b), np.abs(np.diff(np.log(s)) - (h * ds) @ b)
        shift, stretch = (np.concatenate([[0.0], np.cumsum(gap)]) for gap in gaps)
        return shift, stretch

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

    def prepare(self, tau: Array, h: Array) -> tuple[Array, Array]:
        """Return what several steps need: beta at stages 1 to 11, and the decay factors.

        Shapes (steps, 11, n) and (steps, 12, n // 2 + 1).
        """
        c = tableau()[2]
        times = tau[:, None] + h[:, None] * c
        beta = self.problem.velocity(times[:, 1:].ravel(), self.y)
        spent = self.problem.diffusion(times)
        damp = np.exp((spent - spent[:, :1])[:, :, None] * self.decay)
        return beta.reshape(tau.size, N_STAGES - 1, self.n), damp

    def step(
        self, u: Array, h: float, first: Array, beta: Array, damp: Array
    ) -> tuple[Array, Array, Array]:
        """Return the transform after one step, its slope, and the slopes of all stages.

        ``beta`` and ``damp`` are one step's share of :meth:`prepare`.
        """
        a, b, _, _, _ = tableau()
        k = np.empty((N_STAGES + 1, u.size), dtype=complex)
        k[0] = first
        for s in range(1, N_STAGES):
            stage = damp[s] * (u + h * combine(a[s, :s], k[:s]))
            np.divide(self.slope(stage, beta[s - 1]), damp[s], out=k[s])
        new = damp[-1] * (u + h * combine(b, k[:N_STAGES]))
        end = self.slope(new, beta[-1])
        np.divide(end, damp[-1], out=k[N_STAGES])
        return new, end, k

    def error(self, k: Array, damp: Array, h: float) -> float:
        """Return the L1 norm of the embedded error of a step, from its stages."""
        third, fifth = (fft.irfft(damp[-1] * combine(e, k), self.n) for e in tableau()[3:])
        return float(np.abs(embedded_error(third, fifth, h)).mean() * self.problem.length)

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
    work = 0
    for stop in taus:
        while stop > tau:
            h = min(h, stepper.longest_step(tau))
            left = stop - tau
            pieces = np.ceil(left / h - 1e-9)
            trial = left / max(pieces, 1.0) if pieces <= 2 else h
            beta, damp = stepper.prepare(np.array([tau]), np.array([trial]))
            new, end, k = stepper.step(u, trial, slope, beta[0], damp[0])
            size = stepper.error(k, damp[0], trial)
            work += stepper.n
            if work > MOST_WORK or len(done.mesh) > MAX_STEPS:
                raise SolverError(f"spectral: too many steps and modes by tau = {tau:.6g}")
            if not size <= local_tol:
                h = trial * next_factor(size, local_tol)
                if h < 1e-13 * horizon:
                    raise SolverError(f"spectral: step size collapsed at tau = {tau:.6g}")
                continue
            # a step cut short by an output time says nothing against the planned one
            h = max(trial * next_factor(size, local_tol), h if trial < h else 0.0)
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
    h = np.diff(mesh)
    ends = np.searchsorted(mesh, taus)
    outputs = [(u, stepper.n)] * int(np.sum(ends == 0))
    j = 0
    while len(outputs) < taus.size:
        if modes[j] != stepper.n:
            u = resized(u, stepper.n, modes[j])
            stepper = Stepper(problem, modes[j])
            slope = stepper.start(u, float(mesh[j]))
        # as many steps at once as have these modes, within bounds on memory
        block = j
        while block < len(modes) and modes[block] == stepper.n and block - j < BLOCK:
            block += 1
        beta, damp = stepper.prepare(mesh[j:block], h[j:block])
        for i in range(j, block):
            u, slope, _ = stepper.step(u, float(h[i]), slope, beta[i - j], damp[i - j])
            outputs += [(u, stepper.n)] * int(np.sum(ends == i + 1))
            report(float(mesh[i + 1]))
        j = block
    return outputs
