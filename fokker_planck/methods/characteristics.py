r"""The ODE's law by characteristics (docs/theory.md, N4).

A point moves with :math:`\dot x = b(x, \tau)` and the log-density along it falls by the
integrated divergence (I3). Functionals are integrals over the start: a trapezoid rule in the
starting point, which converges geometrically for analytic flows.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from fokker_planck.functionals import ENTROPY, MEAN, Functional, posterior_mass
from fokker_planck.methods.base import Progress, SolverError
from fokker_planck.methods.runge_kutta import adaptive_mesh, halved, integrate
from fokker_planck.model import Dynamics, GaussianMixture
from fokker_planck.readings import CharacteristicReading
from fokker_planck.runs import Run

Array = NDArray[np.float64]
#: the outermost starting nodes, in standard deviations: beyond lies 2e-19 of the mass
REACH = 9.0
MAX_NODES = 1 << 14
#: local errors below this are rounding
LEAST_TOL = 1e-15


def starting_nodes(law: GaussianMixture, n_per_deviation: int) -> tuple[Array, Array, float]:
    """Return nodes over the start, their probabilities, and the probability left out."""
    mean, deviation = law.means[:, 0], np.sqrt(law.covariances[:, 0, 0])
    lower, upper = np.min(mean - REACH * deviation), np.max(mean + REACH * deviation)
    n = int(np.ceil((upper - lower) / deviation.min() * n_per_deviation)) // 2 * 2 + 1
    nodes = np.linspace(lower, upper, n)
    mass = np.exp(law.log_density(nodes)) * ((upper - lower) / (n - 1))
    z_low, z_high = (lower - mean) / deviation, (upper - mean) / deviation
    lost = float(law.weights @ (ndtr(z_low) + ndtr(-z_high)))
    return nodes, mass, lost


def law_distribution(law: GaussianMixture, x: Array) -> Array:
    """Return the distribution function of a 1-D Gaussian mixture."""
    z = (x[:, None] - law.means[:, 0]) / np.sqrt(law.covariances[:, 0, 0])
    return np.asarray(ndtr(z) @ law.weights)


def _field(process: Dynamics) -> Any:
    def f(tau: float, y: Array) -> Array:
        return np.stack(process.drift_and_divergence(y[0], tau))

    return f


def watched(process: Dynamics) -> list[Functional]:
    """Return the functionals whose error a method refines for."""
    out = [ENTROPY, MEAN]
    if hasattr(process, "log_posterior"):
        out.append(posterior_mass(process))
    return out


def _run(process: Dynamics, nodes: Array, mass: Array, mesh: Array, taus: Array) -> Run:
    start = np.stack([nodes, np.zeros_like(nodes)])
    states = integrate(_field(process), start, mesh, taus)
    log_density = process.initial.log_density(nodes)[None, :] - states[:, 1]
    return Run(taus, states[:, 0], np.broadcast_to(mass, log_density.shape), log_density)


def solve_characteristics(
    process: Dynamics, taus: Array, tol: float, progress: Progress | None
) -> tuple[CharacteristicReading, dict[str, Any]]:
    """Solve the continuity equation of a 1-D ODE along characteristics.

    Parameters
    ----------
    process : Dynamics
        One-dimensional, without noise.
    taus : ndarray, shape (m,)
        Output times.
    tol : float
        Requested error of entropy, mean and posterior mass.
    progress : callable or None

    Raises
    ------
    ValueError
        If the process has noise.
    """
    if not process.deterministic:
        raise ValueError("method characteristics needs a process without noise (the ODE sampler)")
    field = _field(process)
    per_deviation, local_tol = 8, max(0.02 * tol, LEAST_TOL)
    for attempt in range(6):
        nodes, mass, lost = starting_nodes(process.initial, per_deviation)
        pilot = slice(None, None, max(1, nodes.size // 48))
        weight = mass[pilot] / mass[pilot].sum()

        def norm(error: Array, y: Array, weight: Array = weight) -> float:
            # nodes without mass still must not go astray: they carry a small weight of their own
            size = np.abs(error).sum(axis=0)
            return float(size @ weight + 1e-4 * size.max())

        start = np.stack([nodes[pilot], np.zeros(nodes[pilot].size)])
        mesh = adaptive_mesh(field, start, taus, norm, local_tol, 0.05 * process.horizon)
        best = _run(process, nodes, mass, halved(mesh), taus)
        coarse = _run(process, nodes, mass, mesh, taus)
        if not np.all(np.isfinite(best.log_density)):
            raise SolverError("characteristics: a path ran away to infinity")
        reading = CharacteristicReading(
            best,
            coarse,
            law_distribution(process.initial, nodes),
            lost,
            _divergence_error(process, best, nodes, mass, halved(mesh), taus),
            2 * (mesh.size - 1),
        )
        budgets = [reading.read(functional)[1] for functional in watched(process)]
        worst = {part: max(float(b[part].max()) for b in budgets) for part in budgets[0]}
        if progress is not None:
            progress(attempt + 1, 6)
        if worst["time"] <= 0.4 * tol and worst["quadrature"] <= 0.4 * tol:
            break
        if worst["quadrature"] > 0.4 * tol:
            if 2 * nodes.size > MAX_NODES:
                break
            per_deviation *= 2
        if worst["time"] > 0.4 * tol:
            if local_tol <= LEAST_TOL:
                break
            local_tol = max(0.05 * local_tol, LEAST_TOL)
    steps = 2 * (mesh.size - 1)
    return reading, {"nodes": nodes.size, "steps": steps, "evaluations": 12 * steps}


def _divergence_error(
    process: Dynamics, best: Run, nodes: Array, mass: Array, mesh: Array, taus: Array
) -> Array:
    """Return what halving the stencil changes, where the divergence is differenced."""
    if getattr(process, "exact_divergence", True):
        return np.zeros_like(best.log_density)
    finer: Any = copy.copy(process)
    finer.stencil_step = 0.5 * finer.stencil_step
    return np.abs(_run(finer, nodes, mass, mesh, taus).log_density - best.log_density)


def backward_log_density(
    process: Dynamics, points: Array, tau: float, tol: float = 1e-10
) -> tuple[Array, Array]:
    """Return log p(points, tau) and its error: characteristics run backwards to the start.

    Parameters
    ----------
    process : Dynamics
        One-dimensional, without noise.
    points : ndarray, shape (n,)
    tau : float
        Reverse time of the density.
    tol : float
        Allowed local error.

    Returns
    -------
    log_density, error : ndarray, shape (n,)
        The error compares two meshes, one with every step halved.
    """

    def reversed_field(s: float, y: Array) -> Array:
        return -np.stack(process.drift_and_divergence(y[0], tau - s))

    def norm(error: Array, y: Array) -> float:
        return float(np.abs(error).max() / (1 + np.abs(y[0]).max()))

    points = np.asarray(points, dtype=float)
    start = np.stack([points, np.zeros_like(points)])
    if tau == 0:
        return process.initial.log_density(points), np.zeros(points.size)
    end = np.array([tau])
    mesh = adaptive_mesh(reversed_field, start, end, norm, tol, 0.05 * tau)
    values = []
    for steps in (mesh, halved(mesh)):
        x0, change = integrate(reversed_field, start, steps, end)[0]
        values.append(process.initial.log_density(x0) + change)
    return values[1], np.abs(values[1] - values[0])
