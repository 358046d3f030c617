"""Agreement of a density with the sampler that it describes, at one family-wise error rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck import Estimate
from fokker_planck.model import Dynamics
from fokker_planck.model.checks import real_number, shown, whole_number
from sde_compare.chain_agreement import chain_checks, chain_samples
from sde_compare.checks import Check, distribution_check, mean_check
from sde_compare.engine import Progress
from sde_compare.estimators import holm
from sde_compare.samplers import Samples
from sde_compare.step_sizes import StepPair, step_sizes
from sde_compare.surprisal import last_surprisal

if TYPE_CHECKING:
    from fokker_planck import Solution

Array = NDArray[np.float64]
FALSE_ALARM_RATE = 1e-3  # family-wise, over all statistical checks of a run
LEVELS, LARGEST = 3, 4  # step sizes, and the largest in units of the smallest
QUANTILES = 255  # points at which distribution functions are compared


@dataclass(frozen=True)
class Agreement:
    """A family of checks, decided together by Holm's rule at false-alarm rate ``alpha``.

    The probability that any check is rejected is at most alpha if every density value is within
    its solver error, every sampler has the stated law at step size zero, and what extrapolation
    in the step leaves is within the allowance that is measured at three step sizes. The last is
    an estimate from refinement, not a bound: a check whose three step sizes show that the steps
    are not small is not resolved, and cannot be rejected. The sample size is fixed beforehand.

    Attributes
    ----------
    checks : tuple of Check
        In the order in which they were made.
    alpha : float
        Family-wise false-alarm rate.
    settings : dict
        What was run.
    """

    checks: tuple[Check, ...]
    alpha: float
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def adjusted(self) -> Array:
        """Holm-adjusted p-values, one per check."""
        return holm([check.p_value for check in self.checks])

    @property
    def rejected(self) -> tuple[Check, ...]:
        """The checks in which density and samples differ."""
        return tuple(c for c, p in zip(self.checks, self.adjusted, strict=True) if p <= self.alpha)

    @property
    def holds(self) -> bool:
        """Whether no check is rejected."""
        return not self.rejected

    @property
    def unresolved(self) -> tuple[Check, ...]:
        """The checks that say nothing, since the steps are too large; more steps resolve them."""
        return tuple(check for check in self.checks if not check.resolved)

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON records."""
        checks = [
            {**check.to_dict(), "adjusted_p_value": float(p), "rejected": bool(p <= self.alpha)}
            for check, p in zip(self.checks, self.adjusted, strict=True)
        ]
        return {
            "alpha": self.alpha,
            "holds": self.holds,
            "settings": dict(self.settings),
            "checks": checks,
        }

    def __str__(self) -> str:
        width = max((len(check.name) for check in self.checks), default=0)
        lines = []
        for check, p in zip(self.checks, self.adjusted, strict=True):
            # of a combined family each agreement has its own settings
            own = self.settings.get(check.name.rsplit(": ", 1)[0], self.settings)
            # at one step size nothing is extrapolated: rounding is what was lost in
            single = len(own.get("n_steps", ())) == 1
            why = "vacuous: lost in rounding" if single else "not resolved: more steps"
            agrees = "agrees" if check.resolved else why
            verdict = "differs" if p <= self.alpha else agrees
            lines.append(
                f"{check.name:{width}}  {verdict}  difference {check.difference:+.2e}  "
                f"allowed {check.allowed:.1e} (most: {check.dominant})  adjusted p {p:.2g}"
            )
        return "\n".join(lines)


def combine(agreements: Mapping[str, Agreement], alpha: float = FALSE_ALARM_RATE) -> Agreement:
    """Return all checks of several agreements as one family, each named "label: name"."""
    checks = [
        Check(**{**vars(check), "name": f"{label}: {check.name}"})
        for label, agreement in agreements.items()
        for check in agreement.checks
    ]
    settings = {label: agreement.settings for label, agreement in agreements.items()}
    return Agreement(tuple(checks), _rate(alpha), settings)


def _rate(alpha: float) -> float:
    alpha = real_number("alpha", alpha, minimum=0.0, strict=True)
    if alpha >= 1:
        raise ValueError(f"alpha must be < 1, got {shown(alpha)}")
    return alpha


