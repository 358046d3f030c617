"""The velocity of a moving frame on one grid, as Chebyshev series over blocks of time.

A drift costs far more than the transforms of a stage, and is smooth in time on a longer scale
than a step. Where it is not, it is evaluated at the stages themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fokker_planck.methods.runge_kutta import tableau
from fokker_planck.model import Dynamics
from fokker_planck.model.field import field_of, is_standard

if TYPE_CHECKING:
    from fokker_planck.methods.lawson_plane import PlaneProblem

Array = NDArray[np.float64]
NODES = 20
#: points of one call of a drift: larger arrays leave the cache
CHUNK = 4096
FIRST = 0.25  # of the horizon
#: steps until a series is tried again where it did not converge over one step
SKIPPED = 20


class VelocitySeries:
    """beta on one grid over one smooth piece of time.

    Parameters
    ----------
    problem : PlaneProblem
    process : Dynamics
        Smooth up to ``stop``.
    shape : tuple of int
    stop : float
        No block reaches further.
    tol : float
        Allowed size of the last coefficients times the length of the block: what their neglect
        may displace.
    length : float
        Of the first block that is tried.
    """

    def __init__(
        self, problem: PlaneProblem, process: Dynamics, shape: tuple[int, int], stop: float,
        tol: float, length: float,
    ) -> None:  # fmt: skip
        self.problem, self.process, self.shape = problem, process, shape
        self.stop, self.tol = stop, tol
        self.length = min(length, FIRST * problem.process.horizon)
        y = problem.points(shape)
        n = len(y)
        self.rows = np.concatenate([np.zeros((2, n)), np.ones((1, n)), y.T])
        self.x, self.divergence = np.empty((2, n)), np.empty(n)
        # where a formula is at hand, the drift costs less than a series of it
        self.field = field_of(process, n) if is_standard(process) else None
        self.block: tuple[float, float] = (0.0, 0.0)
        self.coefficients: Array | None = None
        self.evaluations = self.skipped = 0
        degrees = np.arange(NODES)
        self.angles = np.pi * (degrees + 0.5) / NODES
        self.transform = 2 / NODES * np.cos(np.outer(degrees, self.angles))
        self.transform[0] *= 0.5

    @property
    def slow(self) -> bool:
        """Whether an evaluation at a point costs about as much as a step."""
        return self.field is None

    def values(self, taus: Array) -> Array:
        """Return beta itself, shape (m, 2, n1, n2)."""
        motion = self.problem.frame.at(taus)
        out = np.empty((taus.size, 2, self.rows.shape[1]))
        turn = motion.inverse @ motion.root_rate
        carried = np.einsum("mij,mj->mi", motion.inverse, motion.centre_rate)
        # x and beta as small matrices times the rows b, 1, y
        position = np.concatenate([motion.centre[:, :, None], motion.root], axis=2)
        rule = np.concatenate([motion.inverse, -carried[:, :, None], -turn], axis=2)
        if self.field is not None:
            self.field.prepare(taus)
        for i, tau in enumerate(taus):
            x = np.matmul(position[i], self.rows[2:], out=self.x)
            if self.field is not None:
                self.field.evaluate(i, x, self.rows[:2], self.divergence)
            else:
                for at in range(0, x.shape[1], CHUNK):
                    part = slice(at, at + CHUNK)
                    b = self.process.drift(np.ascontiguousarray(x.T[part]), float(tau))
                    self.rows[:2, part] = np.transpose(b)
            np.matmul(rule[i], self.rows, out=out[i])
        self.evaluations += taus.size
        return out.reshape(taus.size, 2, *self.shape)

    def stages(self, tau: float, h: float) -> Array:
        """Return beta at the stages 1 to 11 of a step, shape (11, 2, n1, n2)."""
        times = tau + h * tableau()[2][1:]
        if self.field is not None:
            return self.values(times)
        if self.skipped > 0:
            self.skipped -= 1
            return self.values(times)
        start, stop = self.block
        if not (start <= tau and tau + h <= stop * (1 + 1e-14)):
            self._extend(tau, h)
            start, stop = self.block
        if self.coefficients is None:
            return self.values(times)
        u = np.clip(2 * (times - start) / (stop - start) - 1, -1.0, 1.0)
        weights = np.cos(np.arccos(u)[:, None] * np.arange(NODES))
        return np.asarray(weights @ self.coefficients).reshape(times.size, 2, *self.shape)

    def _extend(self, tau: float, h: float) -> None:
        """Make the block that begins at tau, of a step at least."""
        while True:
            length = max(self.length, h)
            stop = tau + length
            if stop > self.stop - 0.2 * length:
                stop = self.stop
            length = stop - tau
            times = tau + 0.5 * length * (1 + np.cos(self.angles))
            values = self.values(times).reshape(NODES, -1)
            c = self.transform @ values
            tip = float(np.abs(c[-2:]).max()) * length
            floor = 4e-15 * float(np.abs(values).max()) * length
            share = (max(self.tol, floor) / max(tip, 1e-300)) ** (1 / (NODES - 2))
            if tip <= max(self.tol, floor):
                self.block, self.coefficients = (tau, stop), c
                self.length = length * min(max(0.9 * share, 1.0), 2.0)
                return
            self.length = length * min(max(0.8 * share, 0.2), 0.7)
            if self.length < h or not np.isfinite(tip):
                # not smooth over a step: no series for this step
                self.block, self.coefficients, self.skipped = (tau, tau + h), None, SKIPPED
                self.length = h
                return
