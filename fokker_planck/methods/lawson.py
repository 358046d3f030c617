r"""Lawson steps for Fokker-Planck equations in moving frames, one resolution at a time.

In the frame x = m + s y (docs/theory.md, N3) the density q(y, tau) = s p solves

.. math:: \partial_\tau q = -\partial_y(\beta q) + \delta\,\partial_y^2 q,
    \quad \beta = (b - \dot m - \dot s y)/s,\ \delta = D/s^2,

on a periodic box. Diffusion is integrated exactly, the rest by the eighth-order Dormand-Prince
pair. The embedded error chooses the steps, which also guards stability; the end of the spectrum
chooses the number of modes. Several equations may be stepped together, one per row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fokker_planck.methods.base import SolverError
from fokker_planck.methods.framed import Stack
from fokker_planck.methods.modes import (
    DENSE,
    good_size,
    matrices,
    resized,
    to_modes,
    to_nodes,
    wavenumbers,
)
from fokker_planck.methods.runge_kutta import (
    MAX_STEPS,
    N_STAGES,
    next_factor,
    tableau,
)

Array = NDArray[np.float64]
Report = Callable[[float], None]
MAX_MODES = 4096
#: the spectrum's end that must be empty, as a share of the modes
COARSER = 0.8
#: largest growth exponent k^2 * (diffusion in a step): beyond, rounding in high modes is amplified
MAX_EXPONENT = 80.0
#: nodes times steps of one run: beyond, an implicit method is faster
MOST_WORK = 3_000_000
#: steps prepared in one call, and the numbers that they may take
BLOCK, BLOCK_SIZE = 32, 40_000
#: at least so many, and the most steps of one size
LEAST_AHEAD, MOST_AHEAD = 2, 16
#: how much less an error may count that is made long before the next output
FORGOTTEN = 0.1
#: a step is repeated this much shorter before the spectrum's end asks for more modes
SHORTER = 0.6
#: after that, steps may grow by so much from block to block
RELAXED = 1.15


@lru_cache(maxsize=1)
def _rows() -> tuple[list[Array], Array, Array]:
    """Return the weights of (u, h k_1, h k_2, ...) in every stage, in the end, and in the error."""
    a, b, _, e3, e5 = tableau()
    stages = [np.concatenate([[1.0], a[s, :s]]) for s in range(1, N_STAGES)]
    return stages, np.concatenate([[1.0], b]), np.array([e3, e5])


class Stepper:
    """Lawson steps of a stack of equations at one number of nodes, within one piece of time.

    Rows ``u`` have shape (rows, n + 2): see ``modes``.
    """

    def __init__(self, stack: Stack, n: int, piece: tuple[float, float]) -> None:
        self.stack, self.n, self.piece = stack, n, piece
        self.y = stack.nodes(n)
        self.rates = (2 * np.pi / stack.lengths * np.arange(n // 2 + 1)) ** 2
        # u, h k_1, ..., h k_13 of a step, also as flat rows and as heads of them
        self.work = np.empty((N_STAGES + 2, stack.rows, n + 2))
        self.sums = self.work.reshape(N_STAGES + 2, -1)
        self.slopes = list(self.work[2:])
        self.heads = [self.sums[:s] for s in range(2, N_STAGES + 1)]
        self.stage = np.empty((stack.rows, n + 2))
        self.flat = self.stage.reshape(-1)
        self.values, self.beta = np.empty((2, stack.rows, n))
        self.share = None if stack.family is None else stack.family.share[:, None]
        self.dense = n <= DENSE
        self.inverse, self.derivative = matrices(n) if self.dense else (self.work, self.work)
        self.factors = 1j * wavenumbers(n)
        # sums of y q and of q over the nodes, from the coefficients
        moments = np.stack([self.y, np.ones_like(self.y)])
        self.moments = to_modes(moments) / n
        self.moments[..., 2:n] *= 2

    def slope(self, u: Array, field: Array, out: Array) -> None:
        """Write the coefficients of d(field q)/d(angle)."""
        if self.share is not None:
            np.multiply(self.share, field[1], self.beta)
            np.add(self.beta, field[0], self.beta)
            field = self.beta
        if self.dense:
            values = self.values
            u.dot(self.inverse, values)
            np.multiply(values, field, values)
            values.dot(self.derivative, out)
        else:
            product = fft.rfft(field * to_nodes(u, self.n))
            np.multiply(product, self.factors, out=out.view(complex))

    def start(self, u: Array, field: Array) -> Array:
        """Return the slope in a field: h times the slope, if the field is."""
        out = np.empty_like(u)
        self.slope(u, field, out)
        return out

    def prepare(self, tau: Array, h: float | Array) -> tuple[Array, Array, Array, Array]:
        """Return what steps need: h times fields in all stages, decay factors, exponents.

        Shapes (steps, 12, rows, n), (steps, 12, rows, n + 2) and (steps,): see
        ``Stack.coefficients``. The exponents say how much a step amplifies rounding. And the
        integral of delta up to the end of each step, shape (steps,), the largest of the rows.
        """
        c = tableau()[2]
        h = np.broadcast_to(h, tau.shape)[:, None]
        times = tau[:, None] + h * c
        scale = np.broadcast_to(h, times.shape).ravel()
        fields, spent = self.stack.coefficients(times.ravel(), self.y, self.piece, scale)
        fields = fields.reshape(*times.shape, -1, self.n)
        spent = spent.reshape(*times.shape, -1)
        reached = spent[:, -1].max(axis=-1)
        spent = spent - spent[:, :1]
        damp = np.repeat(np.exp(-spent[..., None] * self.rates), 2, axis=-1)
        exponents = (spent[:, -1] * self.rates[..., -1]).max(axis=-1)
        return fields, damp, exponents, reached

    def step(self, u: Array, first: Array, fields: Array, damp: Array) -> tuple[Array, Array]:
        """Return the coefficients after one step, and h times the slope there.

        ``first`` is h times the slope at the start; ``fields`` and ``damp`` are one step's
        share of :meth:`prepare`.
        """
        stages, last, _ = _rows()
        stage, flat, slope = self.stage, self.flat, self.slope
        self.work[0], self.work[1] = u, first
        for weights, head, decay, field, k in zip(
            stages, self.heads, damp[1:], fields[1:], self.slopes[:-1], strict=True
        ):
            weights.dot(head, flat)
            np.multiply(stage, decay, stage)
            slope(stage, field, k)
            np.divide(k, decay, k)
        new = last.dot(self.sums[:-1]).reshape(u.shape)
        new *= damp[-1]
        end = np.empty_like(u)
        slope(new, fields[-1], end)
        np.divide(end, damp[-1], self.slopes[-1])
        return new, end

    def error(self, damp: Array) -> Array:
        """Return the L1 norm of the embedded error of the last step, per row."""
        parts = (_rows()[2] @ self.sums[1:]).reshape(2, *self.stage.shape) * damp[-1]
        third, fifth = parts @ self.inverse if self.dense else to_nodes(parts, self.n)
        # h |e5|^2 / hypot(e5, e3 / 10), as DOP853 does
        square = fifth * fifth
        bottom = np.sqrt(square + 0.01 * third * third)
        size = np.add.reduce(square / np.maximum(bottom, 1e-300), axis=-1)
        return np.asarray(size * self.stack.lengths[:, 0] / self.n)

    def mean(self, u: Array) -> Array:
        """Return the mean of y, per row."""
        first, mass = (self.moments * u).sum(axis=-1)
        return np.asarray(first / mass)

    def tip(self, u: Array) -> float:
        """Return the largest amplitude in the last fifth of the modes, relative to the mass."""
        top = 2 * int(COARSER * (self.n // 2))
        ends = np.abs(u[:, top:]).max(axis=1) / np.abs(u[:, 0])
        return float(ends.max())


@dataclass
class Pass:
    """One run over the time interval: its mesh, modes per step, and coefficients at the outputs."""

    mesh: list[float]
    modes: list[int]
    outputs: list[Array]
    means: list[Array]
    local_error: float = 0.0


def adaptive_pass(
    stack: Stack, start: Array, taus: Array, local_tol: float, mode_tol: float, report: Report
) -> Pass:
    """Run with steps chosen by the embedded error and modes by the spectrum's end."""
    u, tau, h, block, work = start, 0.0, 0.02 * stack.horizon, 1, 0
    n = u.shape[-1] - 2
    done = Pass([0.0], [], [], [])
    before, planned, cap = np.inf, h, np.inf
    stepper: Stepper | None = None
    slope: Array | None = None
    for piece, stop, wanted in stack.stops(taus):
        if stepper is None or stepper.piece != piece:
            stepper, slope = Stepper(stack, n, piece), None
        if not done.means:
            done.means.append(stepper.mean(u))
        output = float(taus[np.searchsorted(taus, stop)])
        goal = float(stack.diffusion(np.array([output])).min())
        while stop > tau:
            pieces = max(np.ceil((stop - tau) / h - 1e-9), 1.0)
            count = int(min(pieces, block))
            trial = (stop - tau) / pieces if pieces <= block + 1 else h
            ends = tau + trial * np.arange(1, count + 1)
            if count == pieces:
                ends[-1] = stop
            fields, damp, exponents, reached = stepper.prepare(ends - trial, trial)
            if exponents.max() > MAX_EXPONENT:
                h = 0.9 * trial * MAX_EXPONENT / float(exponents.max())
                if h < 1e-13 * stack.horizon:
                    raise SolverError(f"spectral: step size collapsed at tau = {tau:.6g}")
                continue
            sizes: list[float] = []
            if slope is None:
                slope = stepper.start(u, fields[0, 0]) / trial
            for i in range(count):
                new, end = stepper.step(u, trial * slope, fields[i], damp[i])
                size = float(stepper.error(damp[i]).max())
                work += n
                if work > MOST_WORK or len(done.mesh) > MAX_STEPS:
                    raise SolverError(f"spectral: too many steps and modes by tau = {tau:.6g}")
                # by the next output the law forgets: an error early on may be larger
                size *= float(max(np.exp(reached[i] - goal), FORGOTTEN))
                if not size <= local_tol:
                    h, block = trial * next_factor(size, local_tol), max(block // 2, 1)
                    if h < 1e-13 * stack.horizon:
                        raise SolverError(f"spectral: step size collapsed at tau = {tau:.6g}")
                    break
                tip = stepper.tip(new)
                if tip > mode_tol and n < MAX_MODES:
                    block = 1
                    # errors of time fill the spectrum too: where a shorter step does not help ...
                    if tip < 0.5 * before:
                        h, before, cap = SHORTER * trial, tip, SHORTER * trial
                        break
                    # ... more modes do
                    n = good_size(1.3 * n)
                    u, h, before, cap = resized(u, n), planned, np.inf, np.inf
                    stepper, slope = Stepper(stack, n, piece), None
                    break
                before, planned = np.inf, trial
                sizes.append(size)
                tau, u, slope = float(ends[i]), new, end / trial
                done.mesh.append(tau)
                done.modes.append(n)
                done.means.append(stepper.mean(u))
                done.local_error += size
                report(tau)
            else:
                # a step cut short by an output time says nothing against the planned one
                trend = max(1.0, sizes[-1] / max(sizes[0], 1e-300))
                likely = next_factor(max(sizes) * min(trend, 1e3), local_tol)
                h = min(max(trial * likely, h if trial < h else 0.0), cap)
                cap *= RELAXED
                block = min(2 * block, MOST_AHEAD)
        if wanted:
            done.outputs.append(u)
    return done


def fixed_pass(
    stack: Stack, start: Array, taus: Array, mesh: Array, modes: list[int], report: Report
) -> tuple[list[Array], float]:
    """Run over a given mesh with given modes; return coefficients at the output times.

    And the largest end of the spectrum on the way, relative to the mass.
    """
    u, n, j, h = start, start.shape[-1] - 2, 0, np.diff(mesh)
    outputs: list[Array] = []
    stepper: Stepper | None = None
    slope: Array | None = None
    tip = 0.0
    for piece, stop, wanted in stack.stops(taus):
        last = int(np.searchsorted(mesh, stop))
        if stepper is None or stepper.piece != piece:
            stepper, slope = Stepper(stack, n, piece), None
        while j < last:
            if modes[j] != n:
                n = modes[j]
                u = resized(u, n)
                stepper, slope = Stepper(stack, n, piece), None
            # as many steps at once as have these modes, within bounds on memory
            most = int(np.clip(BLOCK_SIZE // (N_STAGES * n * stack.fields), LEAST_AHEAD, BLOCK))
            end = j
            while end < last and modes[end] == n and end - j < most:
                end += 1
            fields, damp, _, _ = stepper.prepare(mesh[j:end], h[j:end])
            if slope is None:
                slope = stepper.start(u, fields[0, 0]) / h[j]
            for i in range(j, end):
                u, slope = stepper.step(u, h[i] * slope, fields[i - j], damp[i - j])
                slope /= h[i]
                report(float(mesh[i + 1]))
            # what grows does so from step to step: it is seen at the end of the block
            tip = float(np.maximum(tip, stepper.tip(u)))
            if not np.isfinite(tip):
                return outputs, np.inf
            j = end
        if wanted:
            outputs.append(u)
    return outputs, tip
