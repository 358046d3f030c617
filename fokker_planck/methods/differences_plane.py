"""Central differences along the axes of a grid in the plane, and steps of DOP853 on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853

from fokker_planck.methods.box_plane import PlaneFrame
from fokker_planck.methods.central import resample
from fokker_planck.model import Dynamics

Array = NDArray[np.float64]
Shape = tuple[int, int]
ORDER = 16  # of the stencils: an error weighed by its absolute value needs more than eight
STABLE = 5.8  # DOP853 damps real eigenvalues down to -6.4


@cache
def stencil(derivative: int) -> Array:
    """Return the central difference at unit step, shape (ORDER + 1,), exactly rounded."""
    from findiff import coefficients

    table = coefficients(deriv=derivative, acc=ORDER, symbolic=True)["center"]
    full = np.zeros(ORDER + 1)
    full[np.array([int(k) for k in table["offsets"]]) + ORDER // 2] = [
        float(c) for c in table["coefficients"]
    ]
    return full


@dataclass(frozen=True, eq=False)
class PlaneGrid:
    """The semi-discrete equation on the middles of ``shape`` cells of [lower, upper]."""

    frame: PlaneFrame
    lower: Array
    upper: Array
    shape: Shape

    @cached_property
    def cells(self) -> Array:
        """Lengths of a cell, shape (2,)."""
        return np.asarray((self.upper - self.lower) / np.array(self.shape))

    @cached_property
    def y(self) -> Array:
        """Middles of the cells, shape (n1, n2, 2)."""
        axes = [
            low + h * (np.arange(n) + 0.5)
            for low, h, n in zip(self.lower, self.cells, self.shape, strict=True)
        ]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    @cached_property
    def operators(self) -> list[Array]:
        """Per axis the first and the second difference side by side, (n, 2 n), zero beyond ends.

        Full matrices: at these sizes one product with them is faster than sums over bands.
        """
        reach = ORDER // 2
        out = []
        for h, n in zip(self.cells, self.shape, strict=True):
            both = np.zeros((2, n, n))
            for k in range(-reach, reach + 1):
                rows = np.arange(max(0, -k), min(n, n - k))
                both[0, rows, rows + k] = stencil(1)[k + reach] / h
                both[1, rows, rows + k] = stencil(2)[k + reach] / h**2
            out.append(np.concatenate([-both[0], both[1]], axis=1))
        return out

    @cached_property
    def _missed(self) -> list[tuple[Array, Array]]:
        """What the stencils miss of ik and -k^2, for the wave numbers along each axis."""
        out = []
        offsets = np.arange(-(ORDER // 2), ORDER // 2 + 1)
        for h, n in zip(self.cells, self.shape, strict=True):
            k = 2 * np.pi * np.fft.rfftfreq(n, h)
            waves = np.exp(1j * np.outer(k * h, offsets))
            out.append((1j * k - waves @ stencil(1) / h, -(k**2) - waves @ stencil(2) / h**2))
        return out

    def start(self, process: Dynamics) -> Array:
        """Return the density of y at the start."""
        x = self.frame.points(self.y, 0.0).reshape(-1, 2)
        p = np.exp(process.initial.log_density(x)).reshape(self.shape)
        return np.asarray(p * self.frame.at(0.0)[1].prod())

    def rhs(self, beta: Array, delta: Array, q: Array) -> Array:
        """Return the right-hand side, shape (n1, n2)."""
        n1, n2 = self.shape
        along, across = np.empty((2 * n1, n2)), np.empty((n1, 2 * n2))
        np.multiply(beta[0], q, out=along[:n1])
        np.multiply(delta[0], q, out=along[n1:])
        np.multiply(beta[1], q, out=across[:, :n2])
        np.multiply(delta[1], q, out=across[:, n2:])
        first, second = self.operators
        return np.asarray(first @ along + across @ second.T)

    def missed(self, beta: Array, delta: Array, q: Array) -> Array:
        """Return the L1 norms of what the differences along each axis miss, shape (2,)."""
        out = []
        for axis, (first, second) in enumerate(self._missed):
            along = [np.moveaxis(a, axis, -1) for a in (beta[axis] * q, q)]
            flux, spread = (np.fft.rfft(a, axis=-1) for a in along)
            gap = np.fft.irfft(delta[axis] * second * spread - first * flux, self.shape[axis])
            out.append(np.abs(gap).sum() * self.cells.prod())
        return np.array(out)

    def longest_step(self, delta: Array) -> float:
        """Return the longest step at which the diffusion is stable."""
        radius = float(np.sum(delta / self.cells**2) * np.abs(stencil(2)).sum())
        return float(STABLE / max(radius, 1e-300))


def resized(q: Array, shape: Shape) -> Array:
    """Return values at the middles of other cells, by trigonometric interpolation."""
    for axis, n in enumerate(shape):
        if n > q.shape[axis]:
            q = np.moveaxis(resample(np.moveaxis(q, axis, -1), n), -1, axis)
    return q


class Stepper:
    """Steps of DOP853 on one grid and one piece of time."""

    def __init__(self, grid: PlaneGrid, process: Dynamics, beta: Callable[[float], Array]) -> None:
        self.grid, self.process, self.beta = grid, process, beta
        self.slopes = np.empty((DOP853.n_stages + 1, int(np.prod(grid.shape))))

    def rhs(self, tau: float, q: Array) -> Array:
        """Return the slope, flattened."""
        delta = self.grid.frame.diffusivities(self.process, tau)
        return self.grid.rhs(self.beta(tau), delta, q).ravel()

    def step(self, tau: float, q: Array, h: float, slope: Array) -> tuple[Array, Array, float]:
        """Return the state after a step, its slope, and the embedded error in L1."""
        k, stages = self.slopes, DOP853.n_stages
        k[0] = slope
        for s in range(1, stages):
            stage = q + h * (DOP853.A[s, :s] @ k[:s]).reshape(q.shape)
            k[s] = self.rhs(tau + DOP853.C[s] * h, stage)
        new = q + h * (DOP853.B @ k[:stages]).reshape(q.shape)
        k[stages] = self.rhs(tau + h, new)
        fifth, third = np.abs(DOP853.E5 @ k), np.abs(DOP853.E3 @ k)
        scale = np.hypot(fifth, 0.1 * third)
        error = np.divide(fifth**2, scale, out=np.zeros_like(fifth), where=scale > 0)
        return new, k[stages].copy(), float(h * error.sum() * self.grid.cells.prod())
