r"""Real Fourier modes of periodic functions: transforms, derivatives, and their resizing.

A row of coefficients is the output of ``rfft`` seen as floats, (Re 0, Im 0, Re 1, ...), length
n + 2. Below DENSE nodes a product with a matrix is faster than the fast transform, more so for
several rows at once.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[np.float64]
#: up to so many nodes transforms are matrix products
DENSE = 224


def good_size(n: float) -> int:
    """Return an even number of nodes, at least n, that transforms fast."""
    if n <= DENSE:
        return 2 * int(np.ceil(n / 2))
    return int(fft.next_fast_len(2 * int(np.ceil(n / 2)), real=True) + 1) // 2 * 2


def wavenumbers(n: int) -> Array:
    """Return 0, ..., n/2, the last one, which has no derivative, set to zero."""
    k = np.arange(n // 2 + 1, dtype=float)
    k[-1] = 0.0
    return k


@lru_cache(maxsize=64)
def matrices(n: int) -> tuple[Array, Array]:
    """Return the matrices of the inverse transform (n + 2, n) and of d/d(angle) (n, n + 2)."""
    units = np.eye(n + 2)[:, :].view(complex)
    inverse = fft.irfft(units, n)
    slope = (1j * wavenumbers(n) * fft.rfft(np.eye(n))).view(float)
    return np.ascontiguousarray(inverse), np.ascontiguousarray(slope)


def to_modes(q: Array) -> Array:
    """Return the coefficients, shape (..., n + 2), of values at n nodes."""
    return np.ascontiguousarray(fft.rfft(q)).view(float)


def to_nodes(u: Array, n: int) -> Array:
    """Return the values at n nodes, shape (..., n), of coefficients (..., n + 2)."""
    return np.asarray(fft.irfft(np.ascontiguousarray(u).view(complex), n))


def resized(u: Array, n_to: int) -> Array:
    """Return the coefficients, shape (..., n_to + 2), of the same function on n_to nodes."""
    n_from = u.shape[-1] - 2
    out = np.zeros((*u.shape[:-1], n_to + 2))
    # the highest mode of an even number of nodes has no phase: it is left out
    keep = 2 * (min(n_from, n_to) // 2)
    out[..., :keep] = u[..., :keep] * (n_to / n_from)
    return out
