"""The drift of a diffused mixture in any dimension, from the textbook formulas, at points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics, GaussianMixture, ReverseProcess

Array = NDArray[np.float64]
#: guidance rules that are a number at every time
SCALAR_RULES = ("ConstantStrength", "LinearStrength", "TimeStrength", "IntervalStrength")


def is_plain_mixture(process: Any) -> bool:
    """Whether the drift is that of a mixture under a strength that depends on time alone."""
    return (
        type(process) is ReverseProcess
        and type(process.guidance).__name__ in SCALAR_RULES
        and getattr(process, "perturbation", None) is None
    )


def naive_drift(process: Dynamics, points: Array, tau: float) -> Array:
    """Return the drift at points (n, d), without the model's own evaluation where possible.

    For a mixture b = -f x + c [(1 + eta) s_class - eta s_total] with scores from the posteriors
    of the components; a process of another kind is asked itself.
    """
    if not is_plain_mixture(process):
        x = points[:, 0] if points.shape[1] == 1 else points
        return np.asarray(process.drift(x, tau), dtype=float).reshape(points.shape)
    assert isinstance(process, ReverseProcess)
    t = float(process.forward_time(tau))
    schedule = process.schedule
    r, v = float(schedule.signal(t)), float(schedule.variance(t))
    f, diffusivity = float(schedule.drift_rate(t)), float(schedule.diffusivity(t))
    eta = float(process.guidance.strength(t))
    own, score = _scores(process.mixture, members(process), points, r, v)
    weight = (1 + process.noise_level**2) * diffusivity
    return np.asarray(weight * ((1 + eta) * own - eta * score) - f * points)


def members(process: Any) -> NDArray[np.bool_]:
    """Return which components belong to the target class."""
    labels = getattr(process.mixture, "labels", None)
    labels = np.arange(process.mixture.n_components) if labels is None else np.asarray(labels)
    return np.asarray(labels == process.target)


def _scores(
    mixture: GaussianMixture, own: NDArray[np.bool_], points: Array, r: float, v: float
) -> tuple[Array, Array]:
    """Return the scores of the class and of the whole diffused mixture."""
    logs, gradients = [], []
    used = np.flatnonzero(mixture.weights > 0)
    for k in used:
        spread = r * r * mixture.covariances[k] + v * np.eye(mixture.dimension)
        gap = r * mixture.means[k] - points
        pull = np.linalg.solve(spread, gap.T).T
        logs.append(
            np.log(mixture.weights[k])
            - 0.5 * np.linalg.slogdet(spread)[1]
            - 0.5 * np.sum(gap * pull, axis=1)
        )
        gradients.append(pull)
    log_p, pulls = np.array(logs), np.array(gradients)

    def score(chosen: NDArray[np.bool_]) -> Array:
        shares = np.exp(log_p[chosen] - log_p[chosen].max(axis=0))
        shares /= shares.sum(axis=0)
        return np.asarray(np.einsum("kn,knd->nd", shares, pulls[chosen]))

    return score(own[used]), score(np.ones(used.size, dtype=bool))


def diffusivity_of(process: Dynamics, tau: float) -> float:
    """Return D = g^2 / 2 at a reverse time."""
    return 0.5 * float(np.asarray(process.noise(tau))) ** 2
