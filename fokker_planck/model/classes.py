"""The posterior of a class of several components, and the ratio of a pair of laws.

Both give the scores in the form that processes use: the score of the class, its divergence, the
gradient that guidance adds and the divergence of that, as ``scalar`` and ``vector`` do where the
class is one Gaussian. Dimension one takes plain points; see ``contrast`` for the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fokker_planck.model.contrast import Contrast, DiffusedPair
from fokker_planck.model.mixture import GaussianMixture
from fokker_planck.model.schedule import Schedule

Array = NDArray[np.float64]


class _Contrasted:
    """A pair of diffused laws with points of the shapes that processes pass."""

    def __init__(self, dimension: int, pair: DiffusedPair) -> None:
        self.dimension = dimension
        self.pair = pair

    def _at(self, x: Any, t: Any, along: Array | None = None) -> Contrast:
        x = np.asarray(x, dtype=float)
        if self.dimension > 1:
            return self.pair.at(x, t, along)
        return self.pair.at(x[..., None], t, None if along is None else along[..., None])

    def _vector(self, a: Array) -> Array:
        return a if self.dimension > 1 else a[..., 0]

    def _times(self, factor: Array, vector: Array) -> Array:
        return factor[..., None] * vector if self.dimension > 1 else factor * vector

    def target_score(self, x: Any, t: Any) -> Array:
        """Return the score of the class."""
        return self._vector(self._at(x, t).score)

    def posterior_gradient(self, x: Any, t: Any) -> Array:
        """Return what guidance adds, times the strength."""
        return self.scores(x, t)[2]

    def score_and_gradient(self, x: Any, t: Any) -> tuple[Array, Array]:
        """Return the class score and what guidance adds, in one pass."""
        score, _, gradient, _ = self.scores(x, t)
        return score, gradient

    def scores(self, x: Any, t: Any) -> tuple[Array, Array, Array, Array]:
        """Return the class score, its divergence, the guidance and its divergence."""
        raise NotImplementedError


class ClassPosterior(_Contrasted):
    r"""Posterior P_t(y|x) of a class of a diffused mixture, and its gradient.

    With the class law a and the rest b (weights included) and :math:`\rho = \log b - \log a`,
    :math:`P = 1/(1 + e^\rho)`, so that

    .. math:: \nabla\log P = (1 - P)\,u, \quad u = \nabla\log a - \nabla\log b, \qquad
              \nabla^2\log P = (1 - P)\,\nabla u - P (1 - P)\,u u^T .

    Parameters
    ----------
    mixture : GaussianMixture
        The data law, with labels.
    target : int
        The label of the class y.
    schedule : Schedule
        The forward process.
    """

    def __init__(self, mixture: GaussianMixture, target: int, schedule: Schedule) -> None:
        members = mixture.members(target)
        used = np.flatnonzero(mixture.weights > 0)
        others = np.setdiff1d(used, members)
        super().__init__(mixture.dimension, DiffusedPair(mixture, members, others, schedule))
        self.classes = [
            None if label == target else mixture.members(label)
            for label in range(mixture.n_classes)
        ]
        self.ratios = [
            None if rivals is None else DiffusedPair(mixture, members, rivals, schedule)
            for rivals in self.classes
        ]

    def log_posterior(self, x: Any, t: Any) -> Array:
        """Return log P_t(y|x)."""
        return np.asarray(-np.logaddexp(0.0, self._at(x, t).log_ratio))

    def log_complement(self, x: Any, t: Any) -> Array:
        """Return log(1 - P_t(y|x)); -inf if there is no other component."""
        ratio = self._at(x, t).log_ratio
        return np.asarray(ratio - np.logaddexp(0.0, ratio))

    def log_ratios(self, x: Any, t: Any) -> Array:
        """Return log P(y)/P(l) over classes l, shape (L, ...): zero for l = y."""
        points = np.asarray(x, dtype=float)
        points = points if self.dimension > 1 else points[..., None]
        lead = np.broadcast_shapes(points.shape[:-1], np.shape(t))
        out = np.zeros((len(self.ratios), *lead))
        for row, pair in zip(out, self.ratios, strict=True):
            if pair is not None:
                row[...] = -pair.at(points, t).log_ratio
        return out

    def scores(self, x: Any, t: Any) -> tuple[Array, Array, Array, Array]:
        """Return s_y, its divergence, grad log P_y and its divergence, in one pass."""
        found = self._at(x, t)
        rest, own = expit(found.log_ratio), expit(-found.log_ratio)
        length = (found.gap**2).sum(axis=-1)
        return (
            self._vector(found.score),
            found.curvature,
            self._times(rest, self._vector(found.gap)),
            rest * (found.gap_curvature - own * length),
        )

    def bend(self, x: Any, t: Any, along: Array) -> Array:
        """Return n^T (Hess log P) n for directions n of the shape of the points."""
        found = self._at(x, t, along)
        rest, own = expit(found.log_ratio), expit(-found.log_ratio)
        slope = (found.gap * (along if self.dimension > 1 else along[..., None])).sum(axis=-1)
        return np.asarray(rest * (found.gap_curvature - own * slope**2))

    def classifier_free_score(self, x: Any, t: Any, strength: Any) -> Array:
        """Return (1 + eta) s_y - eta grad log p_t, with P s_y + (1 - P) s_rest for the latter."""
        found = self._at(x, t)
        own, rest = expit(-found.log_ratio), expit(found.log_ratio)
        score, other = self._vector(found.score), self._vector(found.score - found.gap)
        whole = self._times(own, score) + self._times(rest, other)
        eta = np.asarray(strength, dtype=float)
        lead = found.log_ratio.shape
        eta = np.broadcast_to(eta, lead)
        return self._times(1 + eta, score) - self._times(eta, whole)


class LawRatio(_Contrasted):
    r"""The ratio of a class law and a total law, both diffused: a pair without a posterior.

    Guidance adds :math:`\nabla\log p^c_t - \nabla\log p_t`.

    Parameters
    ----------
    class_law, total_law : GaussianMixture
        The two laws, of one dimension.
    schedule : Schedule
        The forward process.
    """

    def __init__(
        self, class_law: GaussianMixture, total_law: GaussianMixture, schedule: Schedule
    ) -> None:
        k = class_law.n_components
        union = GaussianMixture(
            np.concatenate([class_law.weights, total_law.weights]) / 2,
            np.concatenate([class_law.means, total_law.means]),
            np.concatenate([class_law.covariances, total_law.covariances]),
            atoms=class_law.singular or total_law.singular,
        )
        used = union.weights > 0
        first, second = np.flatnonzero(used[:k]), k + np.flatnonzero(used[k:])
        super().__init__(class_law.dimension, DiffusedPair(union, first, second, schedule))

    def log_ratio(self, x: Any, t: Any) -> Array:
        """Return log p_t(x) of the class less that of the total law."""
        return -self._at(x, t).log_ratio

    def scores(self, x: Any, t: Any) -> tuple[Array, Array, Array, Array]:
        """Return the class score, its divergence, the difference of scores and its divergence."""
        found = self._at(x, t)
        gap = self._vector(found.gap)
        return self._vector(found.score), found.curvature, gap, found.gap_curvature

    def bend(self, x: Any, t: Any, along: Array) -> Array:
        """Return n^T Hess(log class - log total) n for directions n."""
        return self._at(x, t, along).gap_curvature

    def classifier_free_score(self, x: Any, t: Any, strength: Any) -> Array:
        """Return (1 + eta) s_class - eta s_total."""
        found = self._at(x, t)
        score, total = self._vector(found.score), self._vector(found.score - found.gap)
        eta = np.broadcast_to(np.asarray(strength, dtype=float), found.log_ratio.shape)
        return self._times(1 + eta, score) - self._times(eta, total)
