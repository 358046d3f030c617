r"""Drift and divergence on a fixed list of times, in place: what an integrator of the ODE needs.

At one time the log-ratios L_k = log P_k/P_y are polynomials in x of degree at most two, so that
the whole list of times is reduced to a few small arrays, once, and an evaluation is a handful of
array operations. Tests hold this against ``process.drift_and_divergence``, the definition.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model.dynamics import Dynamics
from fokker_planck.model.process import ReverseProcess
from fokker_planck.model.scalar import ScalarPosterior
from fokker_planck.model.vector import VectorPosterior

Array = NDArray[np.float64]
#: e to this power is finite, and so is its reciprocal
MOST = 700.0
#: e to this power is finite when squared
LARGE = 300.0


class Field(Protocol):
    """Drift and divergence of a process at prepared times; points are rows, shape (d, n)."""

    def prepare(self, taus: Array) -> None:
        """Compute what depends on time alone, at reverse times ``taus``."""

    def evaluate(self, i: int, x: Array, drift: Array, divergence: Array) -> None:
        """Write b and div b at ``taus[i]``: shapes (d, n), (d, n) and (n,)."""


def field_of(process: Dynamics, n: int) -> Field:
    """Return the fastest exact field of a process for ``n`` points at a time."""
    if not is_standard(process):
        return DirectField(process)
    assert isinstance(process, ReverseProcess)
    posterior = process.posterior
    if len(posterior.others) == 1 and posterior.common:
        return PairField(process, n)
    return CommonField(process, n) if posterior.common else MixtureField(process, n)


def is_standard(process: Any) -> bool:
    """Whether the class is one Gaussian of a mixture and guidance a number at every time.

    Types are compared exactly: what a subclass adds is not in the formulas.
    """
    return (
        type(process) is ReverseProcess
        and type(process.posterior) in (ScalarPosterior, VectorPosterior)
        and process.is_linear
    )


class DirectField:
    """The process's own ``drift_and_divergence``, for every model without a formula here."""

    def __init__(self, process: Dynamics) -> None:
        self.process = process
        self.taus: list[float] = []

    def prepare(self, taus: Array) -> None:
        """Remember the times."""
        self.taus = taus.tolist()

    def evaluate(self, i: int, x: Array, drift: Array, divergence: Array) -> None:
        """Write b and div b at ``taus[i]``."""
        points = x[0] if len(x) == 1 else np.ascontiguousarray(x.T)
        b, div = self.process.drift_and_divergence(points, self.taus[i])
        drift[:] = np.transpose(b)
        divergence[:] = div


class _Coefficients:
    r"""What the fields share: the linear part of the drift, and the gaps of the components.

    With :math:`c = (1 + \lambda^2) D`, :math:`S_k = \Sigma_{k,t}^{-1}` and
    :math:`d_k = S_k (x - r\mu_k) - S_y (x - r\mu_y)`,

    .. math:: b = -f x + c\,S_y (r\mu_y - x) + c\,\eta \sum_k P_k d_k .
    """

    def __init__(self, process: ReverseProcess, n: int) -> None:
        mixture, y = process.mixture, process.posterior.target
        self.process, self.target, self.n = process, y, n
        self.d = mixture.dimension
        self.others = [k for k in range(mixture.n_components) if k != y and mixture.weights[k] > 0]
        self.log_prior = mixture.log_weights[self.others] - mixture.log_weights[y]

    def _at(self, taus: Array) -> tuple[Array, ...]:
        """Return r, v, f, c and c eta at the times, shape (m,)."""
        process = self.process
        t = process.forward_time(taus)
        schedule = process.schedule
        c = (1 + process.noise_level**2) * schedule.diffusivity(t)
        return (
            schedule.signal(t),
            schedule.variance(t),
            schedule.drift_rate(t),
            c,
            c * process.guidance.strength(t),
        )

    def _inverse(self, k: int, r: Array, v: Array) -> tuple[Array, Array]:
        """Return S_k, shape (m, d, d), and the eigenvalues of its inverse, shape (m, d)."""
        mixture = self.process.mixture
        spectrum = (r * r)[:, None] * mixture.variances[k] + v[:, None]
        axes = mixture.axes[k]
        return (axes / spectrum[:, None, :]) @ axes.T, spectrum

    def _linear(self, inverse: Array, spectrum: Array, terms: tuple[Array, ...]) -> None:
        """Set slope, offset and divergence of the unguided drift."""
        r, _, f, c, _ = terms
        mean = self.process.mixture.means[self.target]
        self.slope = -c[:, None, None] * inverse
        self.offset = (c * r)[:, None] * (inverse @ mean)
        # where -f x and -c S x cancel, as for unit variance, they do so exactly
        rates = -(f[:, None] + c[:, None] / spectrum)
        self.slope[:, range(self.d), range(self.d)] -= f[:, None]
        self.trace = rates.sum(axis=1)
        self.isotropic = bool(np.all(spectrum == spectrum[:, :1]))
        if self.isotropic:
            self.slope[:] = rates[:, :1, None] * np.eye(self.d)

    def _start(self, i: int, x: Array, drift: Array) -> None:
        """Write the unguided drift."""
        if self.isotropic:
            np.multiply(x, self.slope[i, 0, 0], out=drift)
        else:
            np.dot(self.slope[i], x, out=drift)
        drift += self.offset[i][:, None]


