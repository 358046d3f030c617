"""What solvers and samplers need to know of a process, and seeds made from content."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.mixture import GaussianMixture

Array = NDArray[np.float64]


@runtime_checkable
class Dynamics(Protocol):
    """What solvers and samplers need: dx = drift(x, tau) dtau + noise(tau) dB on [0, horizon].

    ``noise`` is the amplitude g; the diffusivity is ``noise**2 / 2``. Points are (..., d), plain
    (n,) in dimension one.
    """

    horizon: float
    initial: GaussianMixture

    @property
    def dimension(self) -> int:
        """Dimension d."""

    @property
    def deterministic(self) -> bool:
        """Whether the noise amplitude is zero throughout."""

    def drift(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return the drift, shape of ``x``."""

    def drift_and_divergence(self, x: ArrayLike, tau: ArrayLike) -> tuple[Array, Array]:
        """Return the drift and its divergence."""

    def noise(self, tau: ArrayLike) -> Array:
        """Return the noise amplitude."""


def breaks_of(process: Dynamics) -> tuple[float, ...]:
    """Return the reverse times in (0, horizon) where the drift jumps, in increasing order."""
    return tuple(getattr(process, "breaks", ()))


def piece_of(process: Dynamics, a: float, b: float) -> Dynamics:
    """Return the dynamics that agrees with ``process`` on (a, b) and is smooth on [a, b].

    ``a`` and ``b`` are neighbours among the breaks, 0 and the horizon. A process without breaks
    is its own piece.
    """
    if not breaks_of(process):
        return process
    piece: Dynamics = process.piece(a, b)  # type: ignore[attr-defined]
    return piece


def content_seed(*parts: Any) -> int:
    """Return a 128-bit seed computed from plain data: equal content, equal seed, anywhere."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