def agreement(
    solution: Solution,
    paths: Dynamics | Samples | StepPair | None = None,
    *,
    n_paths: int = 200_000,
    n_steps: int = 200,
    rule: str = "euler",
    seed: int = 0,
    alpha: float = FALSE_ALARM_RATE,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Agreement:
    """Compare a density with a sampler: posterior mass, entropy and distribution function.

    In the plane the distribution functions are those of the two marginals.

    Parameters
    ----------
    solution : Solution
        The density; its last output time is compared. The law of a chain is compared with paths
        on its own grid, at one step size, and no discretisation error is allowed for.
    paths : ReverseProcess, Process, Samples or StepPair, optional
        What to sample; by default the process of the solution (of a chain: the chain, or samples
        of it). Of given samples the same noise is
        run again at twice and four times the step, so that their discretisation error is known.
    n_paths, n_steps, rule, seed, threads, progress
        As in :func:`sde_compare.sample`; not used for given samples. ``n_steps`` is rounded up to
        a multiple of 4, and the settings name what was run; given samples must have such a number.
    alpha : float
        Family-wise false-alarm rate.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.

    Notes
    -----
    The posterior is that of the solution's process, whatever was sampled. The entropy is compared
    through E[-log p], truncated (:class:`sde_compare.surprisal.Surprisal`): the same function
    averaged over the density and over the paths. Formulas: docs/theory.md, N6.
    """
    alpha = _rate(alpha)
    if getattr(solution, "chain", None) is not None:
        run = chain_samples(solution, paths, n_paths, seed, threads, progress)
        settings = {
            **{"n_paths": run.n_paths, "n_steps": [run.n_steps], "rule": run.rule},
            **{"seed": run.seed, "method": solution.method, "note": solution.message},
        }
        return Agreement(tuple(chain_checks(solution, run, alpha)), alpha, settings)
    runs = _runs(solution, paths, n_paths, n_steps, rule, seed, threads, progress)
    run = runs[0]
    if float(solution.taus[-1]) != float(run.tau[-1]):
        raise ValueError(
            f"paths must end at the last output time {solution.taus[-1]:g} of the solution, "
            f"got {run.tau[-1]:g}"
        )
    flat = solution.dimension == 1
    ends = [run.points[:, 0] if flat else run.points for run in runs]
    process = solution.process
    log_posterior = getattr(process, "log_posterior", None)
    level = alpha / (solution.dimension + 1 + (log_posterior is not None))
    laws = [
        _law_check(*solution.distribution(-1), ends, level)
        if flat
        else replace(
            _law_check(*_marginal(solution, axis), [x[:, axis] for x in ends], level),
            name=f"distribution of x_{axis}",
        )
        for axis in range(solution.dimension)
    ]
    # whether the steps are small enough is judged along the axis where they are the least so
    law = max(
        laws, key=lambda check: (not check.resolved, np.nan_to_num(check.contraction, nan=0.5))
    )
    checks = []
    if log_posterior is not None:
        confidence = [np.exp(log_posterior(x, float(run.tau[-1]))) for x in ends]
        mass: Estimate = solution.posterior_mass[-1]
        checks.append(mean_check("posterior_mass", mass, confidence, 0.0, 1.0, level, law))
    surprisal = last_surprisal(solution)
    expected = surprisal.expectation(solution)
    limits = surprisal.lower, surprisal.upper
    surprise = [surprisal(x) for x in ends]
    checks.append(mean_check("entropy", expected, surprise, *limits, level, law))
    checks += laws
    settings = {
        **{"n_paths": run.n_paths, "n_steps": [run.n_steps for run in runs]},
        **{"rule": run.rule, "seed": run.seed, "method": solution.method},
        "truncated_entropy": float(solution.entropy[-1]) - float(expected),
    }
    return Agreement(tuple(checks), alpha, settings)


def _law_check(
    points: Array, values: Array, error: float, ends: list[Array], level: float
) -> Check:
    """Return the check of a distribution function at its quantiles."""
    levels = np.arange(1, QUANTILES + 1) / (QUANTILES + 1)
    index = np.unique(np.clip(np.searchsorted(values, levels), 0, points.size - 1))
    return distribution_check(points[index], values[index], error, ends, level)


def _marginal(solution: Solution, axis: int) -> tuple[Array, Array, float]:
    """Return nodes, distribution function and its error of a marginal at the last time."""
    density = solution.marginal(axis, -1)
    return density.points, density.cdf(density.points), density.reading.distribution_error(0)


def _runs(
    solution: Solution,
    paths: Dynamics | Samples | StepPair | None,
    n_paths: int,
    n_steps: int,
    rule: str,
    seed: int,
    threads: int | None,
    progress: Progress | None,
) -> tuple[Samples, ...]:
    """Return the paths at three step sizes."""
    given = paths.fine if isinstance(paths, StepPair) else paths
    if isinstance(given, Samples):
        if not np.array_equal(given.tau, np.linspace(0.0, given.process.horizon, len(given.tau))):
            raise ValueError("paths must have equal steps, got samples on a time_grid")
        if given.n_steps % LARGEST:
            raise ValueError(f"paths must have a multiple of 4 steps, got {given.n_steps}")
        process: Dynamics | None = given.process
        n_paths, n_steps, rule, seed = given.n_paths, given.n_steps, given.rule, given.seed
    else:
        process = solution.process if given is None else given
        n_steps = -(-whole_number("n_steps", n_steps, minimum=1) // LARGEST) * LARGEST
    if process is None:
        raise ValueError("paths must name a process: the solution was loaded without one")
    if process.dimension != solution.dimension:
        raise ValueError(f"paths must have dimension {solution.dimension}, got {process.dimension}")
    return step_sizes(
        process, n_paths, n_steps, rule, seed, LEVELS, threads=threads, progress=progress
    )
