"""Gaussian mixtures: the data law, and the initial law of a reverse process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from fokker_planck.model.checks import real_array, shown, whole_number
from fokker_planck.model.schedule import Schedule

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
    labels : array_like of int, shape (K,), optional
        The class of each component, from 0; components of one label form a class, whose law is a
        mixture itself. None: every component is a class of its own.
    atoms : bool
        Whether covariances may vanish, as they do for point masses (see :func:`atoms`).

    Attributes
    ----------
    labels : ndarray or None
        None where every component is a class of its own, in their order.

    Raises
    ------
    ValueError
        If a field has a wrong shape, is not finite, weights are negative or do not sum to 1, a
        covariance is not symmetric positive definite, or labels are not 0, ..., L - 1.

    Notes
    -----
    Everything is dimensionless. Components are counted from 0. See docs/theory.md, section 2.
    """

    def __init__(
        self,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        *,
        atoms: bool = False,
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
        if atoms:  # rounding leaves eigenvalues of this size where a law is flat
            flat = np.abs(self.variances) <= 1e-15 * np.abs(self.variances).max()
            self.variances[flat] = 0.0
        if np.any(self.variances < 0) or (not atoms and np.any(self.variances == 0)):
            raise ValueError(f"covariances must be positive definite, got {shown(covariances)}")
        self.singular = bool(np.any(self.variances == 0))
        least = self.variances[self.variances > 0].min(initial=np.inf)
        if least < LEAST_VARIANCE or self.variances.max() > LARGEST**2:
            raise ValueError(
                f"covariances must have eigenvalues within {LEAST_VARIANCE:g} to {LARGEST**2:g}, "
                f"got {shown(covariances)}"
            )
        self.common_covariance = bool(np.all(self.covariances == self.covariances[:1]))
        self.labels = self._check_labels(labels, w.size)
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

    @staticmethod
    def _check_labels(labels: ArrayLike | None, k: int) -> NDArray[np.intp] | None:
        if labels is None:
            return None
        found = np.asarray(labels)
        if found.shape != (k,) or found.dtype.kind not in "iu":
            raise ValueError(f"labels must be {k} whole numbers, got {shown(labels)}")
        if not np.array_equal(np.unique(found), np.arange(found.max() + 1)):
            raise ValueError(f"labels must be 0, 1, ... without gaps, got {shown(labels)}")
        if np.array_equal(found, np.arange(k)):
            return None
        out: NDArray[np.intp] = found.astype(np.intp)
        out.flags.writeable = False
        return out

    @classmethod
    def of_classes(cls, laws: Sequence[GaussianMixture], weights: ArrayLike) -> GaussianMixture:
        """Return the mixture of class laws, each a mixture itself, labelled in their order.

        Parameters
        ----------
        laws : sequence of GaussianMixture
            The laws p(x|y), of one dimension.
        weights : array_like, shape (L,)
            The weights of the classes.

        Raises
        ------
        ValueError
            If the laws are not mixtures of one dimension, or the weights do not fit.
        """
        laws = list(laws)
        if not laws or not all(isinstance(law, GaussianMixture) for law in laws):
            raise ValueError(f"laws must be GaussianMixtures, got {shown(laws)}")
        if len({law.dimension for law in laws}) != 1:
            raise ValueError(f"laws must have one dimension, got {[x.dimension for x in laws]}")
        w = real_array("weights", weights)
        if w.shape != (len(laws),):
            raise ValueError(f"weights must have shape ({len(laws)},), got {shown(weights)}")
        return GaussianMixture(
            np.concatenate([share * law.weights for share, law in zip(w, laws, strict=True)]),
            np.concatenate([law.means for law in laws]),
            np.concatenate([law.covariances for law in laws]),
            np.repeat(np.arange(len(laws)), [law.n_components for law in laws]),
            atoms=any(law.singular for law in laws),
        )

    @property
    def n_classes(self) -> int:
        """Number of classes L."""
        return self.n_components if self.labels is None else int(self.labels.max()) + 1

    def members(self, label: int) -> NDArray[np.intp]:
        """Return the components of a class that have weight, in increasing order.

        Raises
        ------
        ValueError
            If there is no such class.
        """
        label = whole_number("target", label, minimum=0, maximum=self.n_classes - 1)
        labels = np.arange(self.n_components) if self.labels is None else self.labels
        return np.flatnonzero((labels == label) & (self.weights > 0))

    def class_law(self, label: int) -> GaussianMixture:
        """Return the law of a class, p(x|y), without labels."""
        chosen = self.members(label)
        weights = self.weights[chosen] / self.weights[chosen].sum()
        covariances = self.covariances[chosen]
        return GaussianMixture(weights, self.means[chosen], covariances, atoms=self.singular)

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
        return GaussianMixture(
            [1.0], self.means[k : k + 1], self.covariances[k : k + 1], atoms=self.singular
        )

    def log_density(self, x: ArrayLike) -> Array:
        """Return log p(x) for points (..., d); plain (n,) in dimension one.

        Shape of the result: that of the points without their last axis.

        Raises
        ------
        ValueError
            If the law has point masses.
        """
        if self.singular:
            raise ValueError(
                "covariances must be positive definite for a density, got point masses"
            )
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
        out: dict[str, Any] = {
            "weights": self.weights.tolist(),
            "means": self.means.tolist(),
            "covariances": self.covariances.tolist(),
        }
        if self.labels is not None:
            out["labels"] = self.labels.tolist()
        if self.singular:
            out["atoms"] = True
        return out

    def __repr__(self) -> str:
        if self.n_components > 16:
            return f"GaussianMixture(<{self.n_components} components>, dimension {self.dimension})"
        means = self.means[:, 0] if self.dimension == 1 else self.means
        tail = ""
        if np.any(self.covariances != np.eye(self.dimension)):
            cov = self.covariances[0] if self.common_covariance else self.covariances
            tail = f", covariances={cov.tolist()}"
        if self.labels is not None:
            tail += f", labels={self.labels.tolist()}"
        return f"GaussianMixture({self.weights.tolist()}, {means.tolist()}{tail})"


def atoms(nodes: ArrayLike, weights: ArrayLike, labels: ArrayLike | None = None) -> GaussianMixture:
    """Return a law of point masses, which diffusion turns into a Gaussian mixture.

    Parameters
    ----------
    nodes : array_like, shape (K,) or (K, d)
        Where the masses sit.
    weights : array_like, shape (K,)
        Nonnegative and summing to 1.
    labels : array_like of int, shape (K,), optional
        The class of each node.

    Raises
    ------
    ValueError
        As :class:`GaussianMixture` does.

    Notes
    -----
    Such a law has no density: a process needs early stopping (``stop > 0``), after which every
    component has the variance v(stop) of the noise at least.
    """
    places = real_array("nodes", nodes)
    if places.ndim not in (1, 2) or places.size == 0:
        raise ValueError(f"nodes must have shape (K,) or (K, d), got {shown(nodes)}")
    d = 1 if places.ndim == 1 else places.shape[1]
    return GaussianMixture(weights, places, np.zeros((d, d)), labels, atoms=True)


def diffused(law: GaussianMixture, schedule: Schedule, t: float) -> GaussianMixture:
    r"""Return the law at forward time t: means r mu_k, covariances r^2 Sigma_k + v I."""
    r = float(schedule.signal(t))
    spread = r * r * law.covariances
    spread = spread + float(schedule.variance(t)) * np.eye(law.dimension)
    return GaussianMixture(law.weights, r * law.means, spread, law.labels)


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
