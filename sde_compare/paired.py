"""A weighted sum of two means from coupled pairs of paths, at three step sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck import Estimate
from fokker_planck.model import Dynamics, ReverseProcess
from fokker_planck.model.checks import one_of, real_number, shown, whole_number
from sde_compare.checks import mean_check
from sde_compare.couplings import CoupledPaths, resolutions
from sde_compare.engine import Progress
from sde_compare.estimators import bernstein_width, empirical_bernstein, missed_share
from sde_compare.observables import share_classifier
from sde_compare.pairs import make_pairing
from sde_compare.variance_ratio import variance_ratio

Array = NDArray[np.float64]
Function = Callable[[Array], ArrayLike]
OBSERVABLES = ("posterior_mass", "complement_mass")
STRIDES = (4, 2, 1)


@dataclass(frozen=True, eq=False)
class PairedEstimate:
    """A weighted sum of two means, from coupled pairs of paths.

    Attributes
    ----------
    coupling, observable, n_paths, n_steps, rule, seed
        What was run: ``n_paths`` pairs, the finest of three step sizes.
    estimate : Estimate
        At step size zero: extrapolated, with sampling error and allowance for discretisation.
    sampling, discretisation : float
        The two parts of its error; the second is inf where the steps are not small enough.
    at_step : Estimate
        The sum for the sampler at ``n_steps`` steps, without any statement about step size zero.
    independent : float
        Half-width that ``at_step`` would have had from as many independent pairs.
    variance_ratio : Estimate
        Variance per coupled pair over variance per independent pair.
    p_value : float
        Least level at which ``estimate`` excludes zero.
    """

    coupling: str
    observable: str
    n_paths: int
    n_steps: int
    rule: str
    seed: int
    estimate: Estimate
    sampling: float
    discretisation: float
    at_step: Estimate
    independent: float
    variance_ratio: Estimate
    p_value: float

    @property
    def paths_saved(self) -> Estimate:
        """Share of independent pairs that coupling saves at equal variance: 1 - variance ratio."""
        return 1.0 - self.variance_ratio


def paired(
    process_a: Dynamics,
    process_b: Dynamics,
    n_paths: int,
    n_steps: int,
    coupling: str,
    observable: str | Function,
    seed: int,
    rule: str,
    weights: tuple[float, float],
    bounds: tuple[float, float],
    confidence: float,
    threads: int | None,
    progress: Progress | None,
) -> tuple[Any, ...]:
    """Return the fields of a PairedEstimate of the sum with the given weights."""
    delta = missed_share(confidence)
    lower, upper = (real_number("bounds", bound) for bound in bounds)
    if not lower < upper:
        raise ValueError(f"bounds must rise, got {shown(bounds)}")
    if whole_number("n_steps", n_steps, minimum=STRIDES[0]) % STRIDES[0]:
        raise ValueError(f"n_steps must be a multiple of {STRIDES[0]}, got {n_steps}")
    name = observable if isinstance(observable, str) else "function"
    if isinstance(observable, str):
        one_of("observable", observable, OBSERVABLES)
        lower, upper = 0.0, 1.0
        if not share_classifier(process_a, process_b):
            raise ValueError(
                f"observable must be a function where the processes do not share a mixture, "
                f"target and schedule, got {observable!r}"
            )
    pairing = make_pairing(process_a, process_b, rule, coupling)
    paths: CoupledPaths | None = resolutions(
        *(process_a, process_b, n_paths, n_steps // STRIDES[0], pairing, seed, rule, STRIDES),
        observables=(),
        threads=threads,
        progress=progress,
    )
    parts = []
    while paths is not None:
        parts.append(
            (
                output_values(observable, process_a, paths.points_a, lower, upper),
                output_values(observable, process_b, paths.points_b, lower, upper),
            )
        )
        paths = paths.refined
    # P = 1 - (1 - P): the difference of two P is that of two 1 - P with the sign turned
    turned = name == "posterior_mass"
    sign, shift = (-1.0, sum(weights)) if turned else (1.0, 0.0)
    sums = [shift + sign * (weights[0] * a + weights[1] * b) for a, b in reversed(parts)]
    low = sum(min(w * lower, w * upper) for w in weights)
    high = sum(max(w * lower, w * upper) for w in weights)
    check = mean_check(name, Estimate(0.0, 0.0, "bound"), sums, low, high, delta)
    a, b = parts[-1]
    apart = sum(
        w * w * float(v.var(ddof=1)) if n_paths > 1 else 0.0
        for w, v in zip(weights, (a, b), strict=True)
    )
    return (
        *(coupling, name, n_paths, n_steps, rule, seed),
        Estimate(check.sample, check.sampling + check.discretisation, "interval", confidence),
        *(check.sampling, check.discretisation),
        empirical_bernstein(sums[0], low, high, confidence),
        float(bernstein_width(apart, n_paths, high - low, delta)),
        variance_ratio(weights[0] * a, weights[1] * b, upper - lower, weights, confidence),
        check.p_value,
    )


def output_values(
    observable: str | Function, process: Dynamics, points: Array, lower: float, upper: float
) -> Array:
    """Return f at output points, of the posterior mass its complement; refuse what is outside."""
    x = points[:, 0] if points.shape[1] == 1 else points
    if isinstance(observable, str):
        assert isinstance(process, ReverseProcess)
        return np.exp(process.log_complement(x, process.horizon))
    values = np.asarray(observable(x), dtype=float)
    if values.shape != points.shape[:1]:
        raise ValueError(f"observable must return shape {points.shape[:1]}, got {values.shape}")
    if not (np.all(values >= lower) and np.all(values <= upper)):
        raise ValueError(
            f"observable must lie in [{lower:g}, {upper:g}], "
            f"got [{values.min():g}, {values.max():g}]"
        )
    return values
