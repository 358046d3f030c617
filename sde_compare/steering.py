r"""Steered paths: what a sampler does when the noise makes another one follow a given curve.

Two processes that see the same noise differ by what their drifts do. If the base process follows
the curve z, the noise term is :math:`z' - b_{base}(z)`, so that the other one solves

.. math:: x' = b(x, \tau) + z'(\tau) - b_{base}(z(\tau), \tau), \qquad x(0) = z(0).

With nondegenerate additive noise the base process stays near any such curve with positive
probability (docs/theory.md, C5): a margin that fails on a steered path fails on a set of paths of
positive probability. No random sampling is involved.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

from fokker_planck.model import ReverseProcess, content_seed
from fokker_planck.model.checks import real_array, shown

Array = NDArray[np.float64]
#: tolerances of the integration, and the looser ones whose result tells its error
TIGHT, LOOSE = 1e-9, 1e-6
#: steps of the quick search, and the length of the last leg in units of the horizon
STEPS, LEG = 160, 1e-3
#: a loss of log-odds that needs no better curve
CLEAR = -0.05


@dataclass(frozen=True, eq=False)
class Steered:
    """Output of a process whose base follows a curve.

    Attributes
    ----------
    point : ndarray, shape (d,)
        The output.
    error : float
        Largest change of a coordinate between two integrations.
    base : ndarray, shape (d,)
        The end of the curve.
    """

    point: Array
    error: float
    base: Array


def steered(
    process: ReverseProcess,
    base: ReverseProcess,
    taus: ArrayLike,
    curve: ArrayLike,
    method: Literal["DOP853", "Radau"] = "DOP853",
) -> Steered:
    """Return where a process ends if the same noise makes the base process follow a curve.

    Parameters
    ----------
    process, base : ReverseProcess
        With one horizon and one noise term.
    taus : array_like, shape (m,)
        Rising reverse times from 0 to the horizon.
    curve : array_like, shape (m,) or (m, d)
        Points of the curve there, joined by straight lines.
    method : {"DOP853", "Radau"}
        Of :func:`scipy.integrate.solve_ivp`.

    Raises
    ------
    ValueError
        If times or points do not fit, or the noise terms differ.
    """
    tau, points = real_array("taus", taus), real_array("curve", curve)
    points = points[:, None] if points.ndim == 1 else points
    if tau.ndim != 1 or tau.size < 2 or np.any(np.diff(tau) <= 0) or tau[0] != 0:
        raise ValueError(f"taus must rise from 0, got {shown(taus)}")
    if abs(tau[-1] / process.horizon - 1) > 1e-12:
        raise ValueError(f"taus must end at the horizon {process.horizon:g}, got {tau[-1]:g}")
    if points.shape != (tau.size, process.dimension):
        raise ValueError(
            f"curve must have shape ({tau.size}, {process.dimension}), got {points.shape}"
        )
    if base.noise_level != process.noise_level or base.noise_level == 0:
        raise ValueError(
            f"noise_level must be the same and above 0, got {process.noise_level:g} "
            f"and {base.noise_level:g}"
        )
    found = [_integrate(process, base, tau, points, method, tol) for tol in (TIGHT, LOOSE)]
    return Steered(found[0], float(np.abs(found[0] - found[1]).max()), points[-1])


def _drift(process: ReverseProcess, x: Array, tau: float) -> Array:
    """Return the drift at points (n, d)."""
    flat = x[:, 0] if process.dimension == 1 else x
    return np.asarray(process.drift(flat, tau)).reshape(x.shape)


def _integrate(
    process: ReverseProcess,
    base: ReverseProcess,
    tau: Array,
    points: Array,
    method: str,
    tol: float,
) -> Array:
    """Integrate the gap x - z leg by leg: it stays small where the curve is far out."""
    gap = np.zeros(points.shape[1])
    for (a, b), (p, q) in zip(pairwise(tau), pairwise(points), strict=True):
        speed = (q - p) / (b - a)
        leg = (process, base, a, p, speed)
        run = solve_ivp(_change, (a, b), gap, method=method, rtol=tol, atol=tol, args=leg)
        if not run.success:
            raise ArithmeticError(f"the steered path could not be integrated: {run.message}")
        gap = run.y[:, -1]
    return points[-1] + gap


def _change(
    s: float,
    gap: Array,
    process: ReverseProcess,
    base: ReverseProcess,
    a: float,
    p: Array,
    speed: Array,
) -> Array:
    """Return the rate of the gap on the leg that leaves p at time a."""
    z = p + speed * (s - a)
    both = _drift(process, (z + gap)[None], s) - _drift(base, z[None], s)
    return np.asarray(both[0])


def held_gaps(process: ReverseProcess, base: ReverseProcess, points: Array) -> Array:
    """Return the gaps x - z at the output for curves that stay at points (n, d): a quick search.

    Classical Runge-Kutta steps, for all points at once.
    """
    gap = np.zeros_like(points)
    h = process.horizon / STEPS
    for j in range(STEPS):
        s = j * h
        still = [_drift(base, points, u) for u in (s, s + h / 2, s + h)]

        def f(g: Array, u: float, k: int, still: list[Array] = still) -> Array:
            return _drift(process, points + g, u) - still[k]

        k1 = f(gap, s, 0)
        k2 = f(gap + h / 2 * k1, s + h / 2, 1)
        k3 = f(gap + h / 2 * k2, s + h / 2, 1)
        k4 = f(gap + h * k3, s + h, 2)
        gap = gap + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return gap


def log_odds(process: ReverseProcess, x: Array) -> Array:
    """Return log P(y) / (1 - P(y)) at the output at points (n, d)."""
    flat = x[:, 0] if process.dimension == 1 else x
    tau = process.horizon
    return np.asarray(process.log_posterior(flat, tau) - process.log_complement(flat, tau))


@dataclass(frozen=True, eq=False)
class LosingPath:
    """A curve along which guidance loses confidence.

    Attributes
    ----------
    taus : ndarray, shape (3,)
        Times of its corners: it stays at a point, then moves to another in the last leg.
    curve : ndarray, shape (3, d)
        The corners.
    loss : float
        The change of log P(y)/(1 - P(y)) from the base to the process, negative.
    error : float
        Of the loss.
    """

    taus: Array
    curve: Array
    loss: float
    error: float


def change_of_odds(process: ReverseProcess, run: Steered) -> tuple[float, float]:
    """Return log-odds at the output less those at the end of the curve, and the error."""
    d = process.dimension
    moved = run.point + 2 * run.error * np.vstack([np.zeros(d), np.eye(d), -np.eye(d)])
    here, there = log_odds(process, moved), log_odds(process, run.base[None])[0]
    spread = d * float(np.abs(here - here[0]).max())
    rounding = 64 * np.finfo(float).eps * (1 + abs(here[0]) + abs(there))
    return float(here[0] - there), float(spread + rounding)


def find_losing_path(
    process: ReverseProcess, base: ReverseProcess, candidates: int = 400
) -> LosingPath | None:
    """Search for a curve along which a process ends with less confidence than its base.

    Curves that stay at p, so that guidance builds up a gap, and jump to q at the end, where the gap
    costs most; p and q are drawn around the components, then around the best pair so far.

    Returns
    -------
    LosingPath or None
        Integrated anew with its error; None if no loss beyond the error was found.
    """
    d = process.dimension
    rng = np.random.default_rng(content_seed("losing path", process.spec()))
    held, ends = (_around(process, candidates, rng) for _ in range(2))
    pair, loss = _best_pair(process, base, held, ends)
    for spread in (1.0, 0.4, 0.15, 0.05):
        if loss < CLEAR:
            break
        noise = spread * rng.standard_normal((2, candidates // 2, d))
        held, ends = (np.vstack([own, own + z]) for own, z in zip(pair, noise, strict=True))
        pair, loss = _best_pair(process, base, held, ends)
    horizon = process.horizon
    taus = np.array([0.0, (1 - LEG) * horizon, horizon])
    curve = np.stack([pair[0], pair[0], pair[1]])
    value, error = change_of_odds(process, steered(process, base, taus, curve))
    return LosingPath(taus, curve, value, error) if value + error < 0 else None


def _best_pair(
    process: ReverseProcess, base: ReverseProcess, held: Array, ends: Array
) -> tuple[Array, float]:
    """Return the place to stay and the place to jump to that lose most, (2, d), and the change."""
    gaps = held_gaps(process, base, held)
    far = (ends[:, None] + gaps[None]).reshape(-1, process.dimension)
    change = log_odds(process, far).reshape(len(ends), len(gaps))
    change = change - log_odds(process, ends)[:, None]
    i, j = np.unravel_index(np.argmin(change), change.shape)
    return np.stack([held[j], ends[i]]), float(change[i, j])


def _around(process: ReverseProcess, n: int, rng: np.random.Generator) -> Array:
    """Draw points around the components: at them, between them, beyond them."""
    means = process.mixture.means[process.mixture.weights > 0]
    own = process.mixture.means[process.target]
    pick = means[rng.integers(len(means), size=n)]
    reach = rng.uniform(-0.5, 2.0, size=(n, 1))
    wide = np.sqrt(process.mixture.variances[process.target].max())
    return np.asarray(own + reach * (pick - own) + wide * rng.standard_normal(pick.shape))
