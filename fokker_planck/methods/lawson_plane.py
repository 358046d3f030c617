r"""Lawson steps for the Fokker-Planck equation in a moving frame of the plane.

In the frame x = m + S y (docs/theory.md, N3e) the density q(y, tau) = det(S) p solves

.. math:: \partial_\tau q = -\nabla_y\cdot(\beta q) + \nabla_y\cdot(\Delta \nabla_y q), \quad
    \beta = S^{-1}(b - \dot m - \dot S y),\ \Delta = D\,(S S^T)^{-1},

on a periodic box. Diffusion is integrated exactly: the tensor is full but the same at every y,
hence diagonal in Fourier space. The rest is the eighth-order Dormand-Prince pair; the embedded
error chooses the steps, the ends of the spectrum the modes along each axis, and what may have
left the box is summed up on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fokker_planck.frame_plane import RootFrame, graded_time
from fokker_planck.methods.base import SolverError
from fokker_planck.methods.runge_kutta import MAX_STEPS, N_STAGES, next_factor, tableau
from fokker_planck.methods.velocity_plane import VelocitySeries
from fokker_planck.model import Dynamics, breaks_of, piece_of
from fokker_planck.tails_plane import ExitRate, gaussian_reach, start_outside

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Shape = tuple[int, int]
MAX_MODES = 768
#: the spectrum's end that must be empty, as a share of the modes
COARSER = 0.8
#: modes are added in this ratio
GROWTH = 1.3
#: largest growth exponent k^2 * (diffusion in a step): beyond, rounding in high modes is amplified
MAX_EXPONENT = 80.0
#: nodes times steps of one run: some minutes for the runs together
MOST_WORK = 30_000_000
#: nodes from which on a second thread pays
LARGE = 8192
#: nodes of the rule that integrates the diffusivity over a step
N_NODES = 12
#: lengths of steps, over the horizon, whose loss of the frame is looked at
STEP_SHARES = 0.5 ** np.arange(3, 15)
#: where the slopes of the stages are kept: the two that few stages need come first
SLOTS = (2, 0, 1, *range(3, N_STAGES + 1))


class BoxError(SolverError):
    """More than allowed may have left the box; ``left`` has shape (2, 2): axis, side."""

    def __init__(self, left: Array) -> None:
        super().__init__("spectral: probability leaves every box that was tried")
        self.left = left


@lru_cache(maxsize=1)
def _weights() -> tuple[Array, Array, list[tuple[int, Array]]]:
    """Return nodes on [0, 1], integrals from 0 to every stage, and the stages' own weights."""
    a, b, c, e3, e5 = tableau()
    x, _ = np.polynomial.legendre.leggauss(N_NODES)
    powers = np.arange(N_NODES)
    moments = np.polynomial.legendre.legvander(x, N_NODES - 1)
    stages = np.append(c[1:], 1.0)
    # the integral of P_k from -1 to z is (P_{k+1} - P_{k-1}) / (2k + 1)
    above = np.polynomial.legendre.legvander(2 * stages - 1, N_NODES)
    integrals = np.empty((stages.size, N_NODES))
    integrals[:, 0] = 2 * stages
    integrals[:, 1:] = (above[:, 2:] - above[:, : N_NODES - 1]) / (2 * powers[1:] + 1)
    rows = []
    for row in (*(a[s, :s] for s in range(1, N_STAGES)), b, e3[:-1], e5[:-1]):
        slots = np.zeros(N_STAGES)
        slots[list(SLOTS[: row.size])] = row
        used = np.flatnonzero(slots)
        rows.append((int(used[0]), slots[used[0] : used[-1] + 1].copy()))
    return 0.5 * (x + 1), 0.5 * integrals @ np.linalg.inv(moments), rows


