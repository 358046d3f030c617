"""The 1-D guided score on a fixed list of times, in place: what a step-by-step sampler needs.

At one time the log-ratios L_k = log P_k/P_y are polynomials in x of degree at most two, so the
whole list is reduced to a few numbers per time, once. A test holds this against
:class:`~fokker_planck.model.scalar.ScalarPosterior`, the definition.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model.checks import shown
from fokker_planck.model.process import ReverseProcess
from fokker_planck.model.scalar import ScalarPosterior

Array = NDArray[np.float64]


def freezes(process: Any) -> TypeGuard[ReverseProcess]:
    """Whether :class:`FrozenScore` gives the score: dimension one, one Gaussian, a linear rule."""
    return (
        isinstance(process, ReverseProcess)
        and isinstance(process.posterior, ScalarPosterior)
        and process.is_linear
    )


class FrozenScore:
    r"""The guided score of a 1-D process at the reverse times ``tau``.

    .. math:: s_\eta(x) = p + q x + \eta \sum_{k \ne y} P_k(x)\, d_k(x), \qquad
              P_k = \frac{e^{L_k}}{1 + \sum_j e^{L_j}}, \quad
              L_k = \ell_k - a_k x - b_k x^2/2, \quad d_k = a_k + b_k x.

    Parameters
    ----------
    process : ReverseProcess
        In dimension one, the class one Gaussian. The guidance has to be linear in the gradient
        for ``guidance``, not for ``ratio_rise`` (see :func:`freezes`).
    tau : ndarray, shape (n,)
        Reverse times.

    Attributes
    ----------
    intercept, slope : ndarray, shape (n,)
        p and q, of the score of the target component.
    constant, gap, gap_slope : ndarray, shape (n, K - 1)
        The coefficients l_k, a_k and b_k; b = 0 for a common variance.

    Raises
    ------
    ValueError
        If the process is not one-dimensional, or the class has several components.

    Notes
    -----
    Source: docs/theory.md, section 2. Far in the tails exp overflows to inf, which is right; run
    the methods under ``numpy.errstate(over="ignore")``.
    """

    def __init__(self, process: ReverseProcess, tau: Array) -> None:
        posterior = process.posterior
        if not isinstance(posterior, ScalarPosterior):
            raise ValueError(
                f"process must be 1-D with a class of one Gaussian, got {shown(process)}"
            )
        t = process.forward_time(tau)
        r, c = posterior.moments(t)
        self.intercept: Array = r * posterior.mean / c
        self.slope: Array = -1.0 / c
        self.strength: Array = np.asarray(process.guidance.strength(t), dtype=float)
        r, c = r[:, None], c[:, None]
        mu = posterior.other_means
        if posterior.common:
            self.gap: Array = r * (posterior.mean - mu) / c
            self.gap_slope: Array = np.zeros_like(self.gap)
            self.constant: Array = posterior.log_prior + 0.5 * self.gap * r * (posterior.mean + mu)
        else:
            ck = r * r * posterior.other_variances + process.schedule.variance(t)[:, None]
            self.gap = r * (posterior.mean / c - mu / ck)
            self.gap_slope = (c - ck) / (c * ck)
            self.constant = posterior.log_prior + 0.5 * (
                np.log(c / ck) + r * r * (posterior.mean**2 / c - mu**2 / ck)
            )
        self.common = posterior.common
        self.n_others = int(self.constant.shape[1])

    def workspace(self, n: int) -> Array:
        """Return scratch space for ``n`` points."""
        return np.empty((self.n_others + 3, n))

    def _negative_ratio(self, i: int, k: int, x: Array, out: Array) -> None:
        """Write -L_k(x) at time ``i`` into ``out``."""
        if self.common:
            np.multiply(x, self.gap[i, k], out=out)
        else:
            np.multiply(x, 0.5 * self.gap_slope[i, k], out=out)
            out += self.gap[i, k]
            out *= x
        out -= self.constant[i, k]

    def _weighted_gap(self, i: int, k: int, factor: float, x: Array, out: Array) -> Array | float:
        """Return factor * d_k(x), a number for a common variance."""
        if self.common:
            return factor * float(self.gap[i, k])
        np.multiply(x, factor * self.gap_slope[i, k], out=out)
        out += factor * self.gap[i, k]
        return out

    def guidance(self, i: int, factor: float, x: Array, work: Array) -> Array | None:
        """Return factor * eta * sum_k P_k d_k at time ``i``, in ``work``; None if it is zero.

        ``x`` has shape (n,) and ``work`` is the workspace for n points.
        """
        factor = factor * float(self.strength[i])
        if factor == 0 or self.n_others == 0:
            return None
        total, linear = work[-1], work[-2]
        if self.n_others == 1:
            self._negative_ratio(i, 0, x, total)
            np.exp(total, out=total)
            total += 1.0
            return np.divide(self._weighted_gap(i, 0, factor, x, linear), total, out=total)
        top, rest = work[-3], work[:-3]
        for k in range(self.n_others):
            self._negative_ratio(i, k, x, rest[k])
            np.minimum(rest[k], top if k else 0.0, out=top)
        np.exp(top, out=total)  # top = -max(0, max L): the target's own share
        for k in range(self.n_others):
            np.subtract(top, rest[k], out=rest[k])
            np.exp(rest[k], out=rest[k])
            total += rest[k]
            rest[k] *= self._weighted_gap(i, k, factor, x, linear)
        for k in range(1, self.n_others):
            rest[0] += rest[k]
        return np.divide(rest[0], total, out=total)

    def ratio_rise(self, i: int, x: Array, y: Array, work: Array) -> Array:
        r"""Return :math:`\min_k [\ell_k(x) - \ell_k(y)]`, :math:`\ell_k = \log P(y)/P(k)`.

        Each difference is (x - y) (a_k + b_k (x + y)/2): nothing cancels but x - y. The result,
        of shape (n,), lies in ``work``; it is inf if there is no other component.
        """
        lowest, term, difference = work[-1], work[-2], work[-3]
        lowest.fill(np.inf)
        np.subtract(x, y, out=difference)
        for k in range(self.n_others):
            if self.common:
                np.multiply(difference, self.gap[i, k], out=term)
            else:
                np.add(x, y, out=term)
                term *= 0.5 * self.gap_slope[i, k]
                term += self.gap[i, k]
                term *= difference
            np.minimum(lowest, term, out=lowest)
        return lowest
