"""Laws that a push-forward starts from: a mixture, or the gridded law before a last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from fokker_planck.chains.noisy import GaussianSum
from fokker_planck.model import GaussianMixture

Array = NDArray[np.float64]
#: nodes whose Gaussians are summed together
TOGETHER = 64
#: panels next to 0 shrink by this factor
CLOSING = 0.125


class StartLaw(Protocol):
    """A law on the line with a smooth density."""

    @property
    def edges(self) -> Array:
        """Ends of the first panels of a quadrature."""

    @property
    def lost(self) -> float:
        """Probability beyond the ends, or more."""

    def density(self, x: Array) -> tuple[Array, Array]:
        """Return p and log p at points."""

    def distribution(self, x: Array) -> Array:
        """Return the distribution function at points."""


@dataclass(frozen=True)
class MixtureStart:
    """A Gaussian mixture, cut where less than ``lost`` is left.

    Parameters
    ----------
    law : GaussianMixture
    tail : float
        Probability that may be left off at either end.
    """

    law: GaussianMixture
    tail: float

    @property
    def _parts(self) -> tuple[Array, Array]:
        return self.law.means[:, 0], np.sqrt(self.law.covariances[:, 0, 0])

    @property
    def edges(self) -> Array:
        """Ends of the first panels: two to a deviation of every component, and 0."""
        means, deviations = self._parts
        reach = -float(ndtri(self.tail))
        steps = np.linspace(-reach, reach, 33)
        edges = np.unique(np.add.outer(means, 0.0)[:, None] + np.outer(deviations, steps))
        return _with_zero(edges, 10 * self.tail)

    @property
    def lost(self) -> float:
        """Probability beyond the ends."""
        return 2 * self.tail

    def density(self, x: Array) -> tuple[Array, Array]:
        """Return p and log p at points."""
        logs = self.law.log_density(x)
        return np.exp(logs), logs

    def distribution(self, x: Array) -> Array:
        """Return the distribution function at points."""
        means, deviations = self._parts
        return np.asarray(ndtr((x[:, None] - means) / deviations) @ self.law.weights)


class SumStart:
    """A sum of Gaussians at many sources, one row.

    Attributes
    ----------
    edges, lost
        As in :class:`StartLaw`.

    Parameters
    ----------
    law : GaussianSum
    """

    def __init__(self, law: GaussianSum) -> None:
        order = np.argsort(law.sources.points)
        self.points, self.mass = law.sources.points[order], law.sources.mass[order]
        self.deviation = law.deviation
        self.reach = law.resolution.reach * law.deviation
        self.lost: float = float(law.lost[0])
        spacing = law.resolution.cell * law.deviation
        nodes, values = law.on_lattice(spacing).one(0)
        some = np.cumsum(values) * spacing
        inside = (some > law.resolution.cut) & (some[-1] - some > law.resolution.cut)
        self.lost += float(np.sum(values[~inside]) * spacing)
        kept = nodes[inside]
        count = max(24, min(256, int((kept[-1] - kept[0]) / (4 * law.deviation))))
        self.edges: Array = _with_zero(
            np.linspace(kept[0], kept[-1], count + 1), max(law.resolution.cut, 1e-15)
        )

    def _summed(self, x: Array, tail: bool) -> Array:
        """Return sums of Gaussians, or of their distribution functions, at increasing points."""
        out = np.zeros(x.size)
        below = np.concatenate([[0.0], np.cumsum(self.mass)])
        for begin in range(0, x.size, TOGETHER):
            part = x[begin : begin + TOGETHER]
            i = int(np.searchsorted(self.points, part[0] - self.reach))
            j = int(np.searchsorted(self.points, part[-1] + self.reach))
            z = np.subtract.outer(part, self.points[i:j]) / self.deviation
            if tail:
                out[begin : begin + part.size] = ndtr(z) @ self.mass[i:j] + below[i]
            else:
                kernel = np.exp(-0.5 * z * z) / (self.deviation * np.sqrt(2 * np.pi))
                out[begin : begin + part.size] = kernel @ self.mass[i:j]
        return out

    def _anywhere(self, x: Array, tail: bool) -> Array:
        order = np.argsort(x, kind="stable")
        out = np.empty(x.size)
        out[order] = self._summed(x[order], tail)
        return out

    def density(self, x: Array) -> tuple[Array, Array]:
        """Return p and log p at points."""
        values = self._anywhere(x, False)
        return values, np.log(np.maximum(np.abs(values), np.finfo(float).tiny))

    def distribution(self, x: Array) -> Array:
        """Return the distribution function at points."""
        return self._anywhere(x, True)


def _with_zero(edges: Array, least: float) -> Array:
    """Return edges that close in on 0 if it lies inside, down to probability ``least``.

    There a mirrored map jumps, and what it leaves in between would not be seen.
    """
    if not edges[0] < 0 < edges[-1]:
        return edges
    width = float(np.diff(edges).max())
    steps = width * CLOSING ** np.arange(1, 1 + int(np.ceil(np.log(least) / np.log(CLOSING))))
    inner = np.concatenate([-steps, [0.0], steps])
    return np.unique(np.concatenate([edges[np.abs(edges) > 1e-3 * width], inner]))