@dataclass(frozen=True)
class PlaneProblem:
    """The Fokker-Planck equation in its frame and box.

    Parameters
    ----------
    process : Dynamics
    frame : RootFrame
    lower, length : ndarray, shape (2,)
        The box in y.
    """

    process: Dynamics
    frame: RootFrame
    lower: Array
    length: Array

    def nodes(self, shape: Shape) -> tuple[Array, Array]:
        """Return the equally spaced y along each axis, the lower ends included."""
        y1, y2 = (
            low + size / n * np.arange(n, dtype=float)
            for low, size, n in zip(self.lower, self.length, shape, strict=True)
        )
        return y1, y2

    def points(self, shape: Shape) -> Array:
        """Return all nodes y, shape (n1 * n2, 2)."""
        return np.stack(np.meshgrid(*self.nodes(shape), indexing="ij"), axis=-1).reshape(-1, 2)

    def start_density(self, shape: Shape) -> Array:
        """Return q(y, 0) at the nodes."""
        motion = self.frame.at(0.0)
        x = motion.centre + self.points(shape) @ motion.root.T
        log_q = self.process.initial.log_density(x) + float(self.frame.log_volume(0.0))
        return np.exp(log_q).reshape(shape)

    def pieces(self) -> list[tuple[float, Dynamics]]:
        """Return the end and the dynamics of every piece that is smooth in time."""
        ends = [0.0, *breaks_of(self.process), self.process.horizon]
        return [(b, piece_of(self.process, a, b)) for a, b in pairwise(ends)]

    def spread(self, tau: float) -> Array:
        """Return the diffusivity Delta, shape (2, 2)."""
        rate = 0.5 * float(self.process.noise(tau)) ** 2
        return np.asarray(rate * self.frame.spread(tau))

    def spent(self, tau: float, h: float) -> Array:
        """Return the integrals of Delta_11, Delta_12 and Delta_22 to the stages 1 to 12."""
        nodes, weights, _ = _weights()
        times = tau + h * nodes
        rate = 0.5 * h * np.asarray(self.process.noise(times)) ** 2
        spread = self.frame.spread(times).reshape(-1, 4)[:, [0, 1, 3]]
        return np.asarray(weights @ (rate[:, None] * spread))


