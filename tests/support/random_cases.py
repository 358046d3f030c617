"""Random cases from the published distribution, for tests.

Separations 0.1 to 8 (log-uniform), weights at least 0.01, strengths 0 to 16, horizons 1 to 8,
two to four components on the line or in the plane, unit covariance unless asked otherwise:
variances are then log-uniform in 0.05 to 4, in the plane along random axes. Where schedules are
drawn, each of the four is as likely; those on a unit of time have horizons 0.3 to 1 (linear) and
0.5 to 0.98 (cosine).
"""

from __future__ import annotations

import numpy as np

import fokker_planck as fp
from fokker_planck.model import Schedule


def random_mixture(rng: np.random.Generator, *, variances: bool = False) -> fp.GaussianMixture:
    """Draw a mixture: neighbouring means differ by a separation drawn for each gap."""
    k = int(rng.integers(2, 5))
    gaps = np.exp(rng.uniform(np.log(0.1), np.log(8.0), size=k - 1))
    # the largest separation, not each gap, stays within 8
    gaps *= min(1.0, 8.0 / gaps.sum())
    means = np.concatenate([[0.0], np.cumsum(gaps)]) - 0.5 * gaps.sum()
    weights = 0.01 + (1 - 0.01 * k) * rng.dirichlet(np.ones(k))
    covariances = np.exp(rng.uniform(np.log(0.05), np.log(4.0), size=k)) if variances else None
    return fp.GaussianMixture(weights / weights.sum(), means, covariances)


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Draw a rotation of the plane."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def random_plane_mixture(
    rng: np.random.Generator, *, variances: bool = False
) -> fp.GaussianMixture:
    """Draw a mixture in the plane: a walk of such separations in random directions."""
    k = int(rng.integers(2, 5))
    gaps = np.exp(rng.uniform(np.log(0.1), np.log(8.0), size=k - 1))
    gaps *= min(1.0, 8.0 / gaps.sum())
    angle = rng.uniform(0, 2 * np.pi, size=k - 1)
    steps = gaps[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    means = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    weights = 0.01 + (1 - 0.01 * k) * rng.dirichlet(np.ones(k))
    covariances = None
    if variances:
        spectra = np.exp(rng.uniform(np.log(0.05), np.log(4.0), size=(k, 2)))
        turns = [random_rotation(rng) for _ in range(k)]
        covariances = np.array([q * s @ q.T for q, s in zip(turns, spectra, strict=True)])
    return fp.GaussianMixture(weights / weights.sum(), means - means.mean(axis=0), covariances)


def random_schedule(rng: np.random.Generator) -> tuple[Schedule, float]:
    """Draw a schedule and a horizon for it."""
    choices = (
        (fp.OrnsteinUhlenbeck(), 1.0, 8.0),
        (fp.LinearVP(), 0.3, 1.0),
        (fp.Cosine(), 0.5, 0.98),
        (fp.VarianceExploding(), 1.0, 8.0),
    )
    schedule, shortest, longest = choices[int(rng.integers(4))]
    return schedule, float(rng.uniform(shortest, longest))


def random_process(
    rng: np.random.Generator,
    *,
    strength: float | None = None,
    sampler: str | None = None,
    variances: bool = False,
    dimension: int = 1,
    schedules: bool = False,
) -> fp.ReverseProcess:
    """Draw a process; arguments that are given are not drawn."""
    draw = random_mixture if dimension == 1 else random_plane_mixture
    mixture = draw(rng, variances=variances)
    if schedules:
        schedule, horizon = random_schedule(rng)
        return fp.reverse_process(
            mixture,
            int(rng.integers(mixture.n_components)),
            strength=float(rng.uniform(0, 16)) if strength is None else strength,
            sampler=str(rng.choice(["ode", "sde"])) if sampler is None else sampler,
            horizon=horizon,
            schedule=schedule,
            initial=str(rng.choice(["normal", "exact"])),
        )
    return fp.reverse_process(
        mixture,
        int(rng.integers(mixture.n_components)),
        strength=float(rng.uniform(0, 16)) if strength is None else strength,
        sampler=str(rng.choice(["ode", "sde"])) if sampler is None else sampler,
        horizon=float(rng.uniform(1, 8)),
        initial=str(rng.choice(["normal", "exact"])),
    )
