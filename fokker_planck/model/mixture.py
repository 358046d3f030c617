"""Gaussian mixtures: the data law, and the initial law of a reverse process."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from fokker_planck.model.checks import real_array, shown

Array = NDArray[np.float64]
#: beyond these, means and covariances lose the digits that error bars are made of
LARGEST, LEAST_VARIANCE = 1e6, 1e-30
LOG_2PI = float(np.log(2 * np.pi))


class GaussianMixture:
    r"""A Gaussian mixture :math:`\sum_k w_k N(\mu_k, \Sigma_k)` in dimension d.

    Parameters
    ----------
    weights : array_like, shape (K,)
        Nonnegative and summing to 1.
    means : array_like, shape (K,) or (K, d)
        Component means; plain (K,) means dimension one.
    covariances : array_like, optional
        None (identity), a scalar (times the identity), one common (d, d) matrix, or one matrix
        per component (K, d, d). In dimension one (K,) is accepted for variances per component.

    Raises
    ------
    ValueError
        If a field has a wrong shape, is not finite, weights are negative or do not sum to 1, or
        a covariance is not symmetric positive definite.

    Notes
    -----
    Everything is dimensionless. Components are counted from 0. See docs/theory.md, section 2.
    """

    def __init__(
        self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike | None = None
    ) -> None:
        w = real_array("weights", weights)
        if w.ndim != 1 or w.size == 0:
            raise ValueError(f"weights must have shape (K,), got {shown(weights)}")
        if np.any(w < 0):
            raise ValueError(f"weights must be nonnegative, got {shown(weights)}")
        if abs(w.sum() - 1) > 1e-9:
            raise ValueError(f"weights must sum to 1, got {shown(weights)} (sum {w.sum():.12g})")
        mu = real_array("means", means)
        if mu.ndim == 1:
            mu = mu[:, None]
        if mu.ndim != 2 or mu.shape[0] != w.size or mu.shape[1] == 0:
            raise ValueError(
                f"means must have shape (K,) or (K, d) with K = {w.size}, got {shown(means)}"
            )
        if np.abs(mu).max() > LARGEST:
            raise ValueError(f"means must lie within +-{LARGEST:g}, got {shown(means)}")
        self.weights: Array = w / w.sum()
        self.means: Array = mu
        self.covariances: Array = self._expand(covariances, *mu.shape)
        with np.errstate(divide="ignore"):
            self.log_weights: Array = np.log(self.weights)
        self.variances, self.axes = np.linalg.eigh(self.covariances)
        if np.any(self.variances <= 0):
            raise ValueError(f"covariances must be positive definite, got {shown(covariances)}")
        if self.variances.min() < LEAST_VARIANCE or self.variances.max() > LARGEST**2:
            raise ValueError(
                f"covariances must have eigenvalues within {LEAST_VARIANCE:g} to {LARGEST**2:g}, "
                f"got {shown(covariances)}"
            )
        self.common_covariance = bool(np.all(self.covariances == self.covariances[:1]))
        for array in (
            self.weights,
            self.means,
            self.covariances,
            self.log_weights,
            self.variances,
            self.axes,
        ):
            array.flags.writeable = False

    @staticmethod
    def _expand(covariances: ArrayLike | None, k: int, d: int) -> Array:
        if covariances is None:
            return np.tile(np.eye(d), (k, 1, 1))
        c = real_array("covariances", covariances)
        if c.ndim == 0:
            full = np.tile(float(c) * np.eye(d), (k, 1, 1))
        elif d == 1 and c.shape == (k,):
            full = c.reshape(k, 1, 1).copy()
        elif c.shape == (d, d):
            full = np.tile(c, (k, 1, 1))
        elif c.shape == (k, d, d):
            full = c.copy()
        else:
            raise ValueError(
                f"covariances must be a scalar or have shape {(k,) if d == 1 else (d, d)} or "
                f"{(k, d, d)}, "
                f"got {shown(covariances)}"
            )
        scale = np.abs(full).max()
        if np.abs(full - np.swapaxes(full, 1, 2)).max() > 1e-12 * scale:
            raise ValueError(f"covariances must be symmetric, got {shown(covariances)}")
        return 0.5 * (full + np.swapaxes(full, 1, 2))

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return int(self.weights.size)

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return int(self.means.shape[1])

    @property
    def mean(self) -> Array:
        """Mean of the mixture, shape (d,)."""
        return self.weights @ self.means

    @property
    def covariance(self) -> Array:
        """Covariance of the mixture, shape (d, d)."""
        centred = self.means - self.mean
        between = np.einsum("k,ki,kj->ij", self.weights, centred, centred)
        return between + np.einsum("k,kij->ij", self.weights, self.covariances)

    def component(self, k: int) -> GaussianMixture:
        """Return component ``k`` as a law of its own."""
        return GaussianMixture([1.0], self.means[k : k + 1], self.covariances[k : k + 1])

    def log_density(self, x: ArrayLike) -> Array:
        """Return log p(x) for points (..., d); plain (n,) in dimension one.

        Shape of the result: that of the points without their last axis.
        """
        points = as_points(x, self.dimension)
        terms = []
        for k in range(self.n_components):
            z = (points - self.means[k]) @ self.axes[k]
            quadratic = np.sum(z * z / self.variances[k], axis=-1)
            normaliser = np.sum(np.log(self.variances[k])) + self.dimension * LOG_2PI
            terms.append(self.log_weights[k] - 0.5 * (quadratic + normaliser))
        return np.asarray(logsumexp(np.stack(terms), axis=0))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw ``n`` points, shape (n, d)."""
        z = rng.standard_normal((n, self.dimension))
        if self.n_components == 1:
            labels = np.zeros(n, dtype=int)
        else:
            edges = np.cumsum(self.weights)
            uniform = rng.random(n) * edges[-1]
            labels = np.minimum(
                np.searchsorted(edges, uniform, side="right"), self.n_components - 1
            )
        roots = self.axes * np.sqrt(self.variances)[:, None, :]
        return self.means[labels] + np.einsum("nij,nj->ni", roots[labels], z)

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the mixture: for records and for seeds."""
        return {
            "weights": self.weights.tolist(),
            "means": self.means.tolist(),
            "covariances": self.covariances.tolist(),
        }

    def __repr__(self) -> str:
        means = self.means[:, 0] if self.dimension == 1 else self.means
        tail = ""
        if np.any(self.covariances != np.eye(self.dimension)):
            cov = self.covariances[0] if self.common_covariance else self.covariances
            tail = f", covariances={cov.tolist()}"
        return f"GaussianMixture({self.weights.tolist()}, {means.tolist()}{tail})"


def as_points(x: ArrayLike, dimension: int) -> Array:
    """Return points as an array (..., d); plain (n,) or a number is accepted in dimension one.

    Raises
    ------
    ValueError
        If the last axis is not the dimension.
    """
    points = np.asarray(x, dtype=float)
    if dimension == 1 and (points.ndim <= 1 or points.shape[-1] != 1):
        return points[..., None]
    if points.ndim == 0 or points.shape[-1] != dimension:
        raise ValueError(f"x must have shape (..., {dimension}), got {points.shape}")
    return points
