"""What a coupling saves: a ratio of variances with an interval that holds at every sample size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokker_planck import Estimate
from sde_compare.estimators import bernstein_width, missed_share

Array = NDArray[np.float64]
LARGEST_RATIO = 2.0  # Var(U + V) <= 2 (Var U + Var V) for any coupling


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
