"""One comparison of a density with samples at two step sizes: values, error terms, p-value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck import Estimate
from sde_compare.estimators import bernstein_width, dkw_width, smallest_level

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
        Half-widths at ``level``: statistical error of ``sample``, and the bound
        |f_2h - f_h| + (its own interval) on the discretisation error left in it.
    level : float
        The share of the false-alarm rate at which they are shown.
    p_value : float
        Least level at which the density value lies outside all three errors together.
    """

    name: str
    density: Estimate
    sample: float
    sampling: float
    discretisation: float
    level: float
    p_value: float

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
            "sample": self.sample,
            "difference": self.difference,
            "sampling_error": self.sampling,
            "discretisation_error": self.discretisation,
            "level": self.level,
            "p_value": self.p_value,
            "dominant": self.dominant,
        }


def mean_check(
    name: str,
    density: Estimate,
    fine: Array,
    coarse: Array,
    lower: float,
    upper: float,
    level: float,
) -> Check:
    r"""Compare E f of a density with bounded values f on the same paths at steps h and 2h.

    Per path Z = 2 f_h - f_2h and D = f_2h - f_h. With both intervals at delta/2 the density value
    q is excluded at level delta if

    .. math:: |\bar Z - q| > e_{solver} + w_Z(\delta/2) + |\bar D| + w_D(\delta/2),

    where w is the empirical Bernstein width. The last two terms bound the bias left after
    extrapolation, O(h^2), by the whole first-order bias, C h: it is here that the step is asked
    to be small enough for the expansion in h to mean something.

    Source: docs/theory.md, N6.
    """
    n, span = fine.size, upper - lower
    z, d = 2 * fine - coarse, coarse - fine
    z_mean, d_mean = float(z.mean()), abs(float(d.mean()))
    z_var, d_var = (float(v.var(ddof=1)) if n > 1 else 0.0 for v in (z, d))
    apart = abs(z_mean - float(density)) - float(density.error)

    def widths(delta: float) -> tuple[float, float]:
        sampling = float(bernstein_width(z_var, n, 3 * span, delta / 2))
        return sampling, d_mean + float(bernstein_width(d_var, n, 2 * span, delta / 2))

    p_value = smallest_level(lambda delta: apart - sum(widths(delta)))
    return Check(name, density, z_mean, *widths(level), level, p_value)


def distribution_check(
    points: Array, values: Array, error: float, fine: Array, coarse: Array, level: float
) -> Check:
    r"""Compare distribution functions on points fixed beforehand, in dimension one.

    With empirical F_h, F_2h of the same paths, D = F_2h - F_h at each of J points, and
    :math:`\varepsilon` the half-width of Dvoretzky, Kiefer, Wolfowitz and Massart, the density's
    F is excluded at level delta if at some point

    .. math:: |F_h - D - F| > e_{solver} + \varepsilon(\delta/2)
              + w(\delta/2J) + \max_j [|D_j| + w_j(\delta/2J)].

    Parameters
    ----------
    points, values : ndarray, shape (J,)
        The points and F there.
    error : float
        Uniform solver error of F.
    fine, coarse : ndarray, shape (n,)
        Output points of the same paths at steps h and 2h.

    Notes
    -----
    The values shown are those of the point with the largest excess. Source: docs/theory.md, N6.
    """
    n, count = fine.size, points.size
    share = [np.searchsorted(np.sort(x), points, side="right") / n for x in (fine, coarse)]
    d = share[1] - share[0]
    # E of the squared difference of indicators: |1{x_h <= a} - 1{x_2h <= a}|
    low, high = np.minimum(fine, coarse), np.maximum(fine, coarse)
    crossed = np.searchsorted(np.sort(low), points, side="right") / n
    crossed = crossed - np.searchsorted(np.sort(high), points, side="right") / n
    variance = np.maximum(crossed - d**2, 0.0) * n / max(n - 1, 1)
    value = share[0] - d
    apart = np.abs(value - values) - error

    def widths(delta: float) -> tuple[Array, float]:
        own = bernstein_width(variance, n, 2.0, delta / (2 * count))
        return dkw_width(n, delta / 2) + own, float(np.max(np.abs(d) + own))

    def excess(delta: float) -> Array:
        sampling, discretisation = widths(delta)
        return apart - sampling - discretisation

    p_value = smallest_level(lambda delta: float(np.max(excess(delta))))
    worst = int(np.argmax(excess(level)))
    sampling, discretisation = widths(level)
    density = Estimate(float(values[worst]), error, "refinement")
    return Check(
        *("distribution", density, float(value[worst])),
        *(float(sampling[worst]), discretisation, level, p_value),
    )
