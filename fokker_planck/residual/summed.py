"""Functionals of a density known on quadrature nodes, with errors from its L1 distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.estimate import Estimate
from fokker_planck.residual.moments import Reach
from fokker_planck.residual.naive import is_plain_mixture
from fokker_planck.residual.naive_reach import naive_reach
from fokker_planck.residual.transfer import bounded_error, entropy_error

Array = NDArray[np.float64]
#: how much higher and wider than the computed law the true one may be: both count by logarithms
HEADROOM = 10.0


@dataclass(frozen=True)
class Nodes:
    """A density on nodes at one time: points (n, d), masses, log-density, grid, occupied area."""

    points: Array
    mass: Array
    log_density: Array
    shape: tuple[int, ...]
    room: float

    def sums(self, f: Array) -> tuple[Array, Array]:
        """Return the sum of mass * f over nodes, and its change on every other node per axis."""
        terms = (self.mass[:, None] * f.reshape(self.mass.size, -1)).reshape(*self.shape, -1)
        axes = tuple(range(len(self.shape)))
        full = terms.sum(axis=axes)
        halves = [2 * np.take(terms, range(0, k, 2), axis=i).sum(axis=axes)
                  for i, k in enumerate(self.shape)]  # fmt: skip
        return full, np.max([np.abs(half - full) for half in halves], axis=0)


def summed_estimates(
    process: Any, taus: Array, values: dict[str, Array], nodes: list[Nodes], l1: Array
) -> dict[str, Estimate]:
    """Return Estimates of kind "residual" of the given values, one entry per time.

    ``values`` are what the solution says; each gets the difference to the sum over the certified
    density's nodes, that sum's change on fewer nodes, and what the L1 distance allows.
    """
    heights = np.array([HEADROOM * np.exp(np.nanmax(node.log_density)) for node in nodes])
    reach = naive_reach(process, taus, heights) if is_plain_mixture(process) else None
    errors: dict[str, list[Array]] = {name: [] for name in values}
    for i, node in enumerate(nodes):
        said = {name: np.asarray(value)[i] for name, value in values.items()}
        found = _errors(process, float(taus[i]), said, node, float(l1[i]), float(heights[i]))
        if reach is not None and np.isfinite(reach.spread[i] * reach.log_moment[i]):
            found |= _moments(said, node, float(l1[i]), reach, i)
        for name, error in found.items():
            if name in errors:
                errors[name].append(np.asarray(error))
    return {
        name: Estimate(np.asarray(value), np.array(errors[name]), "residual")
        for name, value in values.items()
        if len(errors[name]) == len(nodes)
    }


def _errors(
    process: Any, tau: float, said: dict[str, Array], node: Nodes, eps: float, height: float
) -> dict[str, Any]:
    mass, change = node.sums(np.ones(node.mass.size))
    out: dict[str, Any] = {"mass": eps + abs(said["mass"] - mass[0]) + change[0]}
    surprise = np.where(node.mass > 0, -node.log_density, 0.0)
    entropy, loose = node.sums(surprise)
    moment = HEADROOM * float(node.sums(np.sum(node.points**2, axis=1))[0][0] + 1)
    distance = entropy_error(eps, float(np.log(height)), node.room, moment)
    out["entropy"] = distance + abs(said["entropy"] - entropy[0]) + loose[0]
    if "posterior_mass" in said:
        x = node.points if node.points.shape[1] > 1 else node.points[:, 0]
        for name, f in (
            ("posterior_mass", np.exp(process.log_posterior(x, tau))),
            ("complement_mass", np.exp(process.log_complement(x, tau))),
        ):
            total, loose = node.sums(f)
            error = bounded_error(eps, abs(1 - float(mass[0])))
            out[name] = error + abs(said[name] - total[0]) + loose[0]
    return out


def _moments(
    said: dict[str, Array], node: Nodes, eps: float, reach: Reach, i: int
) -> dict[str, Any]:
    least = float(np.linalg.norm(node.points, axis=1).max())
    mean, loose = node.sums(node.points)
    error = reach.cut(i, eps, 1, least) + np.abs(np.atleast_1d(said["mean"]) - mean) + loose
    gap = node.points - np.atleast_1d(said["mean"])
    second, loose2 = node.sums(gap[:, :, None] * gap[:, None, :])
    origin = float(np.sum(np.atleast_1d(said["mean"]) ** 2))
    spread = 2 * reach.cut(i, eps, 2, least) + 2 * origin * eps
    shape = np.shape(said["covariance"])
    wide = spread + np.abs(np.ravel(said["covariance"]) - second) + loose2
    return {
        "mean": error.reshape(np.shape(said["mean"])),
        "covariance": (wide + np.ravel(np.outer(error, error))).reshape(shape),
    }
