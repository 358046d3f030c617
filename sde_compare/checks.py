"""One comparison of a density with samples at three step sizes: values, errors, p-value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck import Estimate
from sde_compare.estimators import bernstein_width, dkw_width, smallest_level
from sde_compare.regime import LARGEST_CHANGE, LARGEST_GROWTH, contraction, growth

Array = NDArray[np.float64]
SOURCES = ("solver", "sampling", "discretisation")


@dataclass(frozen=True)
class Check:
    """A functional of the output law, from the density and from paths.

    Attributes
    ----------
    name : str
        Which functional.
    density : Estimate
        From the density solver, with its error.
    sample : float
        From the paths, extrapolated to step size zero: 2 f_h - f_2h.
    sampling, discretisation : float
        Statistical error of all that is averaged over paths, at ``level``, and the allowance for
        the discretisation error left in ``sample``; inf where the steps are not small enough.
    level : float
        The share of the false-alarm rate at which they are shown.
    p_value : float
        Least level at which the density value lies outside all three errors together.
    contraction : float
        |f_2h - f_h| / |f_4h - f_2h| as observed; 1/2 where the steps are small, at order one.
    """

    name: str
    density: Estimate
    sample: float
    sampling: float
    discretisation: float
    level: float
    p_value: float
    contraction: float = math.nan

    @property
    def resolved(self) -> bool:
        """Whether the three step sizes bound what extrapolation leaves; if not, nothing differs."""
        return math.isfinite(self.discretisation)

    @property
    def difference(self) -> float:
        """Sample value minus density value."""
        return self.sample - float(self.density)

    @property
    def allowed(self) -> float:
        """Sum of the three errors at ``level``."""
        return float(self.density.error) + self.sampling + self.discretisation

    @property
    def dominant(self) -> str:
        """The largest of the three errors: "solver", "sampling" or "discretisation"."""
        sizes = (float(self.density.error), self.sampling, self.discretisation)
        return SOURCES[int(np.argmax(sizes))]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON records."""
        return {
            "name": self.name,
            "density": self.density.to_dict(),
            "sample": _finite(self.sample),
            "difference": _finite(self.difference),
            "sampling_error": _finite(self.sampling),
            "discretisation_error": _finite(self.discretisation),
            "resolved": self.resolved,
            "contraction": _finite(self.contraction),
            "level": self.level,
            "p_value": self.p_value,
            "dominant": self.dominant,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _allowance(factor: float, change: Any, rest: Any) -> float:
    return float(np.max(factor * change + rest)) if math.isfinite(factor) else math.inf


def mean_check(
    name: str,
    density: Estimate,
    values: Sequence[Array],
    lower: float,
    upper: float,
    level: float,
    law: Check | None = None,
) -> Check:
    r"""Compare E f of a density with bounded values f on the same paths at steps h, 2h and 4h.

    Per path :math:`Z = 2 f_h - f_{2h}`, :math:`D_1 = f_{2h} - f_h`, :math:`D_2 = f_{4h} - f_{2h}`
    and :math:`R = D_2 - 2 D_1`. With the three intervals at :math:`\delta/3` the density value q
    is excluded at level :math:`\delta` if

    .. math:: |\bar Z - q| > e_{solver} + \gamma \max(|\bar D_1|, |\bar D_2|/2) + |\bar R|
              + w_Z + \gamma w_{D_1} + w_R,

    where w is the empirical Bernstein width and :math:`\gamma` in [1, 3] comes from the observed
    :math:`|D_1|/|D_2|` (:func:`sde_compare.regime.growth`), of this average or of the distribution
    function if ``law``, the check of it, is given. Where either shows that the steps are not small
    the check is not resolved, and excludes nothing.

    Source: docs/theory.md, N6.
    """
    fine, coarse, coarsest = values
    n, span = fine.size, upper - lower
    z, d1, d2 = 2 * fine - coarse, coarse - fine, coarsest - coarse
    rest = d2 - 2 * d1
    mean_z, mean_1, mean_2, mean_rest = (float(v.mean()) for v in (z, d1, d2, rest))
    var_z, var_1, var_2, var_rest = (
        float(v.var(ddof=1)) if n > 1 else 0.0 for v in (z, d1, d2, rest)
    )
    apart = abs(mean_z - float(density)) - float(density.error)

    def width(variance: float, times: int, delta: float) -> float:
        return float(bernstein_width(variance, n, times * span, delta / 3))

    low = abs(mean_1) - width(var_1, 2, level)
    own = width(var_2, 2, level)
    turned = low > 0 and abs(mean_2) > own and mean_1 * mean_2 < 0
    turned = turned or (law is not None and not law.resolved)
    other = 0.5 if law is None or math.isnan(law.contraction) else law.contraction
    factor = growth(mean_1, mean_2, low, abs(mean_2) + own, turned, other)
    left = _allowance(factor, max(abs(mean_1), abs(mean_2) / 2), abs(mean_rest))

    def sampling(delta: float) -> float:
        own = min(factor, LARGEST_GROWTH) * width(var_1, 2, delta) + width(var_rest, 6, delta)
        return width(var_z, 3, delta) + own

    p_value = smallest_level(lambda delta: apart - left - sampling(delta))
    ratio = contraction(mean_1, mean_2)
    return Check(name, density, mean_z, sampling(level), left, level, p_value, ratio)


def distribution_check(
    points: Array, values: Array, error: float, ends: Sequence[Array], level: float
) -> Check:
    r"""Compare distribution functions on points fixed beforehand, in dimension one.

    With empirical :math:`F_h, F_{2h}, F_{4h}` of the same paths, :math:`D_1 = F_{2h} - F_h` and
    :math:`D_2 = F_{4h} - F_{2h}` at each of J points, and :math:`\varepsilon` the half-width of
    Dvoretzky, Kiefer, Wolfowitz and Massart, the density's F is excluded at level
    :math:`\delta` if at some point

    .. math:: |F_h - D_1 - F| > e_{solver} + \varepsilon(\delta/3) + w_1
              + \max_j [\gamma \max(|D_1|, |D_2|/2) + |D_2 - 2 D_1|]
              + \max_j [(\gamma + 2) w_1 + w_2],

    all w at :math:`\delta/3J`, :math:`\gamma` as in :func:`mean_check` from the largest
    :math:`|D_1|` and the largest :math:`|D_2|`. Nor is it resolved if the largest :math:`|D_1|` is
    above ``LARGEST_CHANGE``, or half of the paths move by more than the middle half of the law.

    Parameters
    ----------
    points, values : ndarray, shape (J,)
        The points and F there.
    error : float
        Uniform solver error of F.
    ends : sequence of ndarray, shape (n,)
        Output points of the same paths at steps h, 2h and 4h.

    Notes
    -----
    The values shown are those of the point with the largest excess. Source: docs/theory.md, N6.
    """
    n, count = ends[0].size, points.size
    fine, coarse, coarsest = (_share(x, points) for x in ends)
    d1, d2 = coarse - fine, coarsest - coarse
    var_1, var_2 = (_change_variance(a, b, points) for a, b in pairwise(ends))
    value = fine - d1
    apart = np.abs(value - values) - error

    def width(variance: Array, delta: float) -> Array:
        return bernstein_width(variance, n, 2.0, delta / (3 * count))

    largest_1, largest_2 = float(np.max(np.abs(d1))), float(np.max(np.abs(d2)))
    lowest = float(np.max(np.abs(d1) - width(var_1, level)))
    highest = float(np.max(np.abs(d2) + width(var_2, level)))
    diverged = not all(np.isfinite(x).all() for x in ends)
    if not diverged:  # every path may move as far as the law is wide, and F see nothing of it
        middle = np.interp((0.25, 0.75), values, points)
        diverged = bool(np.median(np.abs(ends[1] - ends[0])) > middle[1] - middle[0])
    diverged = diverged or largest_1 > LARGEST_CHANGE
    factor = growth(largest_1, largest_2, lowest, highest, diverged)

    change = np.maximum(np.abs(d1), np.abs(d2) / 2)
    left = _allowance(factor, change, np.abs(d2 - 2 * d1))

    def sampling(delta: float) -> Array:
        own, next_own = width(var_1, delta), width(var_2, delta)
        allowance = (min(factor, LARGEST_GROWTH) + 2) * own + next_own
        return dkw_width(n, delta / 3) + own + float(np.max(allowance))

    p_value = smallest_level(lambda delta: float(np.max(apart - sampling(delta))) - left)
    shown = sampling(level)
    worst = int(np.argmax(apart - shown))
    density = Estimate(float(values[worst]), error, "refinement")
    return Check(
        *("distribution", density, float(value[worst]), float(shown[worst])),
        *(left, level, p_value, contraction(largest_1, largest_2)),
    )


def _share(x: Array, points: Array) -> Array:
    return np.searchsorted(np.sort(x), points, side="right") / x.size


def _change_variance(a: Array, b: Array, points: Array) -> Array:
    """Return the sample variance of 1{b <= p} - 1{a <= p} at every point p."""
    crossed = _share(np.minimum(a, b), points) - _share(np.maximum(a, b), points)
    change = _share(b, points) - _share(a, points)
    return np.maximum(crossed - change**2, 0.0) * a.size / max(a.size - 1, 1)
