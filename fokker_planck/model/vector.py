"""The diffused mixture in any dimension: posterior, scores and their divergences.

The counterpart of ``scalar`` with points of shape (..., d); times broadcast against the points
without their last axis. Component covariances are diagonalised once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from fokker_planck.model.mixture import GaussianMixture
from fokker_planck.model.schedule import Schedule

Array = NDArray[np.float64]


class VectorPosterior:
    """Posterior P_t(y|x) of a target component of a diffused mixture, and its gradient.

    Parameters
    ----------
    mixture : GaussianMixture
        The data law, any dimension.
    target : int
        Index of the component y, counted from 0.
    schedule : Schedule
        The forward process.
    """

    def __init__(self, mixture: GaussianMixture, target: int, schedule: Schedule) -> None:
        self.mixture = mixture
        self.target = target
        self.schedule = schedule
        self.n_components = mixture.n_components
        self.others = [
            k for k in range(mixture.n_components) if k != target and mixture.weights[k] > 0
        ]
        self.common = mixture.common_covariance

    def _whitened(self, x: Array, t: Any, k: int) -> tuple[Array, Array]:
        """Return C_k^{-1} (x - r mu_k) and the eigenvalues of C_k(t), shape (..., d)."""
        m = self.mixture
        r = np.asarray(self.schedule.signal(t))[..., None]
        spectrum = r * r * m.variances[k] + np.asarray(self.schedule.variance(t))[..., None]
        z = (x - r * m.means[k]) @ m.axes[k]
        return (z / spectrum) @ m.axes[k].T, spectrum

    def _columns(self, x: Array, t: Any) -> tuple[Array, Array, Array, Array, Array]:
        """Return L_k, d_k, tr C_k^{-1} - tr C_y^{-1} over k != y, then s_y and tr C_y^{-1}."""
        m = self.mixture
        x = np.asarray(x, dtype=float)
        solved, spectrum = self._whitened(x, t, self.target)
        trace = np.sum(1 / spectrum, axis=-1)
        r = np.asarray(self.schedule.signal(t))[..., None]
        ratios, gaps, traces = [], [], []
        for k in self.others:
            prior = m.log_weights[k] - m.log_weights[self.target]
            if self.common:
                v = m.means[self.target] - m.means[k]
                d = r * (((v @ m.axes[k]) / spectrum) @ m.axes[k].T)
                centre = 0.5 * r * (m.means[self.target] + m.means[k])
                ratio = prior - np.sum(d * (x - centre), axis=-1)
                extra = np.zeros_like(trace)
            else:
                other, spectrum_k = self._whitened(x, t, k)
                d = other - solved
                quadratic = np.sum(solved * (x - r * m.means[self.target]), axis=-1)
                quadratic = quadratic - np.sum(other * (x - r * m.means[k]), axis=-1)
                ratio = prior + 0.5 * (
                    quadratic + np.sum(np.log(spectrum) - np.log(spectrum_k), axis=-1)
                )
                extra = np.sum(1 / spectrum_k, axis=-1) - trace
            shape = x.shape[:-1]
            ratios.append(np.broadcast_to(ratio, shape))
            gaps.append(np.broadcast_to(d, x.shape))
            traces.append(np.broadcast_to(extra, shape))
        n = len(self.others)
        return (
            np.array(ratios).reshape(n, *x.shape[:-1]),
            np.array(gaps).reshape(n, *x.shape),
            np.array(traces).reshape(n, *x.shape[:-1]),
            -solved,
            np.broadcast_to(trace, x.shape[:-1]),
        )

    def log_ratios(self, x: Array, t: Any) -> Array:
        """Return log P(y)/P(k), shape (K, ...): zero for k = y, inf where w_k = 0."""
        ratio = -self._columns(x, t)[0]
        out = np.full((self.n_components, *ratio.shape[1:]), np.inf)
        out[self.others] = ratio
        out[self.target] = 0.0
        return out

    def log_posterior(self, x: Array, t: Any) -> Array:
        """Return log P_t(y|x)."""
        ratio = self._columns(x, t)[0]
        zero = np.zeros((1, *ratio.shape[1:]))
        total = logsumexp(np.concatenate([ratio, zero]), axis=0)
        with np.errstate(over="ignore"):
            small = np.log1p(np.exp(ratio).sum(axis=0))
        lead = ratio.max(axis=0, initial=-np.inf)
        return np.asarray(-np.where(lead <= 0, small, total))

    def log_complement(self, x: Array, t: Any) -> Array:
        """Return log(1 - P_t(y|x)); -inf if there is no other component."""
        ratio = self._columns(x, t)[0]
        if ratio.shape[0] == 0:
            return np.full(ratio.shape[1:], -np.inf)
        return np.asarray(logsumexp(ratio, axis=0) + self.log_posterior(x, t))

    def target_score(self, x: Array, t: Any) -> Array:
        """Return s_y = grad log p_t(x|y), shape (..., d)."""
        return -self._whitened(np.asarray(x, dtype=float), t, self.target)[0]

    def posterior_gradient(self, x: Array, t: Any) -> Array:
        """Return grad log P_t(y|x) = sum_k P_k d_k, shape (..., d)."""
        return self.scores(x, t)[2]

    def scores(self, x: Array, t: Any) -> tuple[Array, Array, Array, Array]:
        """Return s_y, its divergence, grad log P_y and its divergence, in one pass."""
        ratio, d, extra, score, trace = self._columns(x, t)
        top = np.maximum(ratio.max(axis=0, initial=-np.inf), 0.0)
        weight = np.exp(ratio - top)
        own = np.exp(-top)
        total = own + weight.sum(axis=0)
        shares, own = weight / total, own / total
        gradient = (shares[..., None] * d).sum(axis=0)
        spread = (shares * np.sum((d - gradient) ** 2, axis=-1)).sum(axis=0)
        spread = spread + own * np.sum(gradient**2, axis=-1)
        return score, -trace, gradient, (shares * extra).sum(axis=0) - spread

    def bend(self, x: Array, t: Any, along: Array) -> Array:
        """Return n^T (Hess log P_y) n for directions n of the shape of the points."""
        ratio, d, *_ = self._columns(x, t)
        top = np.maximum(ratio.max(axis=0, initial=-np.inf), 0.0)
        weight, own = np.exp(ratio - top), np.exp(-top)
        total = own + weight.sum(axis=0)
        shares, own = weight / total, own / total
        slopes = (d * along).sum(axis=-1)
        mean = (shares * slopes).sum(axis=0)
        spread = (shares * (slopes - mean) ** 2).sum(axis=0) + own * mean**2
        if self.common:
            return np.asarray(-spread)
        target = self._form(along, t, self.target)
        forms = np.array([self._form(along, t, k) - target for k in self.others])
        return np.asarray((shares * forms.reshape(shares.shape)).sum(axis=0) - spread)

    def _form(self, along: Array, t: Any, k: int) -> Array:
        """Return n^T C_k^{-1} n."""
        m = self.mixture
        r = np.asarray(self.schedule.signal(t))[..., None]
        spectrum = r * r * m.variances[k] + np.asarray(self.schedule.variance(t))[..., None]
        return np.asarray(((along @ m.axes[k]) ** 2 / spectrum).sum(axis=-1))

    def classifier_free_score(self, x: Array, t: Any, strength: Any) -> Array:
        """Return (1 + eta) s_y - eta sum_k P_k s_k: the other route to the guided score (G0)."""
        x = np.asarray(x, dtype=float)
        log_density, scores = [], []
        for k in [self.target, *self.others]:
            solved, spectrum = self._whitened(x, t, k)
            offset = x - np.asarray(self.schedule.signal(t))[..., None] * self.mixture.means[k]
            quadratic = np.sum(solved * offset, axis=-1) + np.sum(np.log(spectrum), axis=-1)
            log_density.append(self.mixture.log_weights[k] - 0.5 * quadratic)
            scores.append(-solved)
        # normalised after the exponential: far out a logsumexp is off by an ulp of its own size
        shares = np.exp(np.array(log_density) - np.max(log_density, axis=0))
        shares = shares / shares.sum(axis=0)
        unconditional = (shares[..., None] * np.array(scores)).sum(axis=0)
        eta = np.asarray(strength)[..., None]
        return np.asarray((1 + eta) * scores[0] - eta * unconditional)
