r"""Nodes over the law from which characteristics start (docs/theory.md, N4b).

The trapezoid rule on a tensor grid in coordinates :math:`x = \bar m + A z` in which the mean
covariance of the components is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from fokker_planck.methods.base import SolverError
from fokker_planck.model import GaussianMixture

Array = NDArray[np.float64]
#: most nodes on the line, and in more dimensions
MAX_NODES = (1 << 14, 1 << 16)


@dataclass(frozen=True)
class StartGrid:
    """Nodes over a law.

    Parameters
    ----------
    points : ndarray, shape (d, n)
    mass : ndarray, shape (n,)
        Probability that each node stands for.
    log_density : ndarray, shape (n,)
    shape : tuple of int
        Tensor shape of the nodes, in C order.
    lost : float
        Probability beyond the outermost nodes, or more.
    distribution : ndarray, shape (n,)
        Distribution function at the nodes, in dimension one; else empty.
    """

    points: Array
    mass: Array
    log_density: Array
    shape: tuple[int, ...]
    lost: float
    distribution: Array


def whitening(law: GaussianMixture) -> tuple[Array, Array]:
    """Return A, shape (d, d), and deviations of the components along the new axes, (K, d)."""
    within = np.einsum("k,kij->ij", law.weights, law.covariances)
    variances, axes = np.linalg.eigh(within)
    scale = axes * np.sqrt(variances)
    inverse = (axes / np.sqrt(variances)).T
    whitened = inverse @ law.covariances @ inverse.T
    return scale, np.sqrt(np.diagonal(whitened, axis1=1, axis2=2))


def most_nodes(dimension: int) -> int:
    """Return how many nodes are allowed."""
    return MAX_NODES[min(dimension, len(MAX_NODES)) - 1]


def _box(law: GaussianMixture, spacing: Array, reach: float) -> tuple[Array, Array, Array]:
    """Return the ends of the grid in the new coordinates and the number of nodes, (d,) each."""
    scale, deviations = whitening(law)
    means = np.linalg.solve(scale, (law.means - law.mean).T).T
    lower = np.min(means - reach * deviations, axis=0)
    upper = np.max(means + reach * deviations, axis=0)
    wanted = np.ceil((upper - lower) / (spacing * _smallest_deviation(law, scale)))
    return lower, upper, wanted // 2 * 2 + 1


def nodes_needed(law: GaussianMixture, spacing: Array, reach: float) -> float:
    """Return the number of nodes of :func:`starting_nodes`."""
    return float(np.prod(_box(law, spacing, reach)[2]))


def starting_nodes(law: GaussianMixture, spacing: Array, reach: float) -> StartGrid:
    """Return a grid over a law.

    Parameters
    ----------
    law : GaussianMixture
    spacing : ndarray, shape (d,)
        Distance of neighbouring nodes, in units of the smallest deviation of a component.
    reach : float
        How far the nodes go beyond every component's mean, in its deviations.

    Raises
    ------
    SolverError
        If that takes too many nodes.
    """
    d = law.dimension
    lower, upper, wanted = _box(law, spacing, reach)
    if np.prod(wanted) > most_nodes(d):
        raise SolverError(
            f"characteristics: {np.prod(wanted):.3g} starting nodes needed, "
            f"more than {most_nodes(d)}"
        )
    counts = [int(n) for n in wanted]
    scale, deviations = whitening(law)
    means = np.linalg.solve(scale, (law.means - law.mean).T).T
    lines = [np.linspace(a, b, n) for a, b, n in zip(lower, upper, counts, strict=True)]
    z = np.stack([axis.ravel() for axis in np.meshgrid(*lines, indexing="ij")])
    points = law.mean[:, None] + scale @ z
    log_density = law.log_density(points[0] if d == 1 else points.T)
    cell = float(np.prod((upper - lower) / (np.array(counts) - 1))) * abs(
        float(np.prod(np.linalg.svd(scale, compute_uv=False)))
    )
    beyond = ndtr((lower - means) / deviations) + ndtr((means - upper) / deviations)
    distribution = np.empty(0)
    if d == 1:
        sides = (points[0][:, None] - law.means[:, 0]) / np.sqrt(law.covariances[:, 0, 0])
        distribution = np.asarray(ndtr(sides) @ law.weights)
    return StartGrid(
        points,
        np.exp(log_density) * cell,
        log_density,
        tuple(counts),
        float(law.weights @ beyond.sum(axis=1)),
        distribution,
    )


def _smallest_deviation(law: GaussianMixture, scale: Array) -> float:
    """Return the smallest deviation of a component in any direction of the new coordinates."""
    inverse = np.linalg.inv(scale)
    whitened = inverse @ law.covariances @ inverse.T
    return float(np.sqrt(np.linalg.eigvalsh(whitened).min()))
