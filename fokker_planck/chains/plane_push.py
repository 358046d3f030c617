"""Push-forwards in the plane: a trapezoid rule over the start, carried with its Jacobian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fokker_planck.characteristic_reading import CharacteristicReading
from fokker_planck.density import Density, PlaneDensity
from fokker_planck.functionals import Functional, watched
from fokker_planck.methods.base import SolverError
from fokker_planck.methods.start_grid import most_nodes, nodes_needed, starting_nodes
from fokker_planck.model import Chain
from fokker_planck.readings import GridReading
from fokker_planck.runs import Budget, Run

Array = NDArray[np.float64]
#: the first spacing of nodes, in deviations, and how much it shrinks
WIDEST, SHRINK = 0.4, 0.75
REACH = 8.0


@dataclass(frozen=True)
class PlanePush:
    """Carried nodes, read as characteristics are, and what a coarser law at the start changes.

    Parameters
    ----------
    inner : CharacteristicReading
    other : ndarray, shape (n,), optional
        Masses of the nodes under the coarser law.
    folded : bool
        Whether the Jacobian changes its sign: the entropy is then not known.
    """

    inner: CharacteristicReading
    other: Array | None
    folded: bool
    kind: ClassVar[str] = "plane-push"

    @property
    def best(self) -> Run:
        """The nodes."""
        return self.inner.best

    def read(self, functional: Functional) -> tuple[Array, Budget]:
        """Return values and error budget."""
        values, budget = self.inner.read(functional)
        snap = self.best.snapshot(0)
        if self.other is not None:
            w = np.abs(functional.influence(snap))
            gap = np.abs(self.other - snap.mass)
            budget["resolution"] = np.array([float(np.sum(np.where(gap == 0, 0.0, gap * w)))])
        if self.folded and functional.name == "entropy":
            budget["folds"] = np.array([np.inf])
        return values, budget

    def density(self, i: int) -> Density | PlaneDensity:
        """Return the density at the nodes.

        Raises
        ------
        ValueError
            If the map folds.
        """
        if self.folded:
            raise ValueError("density: the chain folds the plane; its means are known")
        return self.inner.density(i)

    def l1_differences(self) -> Budget:
        """Return the L1 difference under a coarser law at the start, and the tail."""
        gap = 0.0 if self.other is None else float(np.sum(np.abs(self.other - self.best.mass[0])))
        return {"resolution": np.array([gap]), "tail": np.array([2 * self.inner.lost])}

    def distribution_error(self, i: int) -> float:
        """Refuse: a distribution function needs dimension 1."""
        return self.inner.distribution_error(i)

    def pointwise_error(self, x: Array, i: int) -> Array:
        """Return unknown."""
        return self.inner.pointwise_error(x, i)


def carried(chain: Chain, steps: range, x: Array) -> tuple[Array, Array, bool]:
    """Return the image of points (n, 2), log|det| of the map, and whether its sign changes."""
    logs, sign = np.zeros(len(x)), np.ones(len(x))
    for k in steps:
        x, jacobian = chain.plane_step(k, x)
        assert jacobian is not None
        det = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
        logs += np.log(np.maximum(np.abs(det), np.finfo(float).eps))
        sign *= np.sign(det)
    return x, logs, bool(np.any(sign != sign[0]))


def _reading(
    chain: Chain,
    steps: range,
    points: Array,
    mass: Array,
    log_p: Array,
    shape: tuple[int, ...],
    lost: float,
    tau: float,
    other: Array | None,
) -> PlanePush:
    image, logs, folded = carried(chain, steps, points)
    run = Run(np.array([tau]), image[None], mass[None], (log_p - logs)[None], shape)
    nothing = np.zeros((1, mass.size))
    inner = CharacteristicReading(run, run, run, np.empty(0), lost, nothing, len(steps))
    return PlanePush(inner, other, folded)


def start_push(chain: Chain, steps: range, tau: float, tol: float) -> PlanePush:
    """Return the push-forward of the start, on nodes as close as the tolerance asks or can be."""
    spacing = np.full(2, WIDEST)
    best: PlanePush | None = None
    while nodes_needed(chain.initial, spacing, REACH) <= most_nodes(2):
        grid = starting_nodes(chain.initial, spacing, REACH)
        best = _reading(
            chain,
            steps,
            grid.points.T,
            grid.mass,
            grid.log_density,
            grid.shape,
            grid.lost,
            tau,
            None,
        )
        seen = [best.inner.read(item)[1]["quadrature"][0] for item in watched(chain.process)]
        if max(seen) <= 0.3 * tol:
            break
        spacing = spacing * SHRINK
    if best is None:
        raise SolverError("chain: too many nodes needed for the start in the plane")
    return best


def grid_push(chain: Chain, steps: range, law: GridReading, tau: float) -> PlanePush:
    """Return the push-forward of a gridded law under last steps without noise."""
    run = law.best
    assert run.shape is not None
    other = law.companions["resolution"][0]
    return _reading(
        chain,
        steps,
        run.points[0],
        run.mass[0],
        run.log_density[0],
        run.shape,
        float(law.tail[0]),
        tau,
        other,
    )
