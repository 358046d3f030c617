"""Agreement of a chain's law with its sampled paths: no discretisation error is left to explain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck import Estimate
from fokker_planck.model.checks import shown
from sde_compare.checks import Check
from sde_compare.engine import Progress
from sde_compare.estimators import bernstein_width, dkw_width, smallest_level
from sde_compare.rules import RULES
from sde_compare.samplers import Samples, sample
from sde_compare.surprisal import Surprisal

if TYPE_CHECKING:
    from fokker_planck import Solution

Array = NDArray[np.float64]
#: below such a contraction paths have lost in rounding what makes them differ
LOST_IN_ROUNDING = 1e-14


def chain_samples(
    solution: Solution,
    paths: Any,
    n_paths: int,
    seed: int,
    threads: int | None,
    progress: Progress | None,
) -> Samples:
    """Return given paths if they are of the solution's chain, or new ones.

    Raises
    ------
    ValueError
        If the paths are of another grid, rule or kind, or no sampler has the chain's rule.
    """
    chain = solution.chain
    assert chain is not None
    if isinstance(paths, Samples):
        if paths.rule != chain.rule or not np.array_equal(paths.tau, chain.tau):
            raise ValueError(
                f"paths must have the time grid and rule {chain.rule!r} of the chain, "
                f"got {paths.n_steps} steps by {paths.rule!r}"
            )
        return paths
    if paths is not None:
        raise ValueError(f"paths must be samples on the chain's grid, or None, got {shown(paths)}")
    if chain.rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)} to be sampled, got {chain.rule}")
    return sample(
        chain.process,
        n_paths,
        chain.n_steps,
        chain.rule,
        seed,
        threads=threads,
        progress=progress,
        time_grid=chain.tau,
    )


def chain_checks(solution: Solution, samples: Samples, alpha: float) -> list[Check]:
    """Return the checks of posterior mass, entropy and distribution functions at one step size.

    Where the law contracts below 1e-14 before it spreads again, paths in floating point are not
    those of the chain, and no check is resolved.
    """
    flat = solution.dimension == 1
    x = samples.points[:, 0] if flat else samples.points
    lost = float(solution.cost.get("contraction", 1.0)) < LOST_IN_ROUNDING
    log_posterior = getattr(solution.process, "log_posterior", None)
    level = alpha / (solution.dimension + 1 + (log_posterior is not None))
    checks = []
    if log_posterior is not None:
        values = np.exp(log_posterior(x, float(solution.taus[-1])))
        mass: Estimate = solution.posterior_mass[-1]
        checks.append(_mean("posterior_mass", mass, values, 0.0, 1.0, level, lost))
    try:
        surprisal = Surprisal(solution.density(-1))
        expected = surprisal.expectation(solution)
        limits = surprisal.lower, surprisal.upper
        checks.append(_mean("entropy", expected, surprisal(x), *limits, level, lost))
    except ValueError:  # the chain folds: there is no density to take a logarithm of
        pass
    if flat:
        checks.append(_distribution(*solution.distribution(-1), x, level, lost))
    return checks


def _check(
    name: str,
    density: Estimate,
    value: float,
    width: Callable[[float], float],
    level: float,
    lost: bool,
) -> Check:
    apart = abs(value - float(density)) - float(density.error)
    p_value = 1.0 if lost else smallest_level(lambda delta: apart - width(delta))
    left = float("inf") if lost else 0.0
    return Check(name, density, value, width(level), left, level, p_value)


def _mean(
    name: str,
    density: Estimate,
    values: Array,
    lower: float,
    upper: float,
    level: float,
    lost: bool,
) -> Check:
    variance = float(values.var(ddof=1)) if values.size > 1 else 0.0

    def width(delta: float) -> float:
        return float(bernstein_width(variance, values.size, upper - lower, delta))

    return _check(name, density, float(values.mean()), width, level, lost)


def _distribution(
    points: Array, values: Array, error: float, x: Array, level: float, lost: bool
) -> Check:
    share = np.searchsorted(np.sort(x), points, side="right") / x.size
    worst = int(np.argmax(np.abs(share - values)))
    density = Estimate(float(values[worst]), error, "refinement")

    def width(delta: float) -> float:
        return float(dkw_width(x.size, delta))

    return _check("distribution", density, float(share[worst]), width, level, lost)
