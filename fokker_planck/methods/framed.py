"""The Fokker-Planck equation in a moving frame and a box: what is stepped, and its tails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fokker_planck.frame import Frame
from fokker_planck.methods.frame_drift import frame_velocity, has_formula
from fokker_planck.methods.runge_kutta import tableau
from fokker_planck.model import Dynamics
from fokker_planck.model.dynamics import breaks_of, piece_of
from fokker_planck.pilot import Pilot
from fokker_planck.runs import FarTail
from fokker_planck.tails import TailBound

Array = NDArray[np.float64]
Piece = tuple[float, float]
#: largest speed times wavenumber times step seen to be stable
STABILITY = 2.2
#: shells beyond a box, out to two box lengths
SHELLS = 65


@dataclass(frozen=True)
class Problem:
    """The Fokker-Planck equation of one process in its frame and box."""

    process: Dynamics
    frame: Frame
    lower: float
    length: float
    diffusion_series: Array
    bound: TailBound
    pilot: Pilot | None

    def boxed(self, level: float) -> Problem:
        """Return the problem in the box outside which the pilot has at most ``level``."""
        assert self.pilot is not None
        low, high = self.pilot.box(level)
        # a margin against the wrap-around of the periodic box
        margin = 0.02 * (high - low)
        return replace(self, lower=low - margin, length=high - low + 2 * margin)

    def start_density(self, y: Array) -> Array:
        """Return q(y, 0)."""
        m, s, _, _ = (float(item) for item in self.frame.at(0.0))
        return np.asarray(s * np.exp(self.process.initial.log_density(m + s * y)))

    def _means(self, taus: Array, mesh: Array, means: Array) -> tuple[Array, Array, Array]:
        """Return m, s and the mean of x at some times, from means of y on the mesh."""
        m, s, _, _ = self.frame.at(taus)
        return m, s, m + s * np.interp(taus, mesh, means)

    def tail(self, taus: Array, mesh: Array, means: Array) -> Array:
        """Return the probability that may lie outside the box at or before each time.

        Beyond the outer box of the tail bound, and between it and the inner box of the pilot;
        ``means`` are those of the solution at the times ``mesh``.
        """
        assert self.pilot is not None
        outer_low, outer_high = self.pilot.faces[0], self.pilot.faces[-1]
        m, s, mean = self._means(self.bound.taus, mesh, means)
        far = self.bound.outside_at(m + s * outer_low, m + s * outer_high, taus, mean)
        return far + self.pilot.outside(self.lower, self.lower + self.length, taus)

    def expected_steps(self) -> float:
        """Return about how many steps stability asks for: speed times wavenumber, over time."""
        taus = self.bound.taus
        y = self.nodes(64)
        speed = np.abs(self.velocity(taus, y, self.process)).max(axis=1)
        wavenumber = 2.6 * np.pi
        return float(np.trapezoid(speed, taus)) * wavenumber / STABILITY

    def far_tail(self, taus: Array, mesh: Array, means: Array) -> FarTail:
        """Return how the probability falls off beyond the box, out to two box lengths.

        Inside the outer box the pilot tells (with its safety factor), beyond it the tail bound.
        """
        assert self.pilot is not None
        faces = self.pilot.faces
        reach = self.length * np.linspace(0.0, 2.0, SHELLS)
        y = np.stack([self.lower - reach, self.lower + self.length + reach])
        times = self.bound.taus
        points, log_beyond = [], []
        for tau in taus:
            m, s, _, _ = (float(item) for item in self.frame.at(tau))
            near = np.flatnonzero(np.abs(times - tau) <= np.abs(times - tau).min() + 1e-12)
            mean = self._means(times[near], mesh, means)[2]
            inside = (y >= faces[0]) & (y <= faces[-1])
            x = m + s * np.where(inside, faces[[0, -1]][:, None], y)
            out = np.array(self.bound.log_beyond(x.ravel(), near, mean)).reshape(2, 2, -1)
            rows = []
            for side in (0, 1):
                ends = np.clip(y[side], faces[0], faces[-1])
                held, far = self.pilot.beyond(ends, float(tau), side), out[side, side]
                with np.errstate(divide="ignore"):
                    rows.append(np.where(inside[side], np.logaddexp(np.log(held), far), far))
            points.append(m + s * y)
            log_beyond.append(rows)
        return FarTail(np.array(points), np.array(log_beyond))

    def frame_mismatch(self, mesh: Array) -> tuple[Array, Array]:
        """Return how far the steps lose track of the frame: sums of gaps in m and log s.

        The stages see only the frame's velocities; what their quadrature misses of m and log s
        over a step displaces and stretches the density. Shapes (steps + 1,), running sums.
        """
        _, b, c, _, _ = tableau()
        h = np.diff(mesh)[:, None]
        _, _, dm, ds = self.frame.at(mesh[:-1, None] + h * c)
        m, s, _, _ = self.frame.at(mesh)
        gaps = np.abs(np.diff(m) - (h * dm) @ b), np.abs(np.diff(np.log(s)) - (h * ds) @ b)
        shift, stretch = (np.concatenate([[0.0], np.cumsum(gap)]) for gap in gaps)
        return shift, stretch

    def nodes(self, n: int) -> Array:
        """Return n equally spaced y, the left end included."""
        return self.lower + self.length / n * np.arange(n, dtype=float)

    def velocity(self, taus: Array, y: Array, dynamics: Dynamics) -> Array:
        """Return beta at several times, shape (m, n); ``dynamics`` has the drift there."""
        return self.coefficients(taus, y, dynamics)[0][0]

    def coefficients(
        self, taus: Array, y: Array, *dynamics: Dynamics, scale: Array | float = 1.0
    ) -> tuple[list[Array], Array]:
        """Return beta of every dynamics, and the integral of delta up to each time.

        Shapes (m, n) and (m,); beta at each time with a factor ``scale``.
        """
        *parts, spent = self.frame.with_series(taus, self.diffusion_series)
        frame = parts[0], parts[1], parts[2], parts[3]
        m, s, dm, stretch = (item[:, None] for item in parts)
        factor = np.broadcast_to(scale, taus.shape)[:, None]
        out = []
        for item in dynamics:
            if has_formula(item):
                out.append(frame_velocity(item, taus, frame, y, scale))
                continue
            beta = item.drift(m + s * y, taus[:, None]) - dm
            out.append(factor * (beta / s - stretch * y))
        return out, spent

    def diffusivity(self, taus: Any) -> Array:
        """Return delta = D/s^2."""
        scale = self.frame.at(taus)[1]
        return np.asarray(0.5 * np.asarray(self.process.noise(taus)) ** 2 / scale**2)


class Family(NamedTuple):
    """Dynamics on a line: drift b_first + share (b_second - b_first), one share per row."""

    first: Dynamics
    second: Dynamics
    share: Array


class Stack:
    """Equations that are stepped together: same horizon and breaks, a row of the state each.

    Parameters
    ----------
    problems : list of Problem
    family : Family, optional
        Where all rows share start, frame and box, and their drifts lie on a line.
    """

    def __init__(self, problems: list[Problem], family: Family | None = None) -> None:
        self.problems, self.family = problems, family
        self.rows = len(problems)
        self.fields = self.rows if family is None else 2
        self.horizon = float(problems[0].process.horizon)
        self.lengths = np.array([[problem.length] for problem in problems])
        self.breaks = breaks_of(problems[0].process)

    def nodes(self, n: int) -> Array:
        """Return y, shape (rows, n)."""
        return np.array([problem.nodes(n) for problem in self.problems])

    def start(self, n: int) -> Array:
        """Return the start densities at n nodes, shape (rows, n)."""
        if self.family is not None:
            one = self.problems[0]
            return np.tile(one.start_density(one.nodes(n)), (self.rows, 1))
        return np.array([problem.start_density(problem.nodes(n)) for problem in self.problems])

    def stops(self, taus: Array) -> Iterator[tuple[Piece, float, bool]]:
        """Yield the times to land on: the smooth piece that ends there, and whether it is output.

        A break and an output time that coincide are one stop.
        """
        marks = np.array([0.0, *self.breaks, self.horizon])
        for tau in np.unique(np.concatenate([taus, [b for b in self.breaks if b < taus[-1]]])):
            j = int(np.clip(np.searchsorted(marks, tau), 1, marks.size - 1))
            yield (float(marks[j - 1]), float(marks[j])), float(tau), bool(np.any(taus == tau))

    def diffusion(self, taus: Array) -> Array:
        """Return the integrals of delta up to some times, shape (m, rows)."""
        return np.stack(
            [p.frame.with_series(taus, p.diffusion_series)[4] for p in self.problems], axis=-1
        )

    def coefficients(
        self, taus: Array, y: Array, piece: Piece, scale: Array | float = 1.0
    ) -> tuple[Array, Array]:
        """Return fields, shape (m, rows, n), and the integrals of delta, shape (m, rows).

        A field is -2 pi beta / L, times ``scale`` at each time. Rows of a family share the
        integrals, one column, and two fields in place of the rows': that of share 0, and what
        is added at share 1.
        """
        if self.family is not None:
            ends = (piece_of(item, *piece) for item in self.family[:2])
            factor = scale * (-2 * np.pi / self.problems[0].length)
            (one, two), spent = self.problems[0].coefficients(taus, y[0], *ends, scale=factor)
            two -= one
            return np.stack([one, two], axis=1), spent[:, None]
        found = []
        for row, problem in enumerate(self.problems):
            dynamics, factor = piece_of(problem.process, *piece), scale * (-2 * np.pi)
            (field,), spent = problem.coefficients(
                taus, y[row], dynamics, scale=factor / problem.length
            )
            found.append((field, spent))
        if len(found) == 1:
            return found[0][0][:, None, :], found[0][1][:, None]
        fields, columns = zip(*found, strict=True)
        return np.stack(fields, axis=1), np.stack(columns, axis=-1)
