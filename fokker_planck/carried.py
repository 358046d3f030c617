"""More nodes for the law of an ODE in the plane than its functionals needed.

A rule that integrates functionals well is too coarse for what has corners or steep sides: the
edge of the set where one density exceeds another, the waves that make up a marginal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokker_planck.characteristic_reading import CharacteristicReading
from fokker_planck.functionals import ENTROPY
from fokker_planck.model import Dynamics
from fokker_planck.runs import Run

Array = NDArray[np.float64]
#: how far starting nodes go, in standard deviations
REACH = 8.5


class Carrier:
    """Starting nodes of any closeness, carried to one output time of a reading.

    Parameters
    ----------
    process : Dynamics
        Without noise, in the plane.
    reading : CharacteristicReading
        What was solved: its spacing, and its error, which sets the steps.
    i : int
        Index of the output time.
    """

    def __init__(self, process: Dynamics, reading: CharacteristicReading, i: int) -> None:
        from fokker_planck.methods.characteristics import COARSENESS, LEAST_LOCAL, MOST_LOCAL
        from fokker_planck.methods.flow import adaptive_mesh
        from fokker_planck.methods.start_grid import starting_nodes

        shape = reading.best.shape
        assert shape is not None
        self.process, self.tau, self.lost = process, reading.best.taus[i : i + 1], 0.0
        unit = starting_nodes(process.initial, np.ones(2), REACH)
        self.spacing = (np.array(unit.shape) - 1) / (np.array(shape) - 1)
        grid = starting_nodes(process.initial, self.spacing, REACH)
        self.lost = grid.lost
        claimed = reading.read(ENTROPY)[1]
        #: the entropy's error in the reading
        self.tol = float(np.clip(sum(part[i] for part in claimed.values()), 1e-13, 1e-4))

        def norm(points: Array, logs: Array, x: Array) -> float:
            size = np.abs(points).sum(axis=0) + np.abs(logs)
            return float(size @ grid.mass + 1e-4 * size.max())

        local_tol = float(np.clip(COARSENESS * self.tol, LEAST_LOCAL, MOST_LOCAL))
        mesh, *_ = adaptive_mesh(process, grid.points, self.tau, norm, local_tol)
        #: from the finest; each has every step of the next halved
        self.meshes = [mesh.halved().halved(), mesh.halved(), mesh]

    def size(self, factor: float) -> float:
        """Return about how many nodes there are at a multiple of the spacing."""
        return float(np.prod((2 * REACH) / (factor * self.spacing)))

    def run(self, factor: float, mesh: int = 0) -> Run:
        """Return the nodes at a multiple of the reading's spacing, on one of three meshes.

        Raises
        ------
        SolverError
            If that takes too many nodes.
        """
        from fokker_planck.methods.flow import carry
        from fokker_planck.methods.start_grid import starting_nodes

        grid = starting_nodes(self.process.initial, factor * self.spacing, REACH)
        points, logs = carry(self.process, grid.points, self.meshes[mesh], self.tau)
        log_density = grid.log_density - logs
        return Run(self.tau, points.swapaxes(1, 2), grid.mass[None], log_density, grid.shape)

    def reading(self) -> CharacteristicReading:
        """Return the law on as many nodes as before, on the three meshes."""
        best, coarse, coarsest = (self.run(1.0, mesh) for mesh in range(3))
        nothing = np.zeros_like(best.log_density)
        steps = self.meshes[0].steps
        return CharacteristicReading(best, coarse, coarsest, np.zeros(0), self.lost, nothing, steps)
