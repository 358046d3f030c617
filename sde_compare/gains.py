"""Means over coupled pairs: what guidance gains, at a fraction of the paths, with its interval."""

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

Array = NDArray[np.float64]
Function = Callable[[Array], ArrayLike]
OBSERVABLES = ("posterior_mass", "complement_mass")
STRIDES = (4, 2, 1)
LARGEST_RATIO = 2.0  # Var(U + V) <= 2 (Var U + Var V) for any coupling


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


class Gain(PairedEstimate):
    """E f(x^a) - E f(x^b)."""

    @property
    def difference(self) -> Estimate:
        """The difference at step size zero."""
        return self.estimate


class AntitheticMean(PairedEstimate):
    """E f(x), each value the mean of an antithetic pair."""

    @property
    def mean(self) -> Estimate:
        """The mean at step size zero."""
        return self.estimate


def gain(
    process_a: Dynamics,
    process_b: Dynamics,
    n_paths: int,
    n_steps: int,
    coupling: str = "synchronous",
    observable: str | Function = "posterior_mass",
    seed: int = 0,
    rule: str = "euler",
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.99,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Gain:
    r"""Return E f(x^a) - E f(x^b) at the output, from coupled pairs.

    With :math:`Y = f(x^a) - f(x^b)` on one set of random numbers at steps h, 2h and 4h the
    estimate is the mean of :math:`2 Y_h - Y_{2h}`; its error is that of theory N6: empirical
    Bernstein intervals, and an allowance for what extrapolation leaves. The posterior mass enters
    through 1 - P, which keeps its digits where P rounds to 1.

    Parameters
    ----------
    process_a, process_b, rule, seed, threads, progress
        As in :func:`sde_compare.couple`.
    n_paths : int
        Number of pairs.
    n_steps : int
        Of the finest run; a multiple of 4.
    coupling : {"synchronous", "reflection", "antithetic", "monotone"}
        See :func:`sde_compare.couple`.
    observable : {"posterior_mass", "complement_mass"} or callable
        A function takes output points (n, d), plain (n,) in dimension one, and returns (n,)
        values within ``bounds``.
    bounds : tuple of float
        The range of a function, known before sampling.
    confidence : float
        Coverage of every interval, at least.

    Returns
    -------
    Gain

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.

    Source: docs/theory.md, C6 and N6.
    """
    return Gain(
        *_paired(
            *(process_a, process_b, n_paths, n_steps, coupling, observable, seed, rule),
            *((1.0, -1.0), bounds, confidence, threads, progress),
        )
    )


def antithetic_mean(
    process: Dynamics,
    n_paths: int,
    n_steps: int,
    observable: str | Function = "complement_mass",
    seed: int = 0,
    rule: str = "euler",
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.99,
    threads: int | None = None,
    progress: Progress | None = None,
) -> AntitheticMean:
    """Return E f(x) at the output from ``n_paths`` antithetic pairs.

    The variance ratio is against means of two independent paths: below 1 where f is nearly
    monotone or odd along the noise, above 1 where it is nearly even. Arguments, errors and
    source as in :func:`gain`.
    """
    return AntitheticMean(
        *_paired(
            *(process, process, n_paths, n_steps, "antithetic", observable, seed, rule),
            *((0.5, 0.5), bounds, confidence, threads, progress),
        )
    )


def _paired(
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
                _values(observable, process_a, paths.points_a),
                _values(observable, process_b, paths.points_b),
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


def _values(observable: str | Function, process: Dynamics, points: Array) -> Array:
    """Return f at output points; of the posterior mass its complement."""
    x = points[:, 0] if points.shape[1] == 1 else points
    if isinstance(observable, str):
        assert isinstance(process, ReverseProcess)
        return np.exp(process.log_complement(x, process.horizon))
    values = np.asarray(observable(x), dtype=float)
    if values.shape != points.shape[:1]:
        raise ValueError(f"observable must return shape {points.shape[:1]}, got {values.shape}")
    return values


def variance_ratio(
    u: Array, v: Array, span: float, weights: tuple[float, float], confidence: float
) -> Estimate:
    r"""Return Var(U + V) / (Var U + Var V) with an interval valid at every sample size.

    Over disjoint pairs of draws, :math:`W = \tfrac12 (U + V - U' - V')^2` and
    :math:`Z = \tfrac12 (U - U')^2 + \tfrac12 (V - V')^2` have these means. The ratio
    :math:`\rho` is in the interval unless :math:`|\bar W - \rho \bar Z|` exceeds the empirical
    Bernstein width of :math:`W - \rho Z`, a bounded variable of mean zero.

    Parameters
    ----------
    u, v : ndarray, shape (n,)
        Independent draws of the coupled pair.
    span : float
        U has range ``weights[0] * span``, V has ``weights[1] * span``.

    Source: docs/theory.md, C6.
    """
    delta = missed_share(confidence)
    n = u.size // 2
    du, dv = u[:n] - u[n : 2 * n], v[:n] - v[n : 2 * n]
    w, z = 0.5 * (du + dv) ** 2, 0.5 * (du**2 + dv**2)
    if n < 2 or not z.any():
        return Estimate(np.nan, np.inf, "interval", confidence)
    ratio = float(w.mean() / z.mean())
    largest_w = 0.5 * (span * sum(map(abs, weights))) ** 2
    largest_z = 0.5 * span**2 * sum(x * x for x in weights)
    moments = np.cov(w, z)

    def outside(rho: float) -> bool:
        variance = moments[0, 0] - 2 * rho * moments[0, 1] + rho**2 * moments[1, 1]
        width = bernstein_width(max(variance, 0.0), n, largest_w + rho * largest_z, delta)
        return bool(abs(w.mean() - rho * z.mean()) > width)

    # the width is convex in rho: from the point estimate outwards it is left at most once,
    # and never where the far end is inside
    ends = []
    for end in (0.0, LARGEST_RATIO):
        near, far = ratio, end
        if outside(end):
            for _ in range(60):
                middle = 0.5 * (near + far)
                near, far = (near, middle) if outside(middle) else (middle, far)
        ends.append(far)
    return Estimate(ratio, max(ratio - ends[0], ends[1] - ratio, 0.0), "interval", confidence)
