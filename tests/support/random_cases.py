"""Random cases from the published distribution, for tests.

Separations 0.1 to 8 (log-uniform), weights at least 0.01, strengths 0 to 16, horizons 1 to 8,
two to four components on the line, unit covariance unless asked otherwise.
"""

from __future__ import annotations

import numpy as np

import fokker_planck as fp


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


def random_process(
    rng: np.random.Generator,
    *,
    strength: float | None = None,
    sampler: str | None = None,
    variances: bool = False,
) -> fp.ReverseProcess:
    """Draw a process; arguments that are given are not drawn."""
    mixture = random_mixture(rng, variances=variances)
    return fp.reverse_process(
        mixture,
        int(rng.integers(mixture.n_components)),
        strength=float(rng.uniform(0, 16)) if strength is None else strength,
        sampler=str(rng.choice(["ode", "sde"])) if sampler is None else sampler,
        horizon=float(rng.uniform(1, 8)),
        initial=str(rng.choice(["normal", "exact"])),
    )
