r"""Two diffused mixtures against each other: log-ratio, scores and their divergences.

What classes of several components and pairs of laws need. Terms and scores are taken relative to
the component of a law that leads at the point, and the leaders of the two laws are compared
directly, so that nothing cancels far out, between crowded components, or where a ratio is
within 1e-300 of 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model.mixture import GaussianMixture
from fokker_planck.model.schedule import Schedule

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
#: numbers in the working arrays of one block, which stay in a second-level cache
BLOCK = 1 << 15
#: log of a share below which a component is left out: with 1e5 of them still nothing
NOTHING = -60.0
#: laws of more components than this look at points in order, to leave out most components
MANY = 32


@dataclass(frozen=True)
class Contrast:
    r"""Law a against law b at n points.

    Attributes
    ----------
    log_ratio : ndarray, shape (n,)
        log b - log a, weights included; -inf where b is empty.
    score : ndarray, shape (n, d)
        grad log a.
    gap : ndarray, shape (n, d)
        grad log a - grad log b.
    curvature, gap_curvature : ndarray, shape (n,)
        The trace of the Hessian of log a, and of log a - log b; with directions n given, the
        quadratic forms of n in place of traces.
    """

    log_ratio: Array
    score: Array
    gap: Array
    curvature: Array
    gap_curvature: Array


@dataclass(frozen=True)
class _Leader:
    """The leading component at every point: c = covariance, y = x - r mu, z = c^{-1} y."""

    index: Indices
    y: Array
    z: Array


@dataclass(frozen=True)
class _Law:
    """A law at n points, relative to its leader: log-sum, score and curvature."""

    leader: _Leader
    log_sum: Array
    score: Array
    curvature: Array


class DiffusedPair:
    """Components of two laws under one schedule.

    Parameters
    ----------
    mixture : GaussianMixture
        All components, with the weights that count.
    first, second : ndarray of int
        The components of law a and law b; b may be empty.
    schedule : Schedule
        The forward process.
    """

    def __init__(
        self, mixture: GaussianMixture, first: Indices, second: Indices, schedule: Schedule
    ) -> None:
        self.schedule = schedule
        self.first, self.second = first, second
        self.log_weights = mixture.log_weights
        self.dimension = mixture.dimension
        # with one set of axes everything is diagonal in them
        self.aligned = bool(np.all(mixture.axes == mixture.axes[:1]))
        self.equal = bool(np.all(mixture.covariances == mixture.covariances[:1]))
        self.axes = mixture.axes[0] if self.aligned else np.eye(self.dimension)
        self.means = mixture.means @ self.axes
        self.frames, self.variances = mixture.axes, mixture.variances
        self.covariances = mixture.covariances

    def at(self, x: Any, t: Any, along: Array | None = None) -> Contrast:
        """Compare the laws at points (..., d) and times that broadcast to their leading shape.

        The arrays of the result have that leading shape. ``along`` holds a direction per point.
        """
        x = np.asarray(x, dtype=float)
        r = np.asarray(self.schedule.signal(t), dtype=float)
        v = np.asarray(self.schedule.variance(t), dtype=float)
        d = self.dimension
        lead = np.broadcast_shapes(x.shape[:-1], r.shape)
        points = np.broadcast_to(x, (*lead, d)).reshape(-1, d)
        n = len(points)
        if r.ndim:
            r, v = (np.broadcast_to(a, lead).reshape(-1) for a in (r, v))
        ways = None if along is None else np.broadcast_to(along, (*lead, d)).reshape(-1, d)
        order: Any = slice(None)
        if d == 1 and self.log_weights.size > MANY and not r.ndim:
            order = np.argsort(points[:, 0], kind="stable")
        points = points[order]
        ways = None if ways is None else ways[order]
        out = [np.empty(n), np.empty((n, d)), np.empty((n, d)), np.empty(n), np.empty(n)]
        size = max(32, BLOCK // (d * self.log_weights.size))
        for start in range(0, n, size):
            part = slice(start, start + size)
            rs, vs = (a[part] if a.ndim else a for a in (r, v))
            way = None if ways is None else (ways[part] @ self.axes).T
            found = self._block((points[part] @ self.axes).T, rs, vs, way)
            for target, value in zip(out, found, strict=True):
                target[part] = value
        if not isinstance(order, slice):
            back = np.empty_like(order)
            back[order] = np.arange(n)
            out = [a[back] for a in out]
        return Contrast(*(a.reshape((*lead, *a.shape[1:])) for a in out))

    # -- one block: coordinates first, shape (d, n) ---------------------------------------------
    def _block(self, x: Array, r: Array, v: Array, way: Array | None) -> tuple[Array, ...]:
        a = self._law(self.first, x, r, v, way)
        own = -a.leader.z
        score = (own + a.score).T @ self.axes.T
        curvature = self._own_curvature(a.leader.index, r, v, way) + a.curvature
        if self.second.size == 0:
            zero = np.zeros(x.shape[1])
            return zero - np.inf, score, np.zeros_like(score), curvature, zero
        b = self._law(self.second, x, r, v, way)
        ratio, step, bend = (
            q[..., 0, :] for q in self._against(a.leader, b.leader.index[None], x, r, v, way)
        )
        gap = (step + a.score - b.score).T @ self.axes.T
        return (
            ratio + b.log_sum - a.log_sum,
            score,
            gap,
            curvature,
            bend + a.curvature - b.curvature,
        )

    def _law(self, chosen: Indices, x: Array, r: Array, v: Array, way: Array | None) -> _Law:
        if self.dimension == 1 and self.equal and chosen.size > 1:
            return self._line(chosen, x, r, v, way)
        chosen, index, y, z = self._leaders(chosen, x, r, v)
        leader = _Leader(index, y, z)
        if chosen.size == 1:
            zero = np.zeros(x.shape[1])
            return _Law(leader, zero, np.zeros_like(x), zero)
        ratio, step, bend = self._against(leader, chosen[:, None], x, r, v, way)
        shares = np.exp(ratio)
        total = shares.sum(axis=0)
        shares /= total
        score = -(shares * step).sum(axis=1)
        step += score[:, None]  # the score of the law less that of the component
        squares = (step * step).sum(axis=0) if way is None else _along(way, step) ** 2
        curvature = (shares * (squares - bend)).sum(axis=0)
        return _Law(leader, np.log(total), score, curvature)

    def _line(self, chosen: Indices, x: Array, r: Array, v: Array, way: Array | None) -> _Law:
        """Do the same in dimension one with equal variances, where gaps are affine in x."""
        c = r * r * self.variances[0, 0] + v
        y = x - r * self.means[chosen]
        rough = y * y
        rough *= -0.5 / c
        rough += self.log_weights[chosen, None]
        chosen, index = _leading(chosen, rough)
        own = x[0] - r * self.means[index, 0]
        gap = self.means[index, 0] - self.means[chosen]
        pull = r / c
        shares = gap * (0.5 * r)
        shares += own
        shares *= gap
        shares *= -pull
        shares += self.log_weights[chosen, None] - self.log_weights[index]
        np.exp(shares, out=shares)
        total = shares.sum(axis=0)
        shares /= total
        mean = (shares * gap).sum(axis=0)
        gap -= mean
        gap *= gap
        gap *= shares
        curvature = pull * pull * gap.sum(axis=0)
        if way is not None:
            curvature = curvature * way[0] ** 2
        leader = _Leader(index, own[None], (own / c)[None])
        return _Law(leader, np.log(total), -(pull * mean)[None], curvature)

    def _leaders(
        self, chosen: Indices, x: Array, r: Array, v: Array
    ) -> tuple[Indices, Indices, Array, Array]:
        """Find the leading component at every point, up to rounding of the densities.

        Returns the components that count anywhere, the index of the leader at every point, and
        x - r mu and C^{-1} (x - r mu) of it.
        """
        if chosen.size == 1:
            index = np.full(x.shape[1], chosen[0])
        elif self.aligned:
            y = x[:, None] - r * self.means[chosen].T[:, :, None]
            c = self._spectrum(chosen[:, None], r, v)
            rough = (y * y / c if self.equal else y * y / c + np.log(c)).sum(axis=0)
            chosen, index = _leading(chosen, self.log_weights[chosen, None] - 0.5 * rough)
        else:
            rough = np.empty((chosen.size, x.shape[1]))
            for row, k in enumerate(chosen):
                y = self.frames[k].T @ (x - r * self.means[k][:, None])
                c = r * r * self.variances[k][:, None] + v
                rough[row] = self.log_weights[k] - 0.5 * (y * y / c + np.log(c)).sum(axis=0)
            chosen, index = _leading(chosen, rough)
        y = x - r * self.means[index].T
        return chosen, index, y, self._solve(index[None], y[:, None], r, v)[:, 0]

    def _spectrum(self, index: Indices, r: Array, v: Array) -> Array:
        """Return the eigenvalues of C, shape (d, k, n), for an index of shape (k, n) or (k, 1)."""
        return np.asarray(r * r * np.moveaxis(self.variances[index], -1, 0) + v)

    def _solve(self, index: Indices, y: Array, r: Array, v: Array) -> Array:
        """Return C_k^{-1} y for y of shape (d, k, n) and an index of shape (k, n) or (k, 1)."""
        if self.aligned:
            return np.asarray(y / self._spectrum(index, r, v))
        axes = np.moveaxis(self.frames[index], (-2, -1), (0, 1))
        inner = (axes * y[:, None]).sum(axis=0) / self._spectrum(index, r, v)
        return np.asarray((axes * inner).sum(axis=1))

    def _own_curvature(self, index: Indices, r: Array, v: Array, way: Array | None) -> Array:
        """Return -tr C^{-1} of the components, or minus the form of the directions."""
        if way is not None:
            solved = self._solve(index[None], way[:, None], r, v)[:, 0]
            return -np.asarray((way * solved).sum(axis=0))
        return -np.asarray((1 / self._spectrum(index[None], r, v)).sum(axis=0)[0])

    def _against(
        self, leader: _Leader, index: Indices, x: Array, r: Array, v: Array, way: Array | None
    ) -> tuple[Array, Array, Array]:
        r"""Compare components k with the leader m: l_k - l_m, s_m - s_k and the traces of both.

        With :math:`d = z_k - z_m`, :math:`\Delta = r^2 (\Sigma_m - \Sigma_k)`:

        .. math:: l_k - l_m = \log\frac{w_k}{w_m} + \tfrac12 \log\frac{|C_m|}{|C_k|}
                  + \tfrac12 \big[z_m^T \Delta z_k - d^T (y_m + y_k)\big], \qquad
                  d = C_k^{-1} [\Delta z_m + r (\mu_m - \mu_k)] .

        The third value is :math:`\mathrm{tr}\,(C_k^{-1} - C_m^{-1})`, or that form of directions.
        """
        m = leader.index
        prior = self.log_weights[index] - self.log_weights[m]
        means = np.moveaxis(self.means[index], -1, 0)
        shift = r * (self.means[m].T[:, None] - means)
        y = x[:, None] - r * means
        if self.equal:
            step = self._solve(index, shift, r, v)
            ratio = prior - 0.5 * (step * (leader.y[:, None] + y)).sum(axis=0)
            return ratio, step, np.zeros((1, 1))
        if self.aligned:
            less = r * r * np.moveaxis(self.variances[m] - self.variances[index], -1, 0)
            pull = less * leader.z[:, None]
        else:
            wide = self.covariances[m] - self.covariances[index]
            pull = r * r * (np.moveaxis(wide, (-2, -1), (0, 1)) * leader.z[:, None]).sum(axis=1)
        step = self._solve(index, shift + pull, r, v)
        z = leader.z[:, None] + step
        ratio = prior + 0.5 * (pull * z - step * (leader.y[:, None] + y)).sum(axis=0)
        own, other = self._spectrum(m[None], r, v), self._spectrum(index, r, v)
        if self.aligned:
            share = less / own
            ratio -= 0.5 * np.log1p(-share).sum(axis=0)
            forms = share / other  # 1/other - 1/own
            return ratio, step, (forms if way is None else forms * way[:, None] ** 2).sum(axis=0)
        ratio += 0.5 * (np.log(own).sum(axis=0) - np.log(other).sum(axis=0))
        if way is None:
            return ratio, step, (1 / other).sum(axis=0) - (1 / own).sum(axis=0)
        ways = np.broadcast_to(way[:, None], step.shape)
        forms = [(ways * self._solve(k, ways, r, v)).sum(axis=0) for k in (index, m[None])]
        return ratio, step, forms[0] - forms[1]


def _leading(chosen: Indices, log_terms: Array) -> tuple[Indices, Indices]:
    """Return the components that count anywhere, and the leader at every point."""
    place = np.argmax(log_terms, axis=0)
    if chosen.size <= MANY:
        return chosen, chosen[place]
    highest = np.take_along_axis(log_terms, place[None], axis=0)
    counts = (log_terms - highest).max(axis=1) > NOTHING
    return chosen[counts], chosen[place]


def _along(way: Array, step: Array) -> Array:
    """Return the products of vectors (d, k, n) with directions (d, n)."""
    return np.asarray((way[:, None] * step).sum(axis=0))
