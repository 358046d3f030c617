"""Models for case tables: a few by hand, and random ones from the published distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

import fokker_planck as fp
from fokker_planck import GaussianMixture, ReverseProcess
from fokker_planck.model import content_seed
from proofs_check.registry import Case

#: name -> (mixture, target)
MODELS: dict[str, tuple[GaussianMixture, int]] = {
    "two": (GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1),
    "two-unequal": (GaussianMixture([0.2, 0.8], [-1.5, 0.5]), 0),
    "two-narrow": (GaussianMixture([0.5, 0.5], [-1.0, 1.0], 0.25), 1),
    "two-wide": (GaussianMixture([0.4, 0.6], [-1.0, 1.0], 4.0), 0),
    "three-extreme": (GaussianMixture([0.3, 0.4, 0.3], [-2.0, 0.0, 1.5]), 2),
    "three-centre": (GaussianMixture([1 / 3, 1 / 3, 1 / 3], [-2.0, 0.0, 2.0]), 1),
    "near-unequal": (GaussianMixture([0.5, 0.5], [-0.5, 0.5], [1.0, 0.8]), 0),
    "wide-narrow": (GaussianMixture([0.5, 0.5], [0.0, 0.0], [4.0, 0.25]), 0),
    "plane-two": (GaussianMixture([0.4, 0.6], [[-1.0, 0.5], [1.0, 0.0]]), 1),
    "plane-three": (
        GaussianMixture([0.3, 0.3, 0.4], [[0.0, 2.0], [-1.5, -1.0], [1.5, -0.5]]),
        0,
    ),
    "plane-four": (
        GaussianMixture([0.25] * 4, [[0.0, 0.0], [2.0, 0.5], [0.5, 2.0], [1.5, 1.5]]),
        0,
    ),
    "plane-orthogonal": (
        GaussianMixture([0.3, 0.3, 0.4], [[0.0, 0.0], [2.0, 0.0], [0.0, 1.5]]),
        0,
    ),
}


def case(model: str, strength: float, sampler: str | float, **options: Any) -> Case:
    """Return a case: a named model at a strength; a number for the sampler is a noise level.

    ``horizon`` and ``initial`` go to the process, other options to the claim.
    """
    mixture, target = MODELS[model]
    shape = {key: options.pop(key) for key in ("horizon", "initial") if key in options}
    kind = {"sampler": sampler} if isinstance(sampler, str) else {"noise_level": sampler}
    process = fp.reverse_process(mixture, target, strength=strength, **kind, **shape)
    label = sampler if isinstance(sampler, str) else f"lambda{sampler:g}"
    extra = "".join(f"-{value}" for value in shape.values())
    return Case(f"{model}-{label}-eta{strength:g}{extra}", process, options)


def random_process(
    rng: np.random.Generator,
    *,
    components: int = 0,
    extreme: bool = False,
    sampler: str | None = None,
    strength: float | None = None,
) -> ReverseProcess:
    """Draw a 1-D process from the published distribution of random cases.

    Two to four components, neighbours 0.1 to 8 apart (log-uniform), weights at least 0.01,
    strength 0 to 16, horizon 1 to 8, common variance 1.

    Parameters
    ----------
    components : int
        Their number; 0 draws it.
    extreme : bool
        Take an outermost component as the target.
    """
    k = components or int(rng.integers(2, 5))
    gaps = np.exp(rng.uniform(np.log(0.1), np.log(8.0), k - 1))
    means = np.concatenate([[0.0], np.cumsum(gaps)])
    means = means - means.mean()
    weights = 0.01 + (1 - 0.01 * k) * rng.dirichlet(np.ones(k))
    target = int(rng.choice([0, k - 1])) if extreme else int(rng.integers(k))
    drawn = float(rng.uniform(0, 16))
    return fp.reverse_process(
        GaussianMixture(weights / weights.sum(), means),
        target,
        strength=drawn if strength is None else strength,
        sampler=sampler or str(rng.choice(["ode", "sde"])),
        horizon=float(rng.uniform(1, 8)),
    )


def random_cases(n: int, seed: int, label: str, **kinds: Any) -> list[Case]:
    """Return ``n`` random cases, computed from seed and label alone."""
    rng = np.random.default_rng(content_seed("random cases", seed, label))
    return [Case(f"random-{i}", random_process(rng, **kinds)) for i in range(n)]
