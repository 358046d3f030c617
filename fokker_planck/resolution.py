"""Whether nodes are close enough for the posterior of a mixture (docs/theory.md, N1d)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
#: axis of the grid, flat indices of two neighbours, and the point between nearest to a component
Gap = tuple[int, Index, Index, Array]
#: nodes with less probability than this need not resolve anything
NEGLIGIBLE = 1e-18
#: how many deviations of a component count as near it
NEAR = 8.0


def neighbours(s: Any) -> list[tuple[Index, Index]]:
    """Return the flat indices of neighbours along every grid axis, where there is probability."""
    mass = np.abs(s.mass)
    index = np.arange(mass.size).reshape(s.grid)
    out = []
    for axis in range(index.ndim):
        first, second = (
            np.take(index, np.arange(start, start + index.shape[axis] - 1), axis=axis).ravel()
            for start in (0, 1)
        )
        used = np.maximum(mass[first], mass[second]) > NEGLIGIBLE
        out.append((first[used], second[used]))
    return out


def classifier_gaps(process: Any) -> Callable[..., Iterator[Gap]]:
    """Return a search for neighbouring nodes that are too far apart for a posterior.

    Near a component of covariance C the posterior varies over a unit of C^{-1/2} x, or over
    1/|C^{-1/2} gap| of it, the gap being the distance of its mean from the farthest one of the
    target's class; nodes have to be that close, or ``slack`` times as far, wherever there is
    probability.
    """

    def gaps(s: Any, slack: float = 1.0) -> Iterator[Gap]:
        mixture, schedule = process.mixture, process.schedule
        t = float(process.forward_time(s.tau))
        r, v = float(schedule.signal(t)), float(schedule.variance(t))
        labels = getattr(mixture, "labels", None)
        labels = np.arange(mixture.n_components) if labels is None else np.asarray(labels)
        anchors = r * mixture.means[labels == process.target]
        points = s.points.reshape(s.mass.size, -1)
        pairs = [(one, two, points[two] - points[one]) for one, two in neighbours(s)]
        for k in np.flatnonzero(mixture.weights > 0):
            centre = r * mixture.means[k]
            whiten = mixture.axes[k] / np.sqrt(r * r * mixture.variances[k] + v)
            gap = float(np.linalg.norm((anchors - centre) @ whiten, axis=1).max())
            least = slack / max(1.0, gap)
            for axis, (one, two, step) in enumerate(pairs):
                span = step @ whiten
                size = np.sum(span * span, axis=1)
                wide = size > least * least
                if not np.any(wide):
                    continue
                # between the two nodes lies a point near the component
                first, span, size = points[one[wide]], span[wide], size[wide]
                here = (first - centre) @ whiten
                share = np.clip(-np.sum(here * span, axis=1) / size, 0.0, 1.0)[:, None]
                near = np.sum((here + share * span) ** 2, axis=1) < NEAR**2
                if np.any(near):
                    nearest = first[near] + share[near] * step[wide][near]
                    yield axis, one[wide][near], two[wide][near], nearest

    return gaps
