"""Statistical intervals that hold at every sample size, p-values read off them, and Holm's rule.

Formulas and sources: docs/theory.md, N6. Nothing here rests on a normal approximation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck import Estimate
from fokker_planck.model.checks import one_of, real_array, real_number, shown, whole_number

Array = NDArray[np.float64]
SMALLEST_LEVEL = 1e-300  # p-values are not resolved below this


def missed_share(confidence: float) -> float:
    """Return delta = 1 - confidence.

    Raises
    ------
    ValueError
        If ``confidence`` is not inside (0, 1).
    """
    confidence = real_number("confidence", confidence, minimum=0.0, strict=True)
    if confidence >= 1:
        raise ValueError(f"confidence must be < 1, got {shown(confidence)}")
    return 1.0 - confidence


def bernstein_width(variance: ArrayLike, n: int, span: float, delta: float) -> Array:
    r"""Return the half-width of the two-sided empirical Bernstein interval of a mean.

    .. math:: \sqrt{2 V \ln(4/\delta)/n} + 7 (b - a) \ln(4/\delta) / (3 (n - 1))

    for n independent values in [a, b] with sample variance V (divisor n - 1).

    Source: Maurer and Pontil (2009), theorem 4, both sides; docs/theory.md, N6.
    """
    if n < 2:
        return np.full(np.shape(variance), np.inf)
    log = math.log(4.0) - math.log(delta)
    return np.sqrt(2 * np.asarray(variance) * log / n) + 7 * span * log / (3 * (n - 1))


def empirical_bernstein(
    values: ArrayLike, lower: float, upper: float, confidence: float = 0.99
) -> Estimate:
    """Return the mean of independent bounded values with its empirical Bernstein interval.

    Parameters
    ----------
    values : array_like, shape (n,)
        Each in [lower, upper].
    lower, upper : float
        The range, known before sampling.
    confidence : float
        Coverage, at least.

    Raises
    ------
    ValueError
        If a value lies outside the range, or there is none.
    """
    v = real_array("values", values)
    delta = missed_share(confidence)
    if v.ndim != 1 or v.size == 0:
        raise ValueError(f"values must have shape (n,), got {v.shape}")
    slack = 1e-12 * max(1.0, abs(lower), abs(upper))
    if v.min() < lower - slack or v.max() > upper + slack:
        raise ValueError(
            f"values must lie in [{lower:g}, {upper:g}], got [{v.min():g}, {v.max():g}]"
        )
    variance = float(v.var(ddof=1)) if v.size > 1 else 0.0
    error = float(bernstein_width(variance, v.size, upper - lower, delta))
    return Estimate(float(v.mean()), error, "interval", confidence)


def clopper_pearson_limits(
    count: int, n: int, confidence: float = 0.99, side: str = "two-sided"
) -> tuple[float, float]:
    r"""Return exact limits (lower, upper) of a probability from ``count`` successes in ``n``.

    The lower limit p solves Pr(Bin(n, p) >= count) = alpha, the upper one
    Pr(Bin(n, p) <= count) = alpha, with alpha = delta/2 for both sides, delta for one; a limit that
    was not asked for is 0 or 1.

    Parameters
    ----------
    side : {"two-sided", "upper", "lower"}
        Which limits.

    Source: Clopper and Pearson (1934); docs/theory.md, N6.
    """
    n = whole_number("n", n, minimum=1)
    count = whole_number("count", count, minimum=0, maximum=n)
    one_of("side", side, ("two-sided", "upper", "lower"))
    from scipy.special import betaincinv  # the quantile of the beta law

    alpha = missed_share(confidence) / (2 if side == "two-sided" else 1)
    low, high = 0.0, 1.0
    if side != "upper" and count > 0:
        low = float(betaincinv(count, n - count + 1, alpha))
    if side != "lower" and count < n:
        # the mirrored quantile keeps its digits for small alpha
        high = 1.0 - float(betaincinv(n - count, count + 1, alpha))
    return low, high


def clopper_pearson(count: int, n: int, confidence: float = 0.99) -> Estimate:
    """Return count/n with the larger side of its exact two-sided interval as the error."""
    low, high = clopper_pearson_limits(count, n, confidence)
    share = count / n
    return Estimate(share, max(share - low, high - share), "interval", confidence)


def dkw_width(n: int, delta: float) -> float:
    r"""Return eps with :math:`\Pr(\sup_x |F_n(x) - F(x)| > \varepsilon) \le \delta`.

    .. math:: \varepsilon = \sqrt{\ln(2/\delta) / (2 n)}

    Source: Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990); docs/theory.md, N6.
    """
    return math.sqrt((math.log(2.0) - math.log(delta)) / (2 * n))


def smallest_level(excess: Callable[[float], float]) -> float:
    """Return the p-value of a family of intervals: the least delta at which one is excluded.

    Parameters
    ----------
    excess : callable
        ``excess(delta)``, nondecreasing: how far the hypothesis lies outside the interval of
        level delta; positive means excluded.

    Returns
    -------
    float
        In [1e-300, 1]; 1 if no level below 1 excludes it. Under the hypothesis
        Pr(p <= delta) <= delta for every delta.
    """
    low, high = math.log(SMALLEST_LEVEL), 0.0
    if not excess(math.exp(high)) > 0:
        return 1.0
    if excess(math.exp(low)) > 0:
        return SMALLEST_LEVEL
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if excess(math.exp(middle)) > 0 else (middle, high)
    return math.exp(high)


def holm(p_values: Sequence[float] | Array) -> Array:
    r"""Return Holm-adjusted p-values: reject those at or below alpha, family-wise error alpha.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1)\, p_{(j)})

    Source: Holm (1979); docs/theory.md, N6. No independence is assumed.
    """
    p = real_array("p_values", p_values)
    if p.ndim != 1 or np.any((p < 0) | (p > 1)):
        raise ValueError(f"p_values must lie in [0, 1], got {shown(p_values)}")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.minimum(1.0, (p.size - np.arange(p.size)) * p[order]))
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted


def neighbour_entropy(points: ArrayLike, k: int = 4, cap: int = 50_000) -> Estimate:
    r"""Return the Kozachenko-Leonenko entropy of a sample: a diagnostic that decides nothing.

    .. math:: \hat H = \psi(n) - \psi(k) + \ln V_d + \frac{d}{n} \sum_i \ln \rho_i

    with rho_i the distance to the k-th neighbour and V_d the volume of the unit ball. Only the
    first ``cap`` points are used. The interval is two standard deviations of the mean of
    ln(n rho_i^d) with the bias left out: it was seen to cover 88 to 95 %, not its nominal 95 %.

    Parameters
    ----------
    points : array_like, shape (n, d)
        Independent points.
    """
    from scipy.spatial import cKDTree
    from scipy.special import digamma, gammaln

    x = np.asarray(points, dtype=float)[: whole_number("cap", cap, minimum=2)]
    n, d = x.shape
    k = whole_number("k", k, minimum=1)
    if n <= k:
        return Estimate(np.nan, np.inf, "interval", 0.95)
    distance = cKDTree(x).query(x, k=k + 1)[0][:, -1]
    if np.any(distance == 0):  # repeated points: the law has an atom as far as this can tell
        return Estimate(-np.inf, np.inf, "interval", 0.95)
    log = d * np.log(distance)
    ball = 0.5 * d * math.log(math.pi) - float(gammaln(1 + 0.5 * d))
    value = float(digamma(n) - digamma(k)) + ball + float(log.mean())
    return Estimate(value, 1.96 * float(log.std(ddof=1)) / math.sqrt(n), "interval", 0.95)
