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
        Isotropic common covariance.
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

    def _scale(self, tau: Array) -> Array:
        """Return r / C at every time, shape (m, 1)."""
        p = self.process
        t = np.asarray(p.forward_time(tau))
        r = np.asarray(p.schedule.signal(t))
        c = r * r * p.mixture.covariances[p.target, 0, 0] + p.schedule.variance(t)
        return np.asarray(r / c)[:, None]

    def _gaps(self) -> Array:
        """Return mu_y - mu_k over the rivals, shape (K - 1, d)."""
        mixture, target = self.process.mixture, self.process.target
        used = mixture.weights > 0
        used[target] = False
        return np.asarray(mixture.means[target] - mixture.means[used])

    def sensitivity(self, tau: Array) -> Array:
        """Return a bound on the change per unit of a move of one path, shape (m, 1).

        Log-ratios are affine with gradients r (mu_y - mu_k) / C; the gradient of the log-odds is
        a mean of these.
        """
        steep = np.linalg.norm(self._gaps(), axis=1).max(initial=0.0)
        return self._scale(tau) * steep

    def __call__(self, a: Array, b: Array, tau: Array) -> Array:
        """Return the rise from b to a: points (m, n, d), times (m,), result (m, n)."""
        v = self._gaps()
        if len(v) == 0:  # no rival: nothing can be lost
            return np.zeros(a.shape[:2])
        if self.kind == "log_ratio":
            return np.asarray(self._scale(tau) * np.stack([(a - b) @ row for row in v]).min(axis=0))
        p = self.process

        def odds(x: Array, s: float) -> Array:
            points = x[:, 0] if p.dimension == 1 else x
            return np.asarray(p.log_posterior(points, s) - p.log_complement(points, s))

        rows = [odds(x, float(s)) - odds(y, float(s)) for x, y, s in zip(a, b, tau, strict=True)]
        return np.array(rows)
