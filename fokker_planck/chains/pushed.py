"""How values and errors are read off a push-forward (docs/theory.md, N11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fokker_planck.chains.panels import EPS, Image, halves, panel_nodes
from fokker_planck.chains.starts import StartLaw
from fokker_planck.density import Density
from fokker_planck.functionals import Functional, Snapshot, weighted
from fokker_planck.runs import Budget, Run, lost_tail

Array = NDArray[np.float64]
#: a panel whose integral does not gain as much by halving is rough, and counts so many times
LEAST_GAIN, ROUGH = 2.0**-10, 2.0
#: what is lost may lie where an influence is so many times its largest at the nodes
FAR = 16.0
#: changes of this share of the value mean that nothing is resolved
LARGEST_CHANGE = 0.1


@dataclass(frozen=True)
class PushedReading:
    """A push-forward on three meshes of panels, the last two with every panel halved.

    Parameters
    ----------
    runs : list of Run
        At one time, from the coarsest mesh; nodes in the order of the start, a panel's together.
    jittered : Run
        The last with every step perturbed by rounding.
    other : ndarray, shape (n,), optional
        Masses of the last run's nodes under a coarser law at the start.
    lost : float
        Probability of the start that has no nodes.
    starts : ndarray, shape (n,)
        Where the last run's nodes come from, in increasing order.
    distribution : ndarray, shape (n,)
        Distribution function of the start there.
    sign : ndarray, shape (n,)
        Sign of the map's slope at the nodes.
    """

    runs: list[Run]
    jittered: Run
    other: Array | None
    lost: float
    starts: Array
    distribution: Array
    sign: Array
    note: dict[str, Any] = field(default_factory=dict)
    kind: ClassVar[str] = "pushed"

    @property
    def best(self) -> Run:
        """The run on the finest mesh."""
        return self.runs[-1]

    # -- folds ---------------------------------------------------------------------------------
    @cached_property
    def pieces(self) -> list[slice]:
        """The runs of nodes on which the map is monotone."""
        turns = np.flatnonzero(np.diff(self.sign) != 0) + 1
        ends = [0, *turns.tolist(), self.sign.size]
        return [slice(a, b) for a, b in pairwise(ends)]

    @cached_property
    def branches(self) -> int:
        """Most pieces whose images share a point: how many starts an output may have."""
        if len(self.pieces) == 1:
            return 1
        x = self.best.points[0]
        ends = []
        for k, piece in enumerate(self.pieces):
            inner = x[max(piece.start - (k > 0), 0) : piece.stop + 1]
            ends += [(float(inner.min()), 0), (float(inner.max()), 1)]
        depth = most = 0
        for _, closing in sorted(ends):
            depth += -1 if closing else 1
            most = max(most, depth)
        return most

    # -- functionals ---------------------------------------------------------------------------
    @staticmethod
    def _products(functional: Functional, snap: Snapshot) -> Array:
        """Return what is summed over the nodes."""
        if functional.average is not None:
            f = functional.average(snap)
        else:
            f = functional.influence(snap) + functional.value(snap)
        return np.where(snap.mass == 0, 0.0, snap.mass * np.where(snap.mass == 0, 0.0, f))

    def read(self, functional: Functional) -> tuple[Array, Budget]:
        """Return values and error budget."""
        snaps = [run.snapshot(0) for run in self.runs]
        value = functional.value(snaps[-1])
        with np.errstate(invalid="ignore", over="ignore"):
            sums = [self._products(functional, snap) for snap in snaps]
            panels = sums[0].size // 16
            sums = [item.reshape(panels, -1).sum(axis=1) for item in sums]
            last, before = np.abs(sums[2] - sums[1]), np.abs(sums[1] - sums[0])
        influence = functional.influence(snaps[-1])
        size = weighted(snaps[-1].mass, np.abs(influence)) + abs(value)
        noise = 64 * EPS * size
        # where a panel is rough, what halving it changes depends on where the jump lies
        rough = ~(last <= LEAST_GAIN * before)
        quadrature = float(np.sum(np.where(rough, ROUGH * np.maximum(last, before), last)))
        if not quadrature <= LARGEST_CHANGE * size:
            quadrature = np.inf
        if functional.integrand is not None and not np.any(sums[2]):
            quadrature = np.inf
        # a defect of the mass counts with the constant that the influence lacks
        defect = abs(float(snaps[-1].mass.sum()) + self.lost - 1) * abs(value)
        budget: Budget = {
            "quadrature": np.array([quadrature + defect]),
            "tail": np.array([self._tail(functional, snaps[-1], influence)]),
            "rounding": np.array([noise + self._rounding(functional, snaps[-1])]),
            "resolution": np.array([self._resolution(snaps[-1], influence)]),
            "folds": np.zeros(1),
        }
        if functional.name == "entropy" and self.branches > 1:
            width = 0.5 * float(np.log(self.branches))
            value, budget["folds"] = value - width, np.array([width])
        return np.array([value]), budget

    def _tail(self, functional: Functional, snap: Snapshot, influence: Array) -> float:
        """Return what the lost probability may add: the ends of the start need not map to ends."""
        ends = lost_tail(functional, snap, self.lost, influence)
        if functional.bound is not None:
            return ends
        finite = np.abs(influence[np.isfinite(influence)])
        return max(ends, FAR * self.lost * float(finite.max(initial=0.0)))

    def _rounding(self, functional: Functional, snap: Snapshot) -> float:
        """Return four times what perturbed steps change, node by node."""
        again = self.jittered.snapshot(0)
        with np.errstate(invalid="ignore", over="ignore"):
            change = self._products(functional, again) - self._products(functional, snap)
        total = float(np.sum(np.abs(change)))
        return 4 * total if np.isfinite(total) else np.inf

    def _resolution(self, snap: Snapshot, influence: Array) -> float:
        """Return what the coarser law at the start changes."""
        if self.other is None:
            return 0.0
        gap = np.abs(self.other - snap.mass)
        return weighted(gap, np.abs(influence))

    # -- the density ---------------------------------------------------------------------------
    def density(self, i: int) -> Density:
        """Return the density on points of the image: where the map folds, summed over starts.

        Raises
        ------
        ValueError
            If the map folds: the density then has poles at the folds, and only means are given.
        """
        run = self.best
        if self.branches > 1:
            raise ValueError("density: the chain folds the line; its means and entropy are known")
        x, mass, log_p = run.points[0], run.mass[0], run.log_density[0]
        cdf = self.distribution
        if self.sign[0] < 0:
            x, mass, log_p, cdf = x[::-1], mass[::-1], log_p[::-1], 1 - cdf[::-1]
        apart = np.concatenate([[True], np.diff(x) > 0])
        return Density(x[apart], np.exp(log_p[apart]), mass[apart], log_p[apart], cdf[apart])

    def distribution_at(self, y: Array, skip: int = 1) -> Array:
        """Return the distribution function at points, also where the map folds.

        Between two nodes the map is taken to be linear in the start's distribution function; of
        the nodes only every ``skip``-th is used.
        """
        image, level = self.best.points[0][::skip], self.distribution[::skip]
        # where the image comes down through y the starts beyond are counted, and vice versa
        out = np.where(image[0] <= y, 1.0, 0.0)
        low, high = np.minimum(image[:-1], image[1:]), np.maximum(image[:-1], image[1:])
        order = np.argsort(y)
        first = np.searchsorted(y[order], low, side="left")
        count = np.searchsorted(y[order], high, side="left") - first
        step = np.repeat(np.arange(count.size), count)
        place = np.arange(step.size) - np.repeat(np.cumsum(count) - count, count)
        which = order[first[step] + place]
        share = (y[which] - image[step]) / (image[step + 1] - image[step])
        beyond = 1 - (level[step] + share * (level[step + 1] - level[step]))
        falling = image[step + 1] < image[step]
        np.add.at(out, which, np.where(falling, beyond, -beyond))
        return out

    def folded_distribution(self) -> tuple[Array, Array, float]:
        """Return points of the image, the distribution function there, and its error."""
        y = np.quantile(self.best.points[0], np.linspace(0.0, 1.0, 2001))
        values, coarse = self.distribution_at(y), self.distribution_at(y, 2)
        move = 4 * np.abs(self.jittered.points[0] - self.best.points[0])
        spread = float(np.max(move)) if move.size else 0.0
        near = self.distribution_at(y + spread) - self.distribution_at(y - spread)
        error = float(np.max(np.abs(values - coarse))) + float(np.max(near)) + 2 * self.lost
        return y, values, error + sum(float(p[0]) for p in self.l1_differences().values())

    def l1_differences(self) -> Budget:
        """Return the L1 difference under a coarser law at the start, and the tail."""
        gap = 0.0 if self.other is None else float(np.sum(np.abs(self.other - self.best.mass[0])))
        return {"resolution": np.array([gap]), "tail": np.array([2 * self.lost])}

    def distribution_error(self, i: int) -> float:
        """Return what rounding moves the nodes by, times the density, and the tail."""
        move = np.abs(self.jittered.points[0] - self.best.points[0])
        drift = float(np.max(move * np.exp(self.best.log_density[0])))
        gaps = sum(float(part[0]) for part in self.l1_differences().values())
        return 4 * drift + gaps + 64 * EPS

    def pointwise_error(self, x: Array, i: int) -> Array:
        """Return unknown: no error is claimed of a density at points."""
        return np.full(np.shape(x), np.inf)


def pushed_reading(
    start: StartLaw,
    other: StartLaw | None,
    mesh: tuple[Array, Array],
    images: list[Image],
    jittered: Image,
    tau: float,
) -> PushedReading:
    """Return the reading of a mesh and its two halvings."""
    runs = []
    left, right = mesh
    x = log_p = np.empty(0)
    for level, image in enumerate(images):
        if level:
            left, right = halves(left, right)
        nodes, weights = panel_nodes(left, right)
        x = nodes.ravel()
        p, log_p = start.density(x)
        runs.append(_run(tau, image, p * weights.ravel(), log_p))
    again = _run(tau, jittered, runs[-1].mass[0], log_p)
    coarse = None
    if other is not None:
        coarse = other.density(x)[0] * panel_nodes(left, right)[1].ravel()
    cdf = start.distribution(x)
    return PushedReading(runs, again, coarse, start.lost, x, cdf, images[-1].sign)


def _run(tau: float, image: Image, mass: Array, log_p: Array) -> Run:
    logs = log_p - image.log_slope
    return Run(np.array([tau]), image.points[None], mass[None], logs[None])
