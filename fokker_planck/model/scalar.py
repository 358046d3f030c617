"""The diffused mixture in dimension one: posterior, scores and their derivatives.

Everything works in the log domain and through differences d_k = s_y - s_k of component scores,
so that nothing cancels far in the tails or where a posterior is within 1e-300 of 0 or 1.
Points and times broadcast: x of shape S and t broadcastable to S.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fokker_planck.model.mixture import GaussianMixture
from fokker_planck.model.schedule import Schedule

Array = NDArray[np.float64]


class ScalarPosterior:
    """Posterior P_t(y|x) of a target component of a diffused 1-D mixture, and its gradient.

    Parameters
    ----------
    mixture : GaussianMixture
        The data law, dimension one.
    target : int
        Index of the component y, counted from 0.
    schedule : Schedule
        The forward process.
    """

    def __init__(self, mixture: GaussianMixture, target: int, schedule: Schedule) -> None:
        self.schedule = schedule
        self.target = target
        self.n_components = mixture.n_components
        mu = mixture.means[:, 0]
        variance = mixture.variances[:, 0]
        # components without weight have no posterior: they are left out of every sum
        self.others = np.array(
            [k for k in range(mu.size) if k != target and mixture.weights[k] > 0], dtype=int
        )
        self.mean = float(mu[target])
        self.data_variance = float(variance[target])
        self.other_means = mu[self.others]
        self.other_variances = variance[self.others]
        self.log_prior = mixture.log_weights[self.others] - mixture.log_weights[target]
        self.common = bool(np.all(self.other_variances == self.data_variance))

    def moments(self, t: Any) -> tuple[Any, Any]:
        """Return r(t) and the variance C_y(t) of the diffused target component."""
        r = self.schedule.signal(t)
        return r, r * r * self.data_variance + self.schedule.variance(t)

    def _columns(self, x: Any, t: Any) -> tuple[Array, Array, Array, Array]:
        """Return L_k = log P_k/P_y, d_k = s_y - s_k, d_k' and C_y; first axis over k != y."""
        x = np.asarray(x, dtype=float)
        r, c = self.moments(t)
        shape = (-1,) + (1,) * max(np.ndim(x), np.ndim(r))
        log_prior = self.log_prior.reshape(shape)
        mu = self.other_means.reshape(shape)
        if self.common:
            d = r * (self.mean - mu) / c
            offset = log_prior + 0.5 * r * (self.mean + mu) * d
            return offset - d * x, d, np.zeros_like(d), c
        ck = r * r * self.other_variances.reshape(shape) + self.schedule.variance(t)
        zy, zk = (x - r * self.mean) / c, (x - r * mu) / ck
        d = zk - zy
        slope = (c - ck) / (c * ck)
        # (zy^2 c - zk^2 ck) / 2, written so that equal variances leave no difference of squares
        ratio = log_prior + 0.5 * ((c - ck) * zy * zk - d * (zy * c + zk * ck))
        return ratio + 0.5 * np.log(c / ck), d, slope, c

    @staticmethod
    def _shares(ratio: Array) -> tuple[Array, Array]:
        """Return the posteriors P_k of the other components and P_y, from L_k."""
        if ratio.shape[0] == 1:
            return expit(ratio), expit(-ratio[0])
        top = np.maximum(ratio.max(axis=0, initial=-np.inf), 0.0)
        weight = np.exp(ratio - top)
        own = np.exp(-top)
        total = own + weight.sum(axis=0)
        return weight / total, own / total

    def log_ratios(self, x: Any, t: Any) -> Array:
        """Return log P(y)/P(k), shape (K, ...): zero for k = y, inf where w_k = 0."""
        ratio = -self._columns(x, t)[0]
        out = np.full((self.n_components, *ratio.shape[1:]), np.inf)
        out[self.others] = ratio
        out[self.target] = 0.0
        return out

    def log_posterior(self, x: Any, t: Any) -> Array:
        """Return log P_t(y|x)."""
        ratio = self._columns(x, t)[0]
        top = np.maximum(ratio.max(axis=0, initial=-np.inf), 0.0)
        small = np.exp(ratio - top).sum(axis=0)
        # where no other component leads, top = 0 and log1p keeps the last digit
        with np.errstate(divide="ignore"):
            led = -(top + np.log(np.exp(-top) + small))
        return np.asarray(np.where(top == 0.0, -np.log1p(small), led))

    def log_complement(self, x: Any, t: Any) -> Array:
        """Return log(1 - P_t(y|x)); -inf if there is no other component."""
        ratio = self._columns(x, t)[0]
        if ratio.shape[0] == 0:
            return np.full(ratio.shape[1:], -np.inf)
        top = ratio.max(axis=0)
        others = top + np.log(np.exp(ratio - top).sum(axis=0))
        return np.asarray(others + self.log_posterior(x, t))

    def target_score(self, x: Any, t: Any) -> Array:
        """Return s_y = d/dx log p_t(x|y)."""
        r, c = self.moments(t)
        return np.asarray((r * self.mean - np.asarray(x, dtype=float)) / c)

    def posterior_gradient(self, x: Any, t: Any) -> Array:
        """Return d/dx log P_t(y|x) = sum_k P_k d_k."""
        ratio, d, _, _ = self._columns(x, t)
        if ratio.shape[0] == 1:
            return np.asarray(expit(ratio[0]) * d[0])
        top = np.maximum(ratio.max(axis=0, initial=-np.inf), 0.0)
        weight = np.exp(ratio - top)
        return np.asarray((weight * d).sum(axis=0) / (np.exp(-top) + weight.sum(axis=0)))

    def scores(self, x: Any, t: Any) -> tuple[Array, Array, Array, Array]:
        """Return s_y, its divergence, grad log P_y and its divergence, in one pass.

        The divergence of the gradient is sum_k P_k d_k' - Var_P(d), with d_y = 0; the variance
        is summed as squares, which keeps its relative accuracy.
        """
        x = np.asarray(x, dtype=float)
        ratio, d, slope, c = self._columns(x, t)
        shares, own = self._shares(ratio)
        gradient = (shares * d).sum(axis=0)
        spread = (shares * (d - gradient) ** 2).sum(axis=0) + own * gradient**2
        curvature = (shares * slope).sum(axis=0) - spread
        r = self.schedule.signal(t)
        score = (r * self.mean - x) / c
        return score, np.broadcast_to(-1.0 / c, np.shape(score)), gradient, curvature

    def classifier_free_score(self, x: Any, t: Any, strength: Any) -> Array:
        """Return (1 + eta) s_y - eta sum_k P_k s_k: the other route to the guided score (G0)."""
        x = np.asarray(x, dtype=float)
        r, c = self.moments(t)
        mu = np.append(self.other_means, self.mean).reshape((-1,) + (1,) * x.ndim)
        var = np.append(self.other_variances, self.data_variance).reshape(mu.shape)
        prior = np.append(self.log_prior, 0.0).reshape(mu.shape)
        ck = r * r * var + self.schedule.variance(t)
        log_density = prior - 0.5 * np.log(ck) - 0.5 * (x - r * mu) ** 2 / ck
        shares = np.exp(log_density - log_density.max(axis=0))
        shares = shares / shares.sum(axis=0)
        unconditional = (shares * (r * mu - x) / ck).sum(axis=0)
        return np.asarray((1 + strength) * (r * self.mean - x) / c - strength * unconditional)
