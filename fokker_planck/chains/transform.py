r"""Fourier sums over scattered point masses in the plane (a type-1 non-uniform transform).

.. math:: \hat q(\xi) = \sum_j m_j e^{-i \xi \cdot y_j}

Masses are spread over a grid twice as fine by a kernel of compact support, transformed, and
divided by the kernel's own transform [Barnett et al. 2019]; the work per mass is fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2, ifft2, next_fast_len

Array = NDArray[np.float64]
#: masses that are spread at a time
BLOCK = 1 << 12


@dataclass(frozen=True)
class Frame:
    """A rectangular lattice, periodic as far as transforms go.

    Parameters
    ----------
    origin : ndarray, shape (2,)
        The first node.
    spacing : float
        Of the nodes, along both axes.
    shape : tuple of int
        Even.
    """

    origin: Array
    spacing: float
    shape: tuple[int, int]

    @property
    def waves(self) -> tuple[Array, Array]:
        """Angular frequencies along both axes, in the order of the transform."""
        n1, n2 = self.shape
        first = np.asarray(2 * np.pi * np.fft.fftfreq(n1, self.spacing), dtype=float)
        second = np.asarray(2 * np.pi * np.fft.fftfreq(n2, self.spacing), dtype=float)
        return first, second

    @property
    def points(self) -> Array:
        """Nodes in C order, shape (n, 2)."""
        lines = [
            o + self.spacing * np.arange(n) for o, n in zip(self.origin, self.shape, strict=True)
        ]
        return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 2)


def frame_over(low: Array, high: Array, spacing: float) -> Frame:
    """Return a frame that covers a box."""
    n = [next_fast_len(int(np.ceil(w / spacing)) + 1, real=False) for w in (high - low) / 2]
    shape = (2 * n[0], 2 * n[1])
    centre = 0.5 * (low + high)
    return Frame(centre - 0.5 * spacing * np.array(shape), spacing, shape)


@lru_cache(maxsize=64)
def _kernel(width: int) -> tuple[float, Array, Array]:
    """Return beta, and nodes and weights for the kernel's transform."""
    nodes, weights = np.polynomial.legendre.leggauss(4 * width)
    beta = 2.3 * width
    return beta, nodes, weights * np.exp(beta * (np.sqrt(1 - nodes**2) - 1))


def _kernel_transform(width: int, waves: Array, spacing: float) -> Array:
    """Return the transform of the kernel of half-width width/2 cells, per cell."""
    _, nodes, weights = _kernel(width)
    half = 0.5 * width
    return np.asarray(half * (np.cos(np.outer(waves * spacing * half, nodes)) @ weights))


def transform(points: Array, mass: Array, frame: Frame, width: int) -> NDArray[np.complex128]:
    """Return the sums at the frequencies of a frame, relative to its origin.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Within half the kernel's width of the frame.
    mass : ndarray, shape (n,)
    frame : Frame
    width : int
        Of the kernel, in nodes of the finer grid; the relative error is about 10^(1 - width).
    """
    beta, _, _ = _kernel(width)
    n1, n2 = 2 * frame.shape[0], 2 * frame.shape[1]
    spacing = 0.5 * frame.spacing
    total = np.zeros(n1 * n2)
    steps = np.arange(width)
    for begin in range(0, mass.size, BLOCK):
        at = (points[begin : begin + BLOCK] - frame.origin) / spacing
        first = np.ceil(at - 0.5 * width).astype(np.intp)
        where, weight = [], []
        for axis in (0, 1):
            node = first[:, axis, None] + steps
            z = (node - at[:, axis, None]) / (0.5 * width)
            weight.append(np.exp(beta * (np.sqrt(np.maximum(1 - z * z, 0.0)) - 1)))
            where.append(node % (n1, n2)[axis])
        product = (mass[begin : begin + BLOCK, None] * weight[0])[:, :, None] * weight[1][:, None]
        index = (where[0] * n2)[:, :, None] + where[1][:, None]
        total += np.bincount(index.ravel(), weights=product.ravel(), minlength=n1 * n2)
    whole = fft2(total.reshape(n1, n2))
    keep = [np.r_[0 : n // 2, -(n // 2) : 0] for n in frame.shape]
    out = whole[np.ix_(keep[0], keep[1])]
    for axis, waves in enumerate(frame.waves):
        shape = (-1, 1) if axis == 0 else (1, -1)
        out = out / _kernel_transform(width, waves, spacing).reshape(shape)
    return np.asarray(out)


def values_of(spectrum: NDArray[np.complex128], frame: Frame, shape: tuple[int, int]) -> Array:
    """Return the function of a spectrum on as many nodes over the same period."""
    n1, n2 = frame.shape
    out = np.zeros(shape, dtype=complex)
    half = [min(a, b) // 2 for a, b in zip(frame.shape, shape, strict=True)]
    # the highest wave has no partner, and is left out
    index = [np.r_[0:h, -h + 1 : 0] for h in half]
    out[np.ix_(*index)] = spectrum[np.ix_(*index)]
    period = n1 * n2 * frame.spacing**2
    return np.asarray(ifft2(out).real * (shape[0] * shape[1] / period))
