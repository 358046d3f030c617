"""What should rise along coupled paths: log-ratios at every time, or log-odds at output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fokker_planck import ReverseProcess

Array = NDArray[np.float64]
STRIDE = 8  # nodes between two evaluations of the dearer log-odds


@dataclass(frozen=True)
class Rise:
    """A function of two coupled paths that should be nonnegative.

    Parameters
    ----------
    process : ReverseProcess
        Common covariance.
    kind : {"log_ratio", "log_odds"}
        The least rise of log P(y)/P(k) over k, at every time; or the rise of log P(y)/(1 - P(y)),
        at output alone. Neither saturates where P rounds to 1.
    """

    process: ReverseProcess
    kind: Literal["log_ratio", "log_odds"] = "log_ratio"

    @property
    def at_output(self) -> bool:
        """Whether only the last time decides."""
        return self.kind == "log_odds"

    def nodes(self, count: int) -> slice:
        """Return which of ``count`` nodes, the last included, are looked at."""
        step = STRIDE if self.at_output else 1
        return slice((count - 1) % step, None, step)

    def gradients(self, tau: Array) -> Array:
        """Return r Sigma_t^-1 (mu_y - mu_k), the gradients of log-ratios, shape (m, rivals, d).

        A rival with the target's own mean has a constant log-ratio, and is left out.
        """
        p, target = self.process, self.process.target
        used = p.mixture.weights > 0
        used &= np.any(p.mixture.means != p.mixture.means[target], axis=1)
        t = np.asarray(p.forward_time(tau))
        r, v = np.asarray(p.schedule.signal(t)), np.asarray(p.schedule.variance(t))
        axes, own = p.mixture.axes[target], p.mixture.variances[target]
        gaps = (p.mixture.means[target] - p.mixture.means[used]) @ axes
        spread = r[:, None] ** 2 * own + v[:, None]
        return np.asarray(r[:, None, None] * gaps / spread[:, None] @ axes.T)

    def sensitivity(self, tau: Array) -> Array:
        """Return a bound on the change per unit of a move of one path, shape (m, 1).

        Log-ratios are affine; the gradient of the log-odds is a mean of theirs.
        """
        steep = np.linalg.norm(self.gradients(tau), axis=2)
        return np.asarray(steep.max(axis=1, keepdims=True, initial=0.0))

    def __call__(self, a: Array, b: Array, tau: Array) -> Array:
        """Return the rise from b to a: points (m, n, d), times (m,), result (m, n)."""
        p = self.process
        if not np.any(p.mixture.means[p.mixture.weights > 0] != p.mixture.means[p.target]):
            return np.zeros(a.shape[:2])  # nothing can be lost
        if self.kind == "log_ratio":
            steep = np.swapaxes(self.gradients(tau), 1, 2)
            return np.asarray(((a - b) @ steep).min(axis=2))

        def odds(x: Array, s: float) -> Array:
            points = x[:, 0] if p.dimension == 1 else x
            return np.asarray(p.log_posterior(points, s) - p.log_complement(points, s))

        rows = [odds(x, float(s)) - odds(y, float(s)) for x, y, s in zip(a, b, tau, strict=True)]
        return np.array(rows)