class Stepper:
    """Lawson steps on one grid.

    Besides the state it keeps thirteen slopes and one set of decay factors of the size of the
    grid, and the series of the velocity (``velocity_plane``).
    """

    def __init__(self, problem: PlaneProblem, shape: Shape) -> None:
        self.problem, self.shape = problem, shape
        n1, n2 = shape
        self.modes = (n1, n2 // 2 + 1)
        k1 = 2 * np.pi / problem.length[0] * fft.fftfreq(n1, 1 / n1)[:, None]
        k2 = 2 * np.pi / problem.length[1] * np.arange(n2 // 2 + 1)[None, :]
        slope1, slope2 = k1.copy(), k2.copy()
        # a derivative has no Nyquist mode
        slope1[n1 // 2], slope2[0, -1] = 0.0, 0.0
        self.slopes = np.stack(np.broadcast_arrays(-1j * slope1, -1j * slope2))
        self.quadratic = -np.stack(
            [item.ravel() for item in np.broadcast_arrays(k1**2, 2 * slope1 * slope2, k2**2)]
        )
        # Parseval: the columns between the first and the last stand for two
        self.parseval = np.full(self.modes[1], 2.0)
        self.parseval[[0, -1]] = 1.0
        self.area = float(np.prod(problem.length))
        self.k = np.zeros((N_STAGES + 1, *self.modes), dtype=complex)
        self.flux = np.empty((2, *shape))
        self.q = np.empty(shape)
        self.exit = ExitRate(problem.lower, problem.length, shape)

    def slope(self, u: Complex, beta: Array, out: Complex) -> Complex:
        """Write the transform of -div(beta q) to ``out``; keep q."""
        self.q = fft.irfft2(u, s=self.shape)
        np.multiply(beta, self.q, out=self.flux)
        f = fft.rfft2(self.flux)
        f *= self.slopes
        return np.asarray(np.add(f[0], f[1], out=out))

    def combined(self, row: int) -> Complex:
        """Return a combination of the slopes: a stage, the end, or a row of the error."""
        first, weights = _weights()[2][row]
        k = self.k[first : first + weights.size]
        real = k.reshape(weights.size, -1).view(float)
        return np.asarray((weights @ real).view(complex).reshape(self.modes))

    def step(self, u: Complex, h: float, first: Complex, beta: Array, spent: Array) -> Complex:
        """Return the transform after one step; the slope at its end is the last of ``k``.

        ``beta`` is at stages 1 to 11, ``spent`` the diffusion up to stages 1 to 12.
        """
        damp = np.exp(spent @ self.quadratic).reshape(N_STAGES, *self.modes)
        self.k[SLOTS[0]] = first
        for s in range(1, N_STAGES + 1):
            stage = self.combined(s - 1)
            stage *= h
            stage += u
            stage *= damp[s - 1]
            slope = self.slope(stage, beta[min(s, N_STAGES - 1) - 1], self.k[SLOTS[s]])
            if s < N_STAGES:
                slope /= damp[s - 1]
        self.end = damp[-1]
        return stage

    def error(self, h: float) -> float:
        """Return the norm of the embedded error of the last step, as mass."""
        last = self.k[SLOTS[-1]]
        sizes = []
        for row, share in zip((N_STAGES, N_STAGES + 1), tableau()[3:], strict=True):
            gap = self.combined(row)
            gap *= self.end
            gap += share[-1] * last
            power = np.sum((gap.real**2 + gap.imag**2) @ self.parseval)
            sizes.append(self.area * np.sqrt(power) / np.prod(self.shape))
        third, fifth = sizes
        return float(h * fifth**2 / max(np.hypot(fifth, 0.1 * third), 1e-300))

    def rate(self, beta: Array, tau: float) -> Array:
        """Return the rate at which paths leave the box, at the state of the last slope."""
        return self.exit(self.q, beta, self.problem.spread(tau))

    def longest_step(self, tau: float) -> float:
        """Return the longest step whose diffusion does not amplify rounding."""
        spread = self.problem.spread(tau)[[0, 0, 1], [0, 1, 1]]
        return float(MAX_EXPONENT / max(-np.min(spread @ self.quadratic), 1e-300))

    def crowded(self, u: Complex, mode_tol: float) -> list[bool]:
        """Return for each axis whether the end of the spectrum is not empty."""
        n1, n2 = self.shape
        top1, top2 = int(COARSER * (n1 // 2)), int(COARSER * (n2 // 2))
        size = mode_tol * abs(u[0, 0])
        return [
            not bool(np.abs(part).max() <= size) for part in (u[top1 : n1 - top1 + 1], u[:, top2:])
        ]


def resized(u: Complex, old: Shape, new: Shape) -> Complex:
    """Return transform coefficients for another number of nodes along each axis."""
    out = np.zeros((new[0], new[1] // 2 + 1), dtype=complex)
    keep1, keep2 = min(old[0], new[0]) // 2, min(old[1], new[1]) // 2
    out[:keep1, :keep2] = u[:keep1, :keep2]
    out[1 - keep1 :, :keep2] = u[1 - keep1 :, :keep2]
    out *= np.prod(new) / np.prod(old)
    return out


def good_size(n: float) -> int:
    """Return an even number of nodes, at least n, that transforms fast."""
    return 2 * int(fft.next_fast_len(int(np.ceil(n / 2)), real=True))


@dataclass
class PlanePass:
    """One run: mesh, grid of every step, transforms and exit bounds at the outputs.

    ``left`` is the bound of N2f at every output, by side: shape (2, 2) each.
    """

    mesh: list[float] = field(default_factory=lambda: [0.0])
    shapes: list[Shape] = field(default_factory=list)
    outputs: list[tuple[Complex, Shape]] = field(default_factory=list)
    left: list[Array] = field(default_factory=list)
    reach: list[Array] = field(default_factory=list)
    evaluations: int = 0
    block: float = np.inf


class _Exit:
    """Running sums of the exit bound of N2f, with |q| and with q."""

    def __init__(self, problem: PlaneProblem) -> None:
        motion = problem.frame.at(0.0)
        start = start_outside(
            problem.process.initial, motion.centre, motion.inverse, problem.lower, problem.length
        )
        self.total = np.stack([start, start])
        self.rate: Array | None = None

    def add(self, rate: Array, h: float) -> None:
        """Add a step with the rate at its end; h = 0 sets the rate at the start of one."""
        if self.rate is not None and h > 0:
            self.total[0] += h * np.maximum(self.rate[0], rate[0])
            self.total[1] += 0.5 * h * (self.rate[1] + rate[1])
        self.rate = rate

    @property
    def left(self) -> Array:
        """The best bound over the ramps, shape (2, 2)."""
        return np.asarray(self.total[0].min(axis=-1))

    @property
    def seen(self) -> Array:
        """The same without the noise of the time steps: no bound."""
        return np.asarray(self.total[1].min(axis=-1))


def adaptive_pass(
    problem: PlaneProblem, start: Complex, shape: Shape, taus: Array,
    local_tol: float, mode_tol: float, allowed: float, report: Callable[[float], None],
    level: float | None = None,
) -> PlanePass:  # fmt: skip
    """Run with steps chosen by the embedded error and modes by the spectrum's ends.

    With ``level`` the pass is a pilot: it notes how far the marginals reach at that level.

    Raises
    ------
    BoxError
        If more than ``allowed`` may have left the box.
    SolverError
        If the steps collapse or the work is too much.
    """
    horizon = problem.process.horizon
    done, exit_ = PlanePass(), _Exit(problem)
    u, tau, h, work = start, 0.0, 0.02 * horizon, 0
    longest = frame_steps(problem.frame, 0.1 * local_tol)
    for _ in (t for t in taus if t <= 0):
        done.outputs.append((u, shape))
        done.left.append(exit_.left)
    for end, piece in problem.pieces():
        stops = [*(float(t) for t in taus if tau < t < end), end]
        if tau >= taus[-1]:
            break
        stepper = Stepper(problem, shape)
        series = VelocitySeries(problem, piece, stepper.shape, end, local_tol, done.block)
        beta = series.values(np.array([tau]))[0]
        slope = stepper.slope(u, beta, np.empty(stepper.modes, dtype=complex))
        exit_.add(stepper.rate(beta, tau), 0.0)
        for stop in stops:
            while stop > tau:
                h = min(h, stepper.longest_step(tau), longest(tau))
                left = stop - tau
                pieces = np.ceil(left / h - 1e-9)
                trial = left / max(pieces, 1.0) if pieces <= 2 else h
                betas = series.stages(tau, trial)
                new = stepper.step(u, trial, slope, betas, problem.spent(tau, trial))
                size = stepper.error(trial)
                work += stepper.q.size
                if work > MOST_WORK or len(done.mesh) > MAX_STEPS:
                    raise SolverError(
                        f"spectral: too much work, {stepper.shape[0]} x {stepper.shape[1]} modes "
                        f"and {len(done.mesh)} steps by tau = {tau:.6g}: too narrow for one frame"
                    )
                if not size <= local_tol:
                    h = trial * next_factor(size, local_tol)
                    if h < 1e-12 * horizon:
                        raise SolverError(f"spectral: step size collapsed at tau = {tau:.6g}")
                    continue
                # a step cut short by an output time says nothing against the planned one
                h = max(trial * next_factor(size, local_tol), h if trial < h else 0.0)
                crowded = stepper.crowded(new, mode_tol)
                if any(crowded):
                    # not resolved any more: repeat this step with more modes
                    bigger = _grown(stepper.shape, crowded, tau)
                    u = resized(u, stepper.shape, bigger)
                    stepper, shape = Stepper(problem, bigger), bigger
                    done.evaluations += series.evaluations
                    series = series.on(bigger, tau)
                    beta = series.values(np.array([tau]))[0]
                    slope = stepper.slope(u, beta, np.empty(stepper.modes, dtype=complex))
                    h = trial
                    continue
                tau = stop if pieces <= 1 else tau + trial
                u, slope = new, stepper.k[SLOTS[-1]].copy()
                done.mesh.append(tau)
                done.shapes.append(stepper.shape)
                exit_.add(stepper.rate(betas[-1], tau), trial)
                if exit_.seen.sum() > allowed:
                    raise BoxError(exit_.seen)
                if level is not None:
                    done.reach.append(
                        gaussian_reach(stepper.q, problem.nodes(stepper.shape), level)
                    )
                report(tau)
            if np.any(taus == stop):
                done.outputs.append((u, stepper.shape))
                done.left.append(exit_.left)
            if stop >= taus[-1]:
                break
        done.evaluations += series.evaluations
        done.block = series.length
    return done


def frame_steps(frame: RootFrame, tol: float) -> Callable[[float], float]:
    """Return the longest step, as a function of its start, that loses at most tol of the frame.

    Of a few lengths, and the shorter one between two of the times that are looked at.
    """
    u = np.linspace(-1.0, 1.0, 4 * len(frame.series) + 1)[:-1]
    taus = graded_time(u, frame.horizon)
    allowed = np.full(taus.size, np.inf)
    for share in STEP_SHARES[::-1]:
        h = np.minimum(share * frame.horizon, frame.horizon - taus)
        allowed = np.where(frame.lost_size(taus, h) > tol, share * frame.horizon, allowed)
    shorter = np.where(np.isinf(allowed), np.inf, 0.5 * allowed)
    shorter = np.minimum(shorter, np.append(shorter[1:], shorter[-1]))
    return lambda tau: float(shorter[np.searchsorted(taus, tau, side="right") - 1])


def _grown(shape: Shape, crowded: list[bool], tau: float) -> Shape:
    bigger = [good_size(GROWTH * n) if more else n for n, more in zip(shape, crowded, strict=True)]
    if max(bigger) > MAX_MODES:
        raise SolverError(
            f"spectral: more than {MAX_MODES} modes along one axis at tau = {tau:.6g}: "
            "the law is too narrow for one frame"
        )
    return bigger[0], bigger[1]


def fixed_pass(
    problem: PlaneProblem, start: Complex, shape: Shape, taus: Array, mesh: Array,
    shapes: list[Shape], tol: float, block: float, report: Callable[[float], None],
) -> PlanePass:  # fmt: skip
    """Run over a given mesh with given grids; keep transforms and exit bounds at the outputs."""
    done, exit_ = PlanePass(list(mesh), shapes), _Exit(problem)
    u, wanted = start, set(taus.tolist())
    for _ in (t for t in taus if t <= 0):
        done.outputs.append((u, shape))
        done.left.append(exit_.left)
    j = 0
    with ThreadPoolExecutor(1) as pool:
        for end, piece in problem.pieces():
            while j < len(shapes) and mesh[j] < end:
                last = j
                while last < len(shapes) and mesh[last] < end and shapes[last] == shapes[j]:
                    last += 1
                tau = float(mesh[j])
                u, shape = resized(u, shape, shapes[j]), shapes[j]
                stepper = Stepper(problem, shape)
                series = VelocitySeries(problem, piece, shape, end, tol, block)
                beta = series.values(np.array([tau]))[0]
                slope = stepper.slope(u, beta, np.empty(stepper.modes, dtype=complex))
                exit_.add(stepper.rate(beta, tau), 0.0)
                steps = [(float(t), float(s - t)) for t, s in pairwise(mesh[j : last + 1])]
                for (tau, h), betas in zip(steps, _one_ahead(pool, series, steps), strict=True):
                    u = stepper.step(u, h, slope, betas, problem.spent(tau, h))
                    slope = stepper.k[SLOTS[-1]].copy()
                    j += 1
                    tau = float(mesh[j])
                    exit_.add(stepper.rate(betas[-1], tau), h)
                    if tau in wanted:
                        done.outputs.append((u, shape))
                        done.left.append(exit_.left)
                    report(tau)
                done.evaluations += series.evaluations
                block = series.length
    return done


def _one_ahead(
    pool: ThreadPoolExecutor, series: VelocitySeries, steps: list[tuple[float, float]]
) -> Iterator[Array]:
    """Yield the velocities of each step; on large grids those of the next are made meanwhile."""
    if series.rows.shape[1] < LARGE:
        yield from (series.stages(*step) for step in steps)
        return
    pending = pool.submit(_quietly, series, *steps[0])
    for after in (*steps[1:], None):
        betas = pending.result()
        if after is not None:
            pending = pool.submit(_quietly, series, *after)
        yield betas


def _quietly(series: VelocitySeries, tau: float, h: float) -> Array:
    """Return velocities; the caller's floating-point settings do not reach another thread."""
    with np.errstate(all="ignore"):
        return series.stages(tau, h)
