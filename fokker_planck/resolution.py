"""Whether nodes are close enough for the posterior of a mixture (docs/theory.md, N1d)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: probability of two neighbours, and the points: first, second, and nearest to a component
Gap = tuple[Array, Array, Array, Array]
#: nodes with less probability than this need not resolve anything
NEGLIGIBLE = 1e-18
#: how many deviations of a component count as near it
NEAR = 8.0


def neighbours(s: Any) -> list[tuple[Array, Array, Array]]:
    """Return points, step to the next node and larger mass of the two, for every grid axis."""
    points = s.points.reshape(*s.grid, -1)
    mass = np.abs(s.mass).reshape(s.grid)
    out = []
    for axis in range(len(s.grid)):
        first, second = (
            tuple(part if k == axis else slice(None) for k in range(len(s.grid)))
            for part in (slice(None, -1), slice(1, None))
        )
        larger = np.maximum(mass[first], mass[second])
        used = larger > NEGLIGIBLE
        out.append((points[first][used], (points[second] - points[first])[used], larger[used]))
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
        pairs = neighbours(s)
        for k in np.flatnonzero(mixture.weights > 0):
            centre = r * mixture.means[k]
            whiten = mixture.axes[k] / np.sqrt(r * r * mixture.variances[k] + v)
            gap = float(np.linalg.norm((anchors - centre) @ whiten, axis=1).max())
            least = slack / max(1.0, gap)
            for x, step, mass in pairs:
                span = step @ whiten
                size = np.sum(span * span, axis=1)
                wide = size > least * least
                if not np.any(wide):
                    continue
                # between the two nodes lies a point near the component
                first, span, size = x[wide], span[wide], size[wide]
                here = (first - centre) @ whiten
                share = np.clip(-np.sum(here * span, axis=1) / size, 0.0, 1.0)[:, None]
                near = np.sum((here + share * span) ** 2, axis=1) < NEAR**2
                if np.any(near):
                    first, along = first[near], step[wide][near]
                    yield mass[wide][near], first, first + along, first + share[near] * along

    return gaps
