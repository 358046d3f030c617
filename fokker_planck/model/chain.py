"""The discretised sampler as a model of its own: time grids, and the kernels of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import real_array, shown, whole_number
from fokker_planck.model.dynamics import Dynamics
from fokker_planck.model.guided import GuidedProcess
from fokker_planck.model.line_score import LineScore
from fokker_planck.model.mixture import GaussianMixture
from fokker_planck.model.plane_step import plane_score
from fokker_planck.model.steps import CHAIN_RULES, check_rule, step_table, time_nodes

Array = NDArray[np.float64]


class Chain:
    r"""A sampler in discrete steps, :math:`x' = M_k(x) + C_k\,\xi`; build it with :func:`chain`.

    For all rules but Heun's :math:`M_k(x) = A_k x + B_k\,s(x, \tau_k)` with the coefficients of
    :func:`~fokker_planck.model.steps.step_table`. Heun's rule is, with the drift b,

    .. math:: \tilde x = x + h\,b(x, \tau_k), \qquad
              M_k(x) = x + \tfrac h2 [b(x, \tau_k) + b(\tilde x, \tau_{k+1})] .

    Attributes
    ----------
    process : Dynamics
        What was discretised.
    tau : ndarray, shape (n + 1,)
        Reverse times, from 0 to the horizon.
    rule : str
    table : StepTable
        The coefficients A, B and C.
    """

    def __init__(self, process: Dynamics, tau: Array, rule: str) -> None:
        self.process = process
        self.tau = tau
        self.rule = rule
        self.table = step_table(process, tau, rule)
        self.noise: Array = self.table.noise
        self._line: LineScore | None = None
        if isinstance(process, GuidedProcess) and process.dimension == 1:
            self._line = LineScore(process, tau)

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return int(self.tau.size - 1)

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return self.process.dimension

    @property
    def initial(self) -> GaussianMixture:
        """Law at tau = 0."""
        return self.process.initial

    @property
    def horizon(self) -> float:
        """Length of reverse time."""
        return float(self.tau[-1])

    @property
    def deterministic(self) -> bool:
        """Whether no step has noise."""
        return not np.any(self.noise)

    # -- one step on the line ------------------------------------------------------------------
    def step(self, k: int, x: Array, strength: Any = None) -> tuple[Array, Array, Array]:
        """Return M_k(x), its derivative, and the summed size of its terms, on the line.

        Parameters
        ----------
        k : int
            Number of the step, from 0.
        x : ndarray, shape (..., n)
        strength : ndarray, optional
            In place of the process's own, broadcastable to ``x``: many chains at once.

        Notes
        -----
        The last is what rounding is relative to. Where the model is symmetric about 0, M_k keeps
        its relative accuracy there.
        """
        table = self.table
        if self.rule == "heun":
            return self._heun(k, x, strength)
        if self._line is None:
            drift, slope = self.process.drift_and_divergence(x, float(self.tau[k]))
            moved, bend = table.score[k] * drift, table.score[k] * slope
            return x + moved, 1 + bend, np.abs(x) + np.abs(moved)
        linear, weight = float(table.linear[k]), float(table.score[k])
        score, slope, size = self._line.evaluate(k, x, strength)
        return (
            linear * x + weight * score,
            linear + weight * slope,
            np.abs(linear * x) + abs(weight) * size,
        )

    def roughness(self, k: int, x: Array, slope: Array, least: float) -> Array:
        """Return how fast posteriors change where step ``k`` sees them.

        That is, where its slope is not that of the linear part to within ``least``; else 0.
        """
        frozen = None if self._line is None else self._line.frozen
        if self._line is None or frozen is None:
            return np.zeros_like(x)
        linear = float(self.table.linear[k] + self.table.score[k] * frozen.slope[k])
        return np.where(np.abs(slope - linear) > least, self._line.rate(k, x), 0.0)

    def _drift(self, i: int, x: Array, strength: Any) -> tuple[Array, Array, Array]:
        """Return drift, slope and size at node ``i``."""
        if self._line is None:
            drift, slope = self.process.drift_and_divergence(x, float(self.tau[i]))
            return drift, slope, np.abs(drift)
        process: Any = self.process
        t = process.forward_time(float(self.tau[i]))
        f, c = float(process.schedule.drift_rate(t)), float(process.schedule.diffusivity(t))
        score, slope, size = self._line.evaluate(i, x, strength)
        return c * score - f * x, c * slope - f, c * size + np.abs(f * x)

    def _heun(self, k: int, x: Array, strength: Any) -> tuple[Array, Array, Array]:
        h = float(self.tau[k + 1] - self.tau[k])
        first, bend, size = self._drift(k, x, strength)
        second, again, more = self._drift(k + 1, x + h * first, strength)
        moved = 0.5 * h * (first + second)
        slope = 1 + 0.5 * h * (bend + again * (1 + h * bend))
        return x + moved, slope, np.abs(x) + 0.5 * h * (size + more)

    # -- one step in the plane -----------------------------------------------------------------
    def plane_step(self, k: int, x: Array, jacobian: bool = True) -> tuple[Array, Array | None]:
        """Return M_k at points (n, d) and its Jacobian matrix (n, d, d)."""
        if self.rule != "heun":
            field, slope = plane_score(self.process, x, float(self.tau[k]), jacobian)
            linear, weight = self.table.linear[k], self.table.score[k]
            moved = linear * x + weight * field
            if slope is None:
                return moved, None
            return moved, linear * np.eye(self.dimension) + weight * slope
        h = float(self.tau[k + 1] - self.tau[k])
        first, bend = self._plane_drift(k, x, jacobian)
        second, again = self._plane_drift(k + 1, x + h * first, jacobian)
        moved = x + 0.5 * h * (first + second)
        if bend is None or again is None:
            return moved, None
        one = np.eye(self.dimension)
        return moved, one + 0.5 * h * (bend + again @ (one + h * bend))

    def _plane_drift(self, i: int, x: Array, jacobian: bool) -> tuple[Array, Array | None]:
        field, slope = plane_score(self.process, x, float(self.tau[i]), jacobian)
        if not isinstance(self.process, GuidedProcess):
            return field, slope
        t = self.process.forward_time(float(self.tau[i]))
        schedule = self.process.schedule
        f, c = float(schedule.drift_rate(t)), float(schedule.diffusivity(t))
        drift = c * field - f * x
        return drift, None if slope is None else c * slope - f * np.eye(self.dimension)

    # -- identity ------------------------------------------------------------------------------
    def __repr__(self) -> str:
        return f"Chain({self.process!r}, n_steps={self.n_steps}, rule={self.rule!r})"


def chain(process: Dynamics, time_grid: int | ArrayLike, rule: str = "euler") -> Chain:
    """State a discretised sampler; ``fp.solve`` gives its law.

    Parameters
    ----------
    process : ReverseProcess, PairProcess or Process
        What is discretised; a process of the user's own takes the rules euler and heun.
    time_grid : int or array_like, shape (n + 1,)
        Number of equal steps, or reverse times from 0 to the horizon (see
        :func:`fokker_planck.time_grid`).
    rule : {"euler", "exponential", "ddim", "ddpm", "heun"}
        The step rule. ddim and heun need the ODE sampler, ddpm the SDE sampler.

    Returns
    -------
    Chain

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.

    Notes
    -----
    Source of the rules: docs/theory.md, sections 2 and 5 (T1-discrete), and N11.
    """
    if not isinstance(process, Dynamics):
        raise ValueError(f"process must be a ReverseProcess or a Process, got {shown(process)}")
    check_rule(process, rule, CHAIN_RULES)
    if np.ndim(time_grid) == 0:
        n_steps = whole_number("time_grid", time_grid, minimum=1)
        return Chain(process, time_nodes(process, n_steps), rule)
    nodes = real_array("time_grid", time_grid)
    if nodes.ndim != 1 or nodes.size < 2:
        raise ValueError(f"time_grid must have at least two times, got {shown(time_grid)}")
    return Chain(process, time_nodes(process, nodes.size - 1, nodes), rule)