class PairField(_Coefficients):
    """Two components of one covariance: the posterior is a logistic function."""

    def prepare(self, taus: Array) -> None:
        """Compute what depends on time alone."""
        terms = self._at(taus)
        r, v, _, _, guide = terms
        mixture, y = self.process.mixture, self.target
        inverse, spectrum = self._inverse(y, r, v)
        self._linear(inverse, spectrum, terms)
        other = mixture.means[self.others[0]]
        gap = r[:, None] * (inverse @ (mixture.means[y] - other))
        centre = 0.5 * (gap @ (mixture.means[y] + other)) * r
        self.gap = gap
        self.constant: list[float] = (self.log_prior[0] + centre).tolist()
        self.push = (guide[:, None] * gap)[:, :, None]
        self.spread: list[float] = (guide * np.sum(gap * gap, axis=1)).tolist()
        self.work = np.empty((3, self.n))
        self.vector = np.empty((self.d, self.n))
        self.scalars = list(
            zip(
                self.slope[:, 0, 0].tolist(),
                self.offset[:, 0].tolist(),
                self.trace.tolist(),
                gap[:, 0].tolist(),
                self.push[:, 0, 0].tolist(),
                strict=True,
            )
        )

    def evaluate(self, i: int, x: Array, drift: Array, divergence: Array) -> None:
        """Write b and div b at ``taus[i]``."""
        odds, share, scratch = self.work
        slope, offset, trace, gap, push = self.scalars[i]
        if self.d == 1:
            np.multiply(x[0], gap, out=odds)
        else:
            np.dot(self.gap[i], x, out=odds)
        odds -= self.constant[i]
        np.minimum(odds, MOST, out=odds)
        np.exp(odds, out=odds)
        np.add(odds, 1.0, out=share)
        np.divide(1.0, share, out=share)
        if self.d == 1:
            row = drift[0]
            np.multiply(x[0], slope, out=row)
            row += offset
            np.multiply(share, push, out=scratch)
            row += scratch
        else:
            self._start(i, x, drift)
            np.multiply(share, self.push[i], out=self.vector)
            drift += self.vector
        # P (1 - P) as odds P P: no digit is lost at either end
        odds *= share
        odds *= share
        odds *= self.spread[i]
        np.subtract(trace, odds, out=divergence)


class CommonField(_Coefficients):
    """Any number of components of one covariance: the log-ratios are affine."""

    def prepare(self, taus: Array) -> None:
        """Compute what depends on time alone."""
        terms = self._at(taus)
        r, v, _, _, guide = terms
        mixture, y = self.process.mixture, self.target
        inverse, spectrum = self._inverse(y, r, v)
        self._linear(inverse, spectrum, terms)
        target, means = mixture.means[y], mixture.means[self.others]
        gap = r[:, None, None] * ((target - means) @ inverse)
        centre = 0.5 * np.sum(gap * (target + means), axis=2) * r[:, None]
        self.gap = -gap
        self.constant = (self.log_prior + centre)[:, :, None]
        self.push = np.swapaxes(guide[:, None, None] * gap, 1, 2).copy()
        between = gap[:, :, None] - gap[:, None]
        self.spread = 0.5 * guide[:, None, None] * np.sum(between * between, axis=3)
        self.alone = (guide[:, None] * np.sum(gap * gap, axis=2))[:, :, None]
        k = len(self.others)
        self.odds, self.pairs = np.empty((2, k, self.n))
        self.total, self.ones = np.empty(self.n), np.ones(k)
        self.vector = np.empty((self.d, self.n))

    def evaluate(self, i: int, x: Array, drift: Array, divergence: Array) -> None:
        """Write b and div b at ``taus[i]``."""
        odds, pairs, total = self.odds, self.pairs, self.total
        self._start(i, x, drift)
        if len(odds) == 0:
            divergence.fill(self.trace[i])
            return
        np.dot(self.gap[i], x, out=odds)
        odds += self.constant[i]
        own: Array | float = 1.0
        alone = self.alone[i]
        if odds.max() > LARGE:
            # everything relative to the largest, the target's own 1 included
            np.maximum(odds.max(axis=0), 0.0, out=total)
            odds -= total
            own = np.exp(-total)
            alone = alone * own
        np.exp(odds, out=odds)
        np.dot(self.ones, odds, out=total)
        total += own
        np.divide(1.0, total, out=total)
        np.dot(self.push[i], odds, out=self.vector)
        self.vector *= total
        drift += self.vector
        # P_y sum_j P_j |d_j|^2 and half the sum of P_j P_k |d_j - d_k|^2: nothing cancels
        np.dot(self.spread[i], odds, out=pairs)
        pairs += alone
        pairs *= odds
        np.dot(self.ones, pairs, out=divergence)
        divergence *= total
        divergence *= total
        np.subtract(self.trace[i], divergence, out=divergence)


