"""The eighth-order Dormand-Prince pair: its coefficients, error estimate and step control.

The coefficients are those of scipy's DOP853 (Hairer, Norsett, Wanner, Solving ODE I, II.5). A
mesh can be halved, so that resolutions of one computation can be compared.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
N_STAGES = 12
MAX_STEPS = 200_000
#: below this size BLAS does not start threads
FEW = 8192


@lru_cache(maxsize=1)
def tableau() -> tuple[Array, Array, Array, Array, Array]:
    """Return A (12, 12), B (12,), C (12,) and the error rows E3, E5 (13,)."""
    from scipy.integrate import DOP853

    return DOP853.A[:12, :12], DOP853.B, DOP853.C[:12], DOP853.E3, DOP853.E5


def embedded_error(err3: Array, err5: Array, h: float) -> Array:
    """Combine the third- and fifth-order error rows as DOP853 does, entry by entry."""
    err3, err5 = np.abs(err3), np.abs(err5)
    bottom = np.hypot(err5, 0.1 * err3)
    return np.where(bottom > 0, h * err5**2 / np.where(bottom > 0, bottom, 1.0), 0.0)


def next_factor(error: float, target: float) -> float:
    """Return the factor for the next step of an eighth-order method, error against target."""
    if not np.isfinite(error):
        return 0.2
    return float(np.clip(0.9 * (target / max(error, 1e-300)) ** (1 / 8), 0.2, 4.0))


def halved(mesh: Array) -> Array:
    """Return the mesh with every step cut in two."""
    out = np.empty(2 * mesh.size - 1)
    out[::2] = mesh
    out[1::2] = 0.5 * (mesh[1:] + mesh[:-1])
    return out
