"""The eighth-order Dormand-Prince pair with its embedded error, on a mesh that can be halved.

The coefficients are those of scipy's DOP853 (Hairer, Norsett, Wanner, Solving ODE I, II.5). What
is ours is the mesh: an adaptive pass chooses it, later passes repeat it with every step halved,
so that two resolutions of one computation can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.methods.base import SolverError

Array = NDArray[Any]
Field = Callable[[float, Array], Array]
N_STAGES = 12
MAX_STEPS = 200_000
#: below this size BLAS does not start threads
FEW = 8192


@lru_cache(maxsize=1)
def tableau() -> tuple[Array, Array, Array, Array, Array]:
    """Return A (12, 12), B (12,), C (12,) and the error rows E3, E5 (13,)."""
    from scipy.integrate import DOP853

    return DOP853.A[:12, :12], DOP853.B, DOP853.C[:12], DOP853.E3, DOP853.E5


def combine(weights: Array, slopes: Array) -> Array:
    """Return sum_j weights_j slopes_j; large sums without BLAS, whose threads would only cost."""
    real = slopes.view(float)
    if real.size <= FEW:
        return np.asarray((weights @ real).view(slopes.dtype))
    return np.asarray(np.einsum("j,jn->n", weights, slopes))


def step(f: Field, tau: float, y: Array, h: float, slope: Array) -> tuple[Array, Array, Array]:
    """Take one step; return y(tau + h), its slope and the local error estimate, shape of y."""
    a, b, c, e3, e5 = tableau()
    k = np.empty((N_STAGES + 1, y.size), dtype=y.dtype)
    k[0] = slope.ravel()
    for s in range(1, N_STAGES):
        stage = y + h * combine(a[s, :s], k[:s]).reshape(y.shape)
        k[s] = f(tau + c[s] * h, stage).ravel()
    new = y + h * combine(b, k[:N_STAGES]).reshape(y.shape)
    end = f(tau + h, new)
    k[N_STAGES] = end.ravel()
    return new, end, embedded_error(combine(e3, k), combine(e5, k), h).reshape(y.shape)


def embedded_error(err3: Array, err5: Array, h: float) -> Array:
    """Combine the third- and fifth-order error rows as DOP853 does, entry by entry."""
    err3, err5 = np.abs(err3), np.abs(err5)
    bottom = np.hypot(err5, 0.1 * err3)
    return np.where(bottom > 0, h * err5**2 / np.where(bottom > 0, bottom, 1.0), 0.0)


def next_factor(error: float, target: float) -> float:
    """Return the factor for the next step of an eighth-order method, error against target."""
    if not np.isfinite(error):
        return 0.2
    return float(np.clip(0.9 * (target / max(error, 1e-300)) ** (1 / 8), 0.2, 4.0))


def adaptive_mesh(
    f: Field,
    y0: Array,
    taus: Array,
    norm: Callable[[Array, Array], float],
    local_tol: float,
    first_step: float,
) -> Array:
    """Return step ends, from 0 through every output time, on which the local error is met.

    Parameters
    ----------
    f : callable
        Right-hand side ``f(tau, y)``.
    y0 : ndarray
        State at tau = 0.
    taus : ndarray
        Output times; the mesh lands on each.
    norm : callable
        ``norm(error, y)``, a number compared with ``local_tol``.
    local_tol, first_step : float
        Allowed error of one step; length of the first.

    Raises
    ------
    SolverError
        If the step size collapses or the number of steps explodes.
    """
    mesh, tau, y, h = [0.0], 0.0, y0, first_step
    slope = f(tau, y)
    for stop in taus:
        while stop > tau:
            left = stop - tau
            pieces = np.ceil(left / h - 1e-9)
            trial = left / max(pieces, 1.0) if pieces <= 2 else h
            new, end, error = step(f, tau, y, trial, slope)
            size = norm(error, new)
            if size <= local_tol:
                tau = stop if pieces <= 1 else tau + trial
                y, slope = new, end
                mesh.append(tau)
            # a step cut short by an output time says nothing against the planned one
            kept = h if size <= local_tol and trial < h else 0.0
            h = max(trial * next_factor(size, local_tol), kept)
            if h < 1e-13 * taus[-1] or len(mesh) > MAX_STEPS:
                raise SolverError(f"step size collapsed at tau = {tau:.6g} (h = {h:.1e})")
    return np.array(mesh)


def halved(mesh: Array) -> Array:
    """Return the mesh with every step cut in two."""
    out = np.empty(2 * mesh.size - 1)
    out[::2] = mesh
    out[1::2] = 0.5 * (mesh[1:] + mesh[:-1])
    return out


def integrate(
    f: Field,
    y0: Array,
    mesh: Array,
    taus: Array,
    report: Callable[[float], None] | None = None,
) -> Array:
    """Integrate over a mesh; return the states at the output times, shape (m, *y0.shape)."""
    out = np.empty((taus.size, *y0.shape), dtype=y0.dtype)
    y, slope = y0, f(float(mesh[0]), y0)
    ends = np.searchsorted(mesh, taus)
    for i in np.flatnonzero(ends == 0):
        out[i] = y
    for j in range(mesh.size - 1):
        y, slope, _ = step(f, float(mesh[j]), y, float(mesh[j + 1] - mesh[j]), slope)
        for i in np.flatnonzero(ends == j + 1):
            out[i] = y
        if report is not None:
            report(float(mesh[j + 1]))
    return out