class MixtureField(_Coefficients):
    r"""Components of any covariances: with u = x - r mu_y the log-ratios are quadratic in u.

    .. math:: d_k = S_k v_k + (S_k - S_y) u, \quad v_k = r (\mu_y - \mu_k), \qquad
              L_k = \ell_k - u \cdot S_k v_k - \tfrac12 u \cdot (S_k - S_y) u .
    """

    def prepare(self, taus: Array) -> None:
        """Compute what depends on time alone."""
        terms = self._at(taus)
        r, v, _, _, guide = terms
        mixture, y = self.process.mixture, self.target
        own, spectrum = self._inverse(y, r, v)
        self._linear(own, spectrum, terms)
        m, k, d = taus.size, len(self.others), self.d
        # rows 1, u_1, ..., u_d of the affine d_k; the target's own d is zero
        affine = np.zeros((m, k + 1, d, d + 1))
        self.constant = np.zeros((m, k + 1, 1))
        traces = np.zeros((m, k + 1))
        for j, other in enumerate(self.others):
            inverse, eigenvalues = self._inverse(other, r, v)
            change = mixture.covariances[y] - mixture.covariances[other]
            bend = (r * r)[:, None, None] * (inverse @ change @ own)
            bend = 0.5 * (bend + np.swapaxes(bend, 1, 2))
            step = r[:, None] * (mixture.means[y] - mixture.means[other])
            pull = np.einsum("mij,mj->mi", inverse, step)
            affine[:, j, :, 0] = pull
            affine[:, j, :, 1:] = bend
            logs = np.sum(np.log(spectrum), axis=1) - np.sum(np.log(eigenvalues), axis=1)
            self.constant[:, j, 0] = self.log_prior[j] + 0.5 * (
                logs - np.einsum("mi,mi->m", pull, step)
            )
            traces[:, j] = np.trace(bend, axis1=1, axis2=2)
        self.affine = np.swapaxes(affine, 1, 2).reshape(m, d * (k + 1), d + 1)
        self.traces = traces
        self.guide: list[float] = guide.tolist()
        self.centre = (r[:, None] * mixture.means[y])[:, :, None]
        self.features = np.ones((d + 1, self.n))
        self.gaps = np.empty((d, k + 1, self.n))
        self.ratio, self.scratch = np.empty((2, k + 1, self.n))
        self.top, self.row, self.ones = np.empty(self.n), np.empty(self.n), np.ones(k + 1)

    def evaluate(self, i: int, x: Array, drift: Array, divergence: Array) -> None:
        """Write b and div b at ``taus[i]``."""
        ratio, scratch, top, row, gaps = self.ratio, self.scratch, self.top, self.row, self.gaps
        self._start(i, x, drift)
        offset = self.features[1:]
        np.subtract(x, self.centre[i], out=offset)
        np.dot(self.affine[i], self.features, out=gaps.reshape(-1, self.n))
        pull = self.affine[i].reshape(self.d, -1, self.d + 1)[:, :, 0]
        ratio[:] = self.constant[i]
        for axis in range(self.d):
            # -u (d + S v)/2 is both terms of L_k at once
            np.add(gaps[axis], pull[axis][:, None], out=scratch)
            scratch *= offset[axis]
            scratch *= 0.5
            ratio -= scratch
        np.maximum(ratio[0], ratio[1], out=top)
        for other in ratio[2:]:
            np.maximum(top, other, out=top)
        ratio -= top
        np.exp(ratio, out=ratio)
        np.dot(self.ones, ratio, out=top)
        ratio /= top
        np.dot(self.traces[i], ratio, out=divergence)
        for axis in range(self.d):
            np.multiply(ratio, gaps[axis], out=scratch)
            np.dot(self.ones, scratch, out=row)
            gaps[axis] -= row
            np.multiply(gaps[axis], gaps[axis], out=scratch)
            scratch *= ratio
            np.dot(self.ones, scratch, out=top)
            divergence -= top
            row *= self.guide[i]
            drift[axis] += row
        divergence *= self.guide[i]
        divergence += self.trace[i]
