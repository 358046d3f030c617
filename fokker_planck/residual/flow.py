r"""The residual of an ODE's flow in its starting points, summed, in one or two dimensions.

If the numerical flow Phi has the defect d = d_tau Phi - b(Phi), then q = Phi_# p_0 solves the
continuity equation with velocity b + d, and

.. math:: |R|_1 = \int |\nabla_z\cdot(F^{-1} d\,p_0)|\,dz, \qquad F = \partial\Phi/\partial z .

Phi is a polynomial in time on panels; derivatives in z are central differences of order ORDER on
the grid of starting nodes (docs/theory.md, N7h).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics
from fokker_planck.residual.naive import naive_drift
from fokker_planck.residual.panels import moments, running
from fokker_planck.runs import Run

Array = NDArray[np.float64]
ORDER = 10


@lru_cache(maxsize=8)
def _differences(axis: int, order: int) -> object:
    from findiff import Diff

    operator = Diff(axis, 1.0, acc=order)
    return operator


def derivative(values: Array, axis: int) -> Array:
    """Return the derivative along an axis of the grid, in units of its steps."""
    order = min(ORDER, 2 * ((values.shape[axis] - 1) // 4))
    return np.asarray(_differences(axis, order)(values))  # type: ignore[operator]


def jacobian(points: Array) -> Array:
    """Return d Phi_i / d u_j in index coordinates, shape (*grid, d, d), from points (*grid, d)."""
    d = points.shape[-1]
    columns = [
        np.stack([derivative(points[..., i], j) for i in range(d)], axis=-1) for j in range(d)
    ]
    return np.stack(columns, axis=-1)


def flow_certificate(process: Dynamics, run: Run) -> dict[str, Array]:
    """Return the parts of the L1 distance at every output time: start, residual, reported.

    The distance is that of the run's carried densities at its nodes, the start's tail included.
    """
    d = 1 if run.shape is None else len(run.shape)
    shape = run.shape or (run.mass.shape[1],)
    points = run.points.reshape(run.taus.size, *shape, d)
    cell = np.abs(np.linalg.det(jacobian(points[0])))
    start = points[0].reshape(-1, d)
    law = process.initial
    log_start = law.log_density(start[:, 0] if d == 1 else start).reshape(shape)
    density = np.exp(log_start) * cell
    added: dict[int, float] = {}
    for moment in moments(run.taus):
        here, rate = moment.at(points), moment.slope(points)
        drift = naive_drift(process, here.reshape(-1, d), moment.tau).reshape(here.shape)
        with np.errstate(all="ignore"):
            pulled = np.linalg.solve(jacobian(here), (rate - drift)[..., None])[..., 0]
            total = sum(derivative(pulled[..., i] * density, i) for i in range(d))
            size = moment.weight * float(np.sum(np.abs(total)))
        added[moment.panel] = added.get(moment.panel, 0.0) + size
    reported = np.empty(run.taus.size)
    mass = run.mass.reshape(-1, *shape)
    for i in range(run.taus.size):
        log_q = pushed_density(points[i], log_start, cell)
        gap = np.expm1(log_q - run.log_density[i].reshape(shape))
        reported[i] = np.sum(np.abs(mass[i] * gap)) + np.sum(np.abs(mass[i] - density))
    return {
        "start": np.full(run.taus.size, abs(1 - float(density.sum()))),
        "residual": running(run.taus, np.array([added[k] for k in sorted(added)])),
        "reported": reported,
    }


def pushed_density(points: Array, log_start: Array, cell: Array) -> Array:
    """Return the log-density of the pushed-forward start at the nodes."""
    with np.errstate(all="ignore"):
        return np.asarray(
            log_start + np.log(cell) - np.log(np.abs(np.linalg.det(jacobian(points))))
        )
