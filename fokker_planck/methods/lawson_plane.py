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

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fokker_planck.frame_plane import RootFrame
from fokker_planck.methods.runge_kutta import N_STAGES, tableau
from fokker_planck.model import Dynamics, breaks_of, piece_of
from fokker_planck.tails_plane import ExitRate

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Shape = tuple[int, int]
#: the spectrum's end that must be empty, as a share of the modes
COARSER = 0.8
#: largest growth exponent k^2 * (diffusion in a step): beyond, rounding in high modes is amplified
MAX_EXPONENT = 80.0
#: nodes of the rule that integrates the diffusivity over a step
N_NODES = 12
#: where the slopes of the stages are kept: the two that few stages need come first
SLOTS = (2, 0, 1, *range(3, N_STAGES + 1))


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

    @property
    def reach(self) -> Array:
        """The larger distance of an end from the origin, along each axis."""
        return np.maximum(np.abs(self.lower), np.abs(self.lower + self.length))

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

    def spent(self, tau: Array, h: Array) -> Array:
        """Return the integrals of Delta_11, Delta_12 and Delta_22 to the stages 1 to 12.

        Over steps of length h from tau, shape (steps, 12, 3).
        """
        nodes, weights, _ = _weights()
        times = tau[:, None] + h[:, None] * nodes
        rate = 0.5 * h[:, None] * np.asarray(self.process.noise(times)) ** 2
        spread = self.frame.spread(times).reshape(*times.shape, 4)[..., [0, 1, 3]]
        return np.asarray(weights @ (rate[..., None] * spread))


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
        sizes = []
        for row, share in zip((N_STAGES, N_STAGES + 1), tableau()[3:], strict=True):
            gap = self.combined(row)
            gap *= self.end
            gap += share[-1] * self.last
            power = np.sum((gap.real**2 + gap.imag**2) @ self.parseval)
            sizes.append(self.area * np.sqrt(power) / np.prod(self.shape))
        third, fifth = sizes
        return float(h * fifth**2 / max(np.hypot(fifth, 0.1 * third), 1e-300))

    @property
    def last(self) -> Complex:
        """The slope at the end of the last step."""
        return self.k[SLOTS[-1]]

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


def evaluated(u: Complex, shape: Shape, problem: PlaneProblem, at: tuple[Array, Array]) -> Array:
    """Return the trigonometric sums on another tensor grid, 0 outside their box."""
    n1, n2 = shape
    phases = []
    for axis, (y, k) in enumerate(
        zip(at, (fft.fftfreq(n1, 1 / n1), np.arange(n2 // 2 + 1)), strict=True)
    ):
        share = (y - problem.lower[axis]) / problem.length[axis]
        inside = (share >= 0) & (share < 1)
        phases.append(np.exp(2j * np.pi * share[:, None] * k) * inside[:, None])
    double = np.full(n2 // 2 + 1, 2.0)
    double[[0, -1]] = 1.0
    return np.asarray(((phases[0] @ u) @ (phases[1] * double).T).real / (n1 * n2))
