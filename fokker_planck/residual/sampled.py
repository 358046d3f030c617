"""Any process's drift, as it stands, for residuals whose quadrature is only summed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics
from fokker_planck.residual.balls import Ball
from fokker_planck.residual.chebyshev import lagrange
from fokker_planck.residual.field import enclosable
from fokker_planck.residual.naive import is_plain_mixture, naive_drift

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SampledTerms:
    """Reverse times, along the second to last axis, and the diffusivity there."""

    tau: Array
    diffusivity: Ball


class SampledField:
    """The drift of a 1-D process at points; its slope is differenced along them.

    The divergence that the process states is not used: a wrong one shows in the residual.
    """

    enclosed = False

    def __init__(self, process: Dynamics) -> None:
        self.process = process
        # a mixture without an enclosure is evaluated here and not by the model
        self.naive = is_plain_mixture(process) and not enclosable(process)

    def _drift(self, x: Array, tau: float) -> Array:
        if self.naive:
            return naive_drift(self.process, x[:, None], tau)[:, 0]
        return np.asarray(self.process.drift(x, tau))

    def terms(self, tau: Ball) -> SampledTerms:
        """Return what is needed of reverse times of shape (m, 1)."""
        times = np.asarray(tau.mid, dtype=float)
        noise = np.array([float(self.process.noise(float(t))) for t in times.ravel()])
        return SampledTerms(times.ravel(), Ball(0.5 * noise.reshape(times.shape) ** 2))

    def drift_and_slope(self, x: Ball, terms: SampledTerms) -> tuple[Ball, Ball]:
        """Return b and its derivative at points (cells, times, nodes)."""
        points = np.asarray(x.mid, dtype=float)
        drift = np.empty_like(points)
        for j, tau in enumerate(terms.tau):
            row = points[:, j]
            drift[:, j] = self._drift(row.ravel(), float(tau)).reshape(row.shape)
        width = points[..., -1:] - points[..., :1]
        share = (points[:1, :1] - points[:1, :1, :1]) / width[:1, :1]
        nodes = np.asarray(2 * share[0, 0] - 1)
        slope = drift @ lagrange(nodes, nodes)[1].T * (2 / width)
        return Ball(drift), Ball(slope)

    def posterior(self, x: Ball, terms: SampledTerms) -> Ball:
        """Return P_t(y|x) at points, one reverse time for all of them."""
        points = np.asarray(np.real(x.mid))
        process: Any = self.process
        return Ball(np.exp(process.log_posterior(points, float(terms.tau[0]))))

    def initial_density(self, x: Ball) -> Ball:
        """Return the density of the initial law."""
        points = np.asarray(np.real(x.mid))
        values: Any = np.exp(self.process.initial.log_density(points.ravel()))
        return Ball(np.reshape(values, points.shape))
