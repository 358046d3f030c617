"""Peer: FiPy, finite volumes, implicit, second order in space and time.

SDE: ExponentialConvectionTerm (at one grid 13 times more accurate here than central differences,
3 times more than the power law). ODE: central differences, since without diffusion the
exponential scheme is upwind, of first order. No flux through the ends. In time BDF2, written with
a TransientTerm of 3/2 and the older increment as a source (implicit Euler is first order only);
one linear solve per step, direct (LU) in 1-D and BiCGSTAB in 2-D, the faster in each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cases import HORIZON, Array, Case, cells


def _mesh(case: Case, axes: list[Array]) -> tuple[Any, tuple[Array, ...]]:
    """Return the mesh and the coordinates of its faces."""
    from fipy import Grid1D, Grid2D

    steps = [x[1] - x[0] for x in axes]
    corner = [[x[0] - 0.5 * h] for x, h in zip(axes, steps, strict=True)]
    if case.dimension == 1:
        mesh = Grid1D(nx=axes[0].size, dx=steps[0]) + corner
    else:
        shape = {"nx": axes[0].size, "ny": axes[1].size, "dx": steps[0], "dy": steps[1]}
        mesh = Grid2D(**shape) + corner
    return mesh, tuple(np.asarray(x) for x in mesh.faceCenters)


def _face_drift(case: Case, faces: tuple[Array, ...]) -> Callable[[float], Array]:
    """Return b at the faces as a function of tau, shape (d, n_faces).

    The faces of a plane are no tensor grid, but use few coordinates: exponentials are taken of
    those and gathered.
    """
    lines = [np.unique(np.round(x, 10), return_inverse=True) for x in faces]
    c, mean = 1.0 + case.noise, case.means[case.target]

    def drift(tau: float) -> Array:
        r = np.exp(tau - HORIZON)
        total, pull = np.ones(faces[0].size), np.zeros((case.dimension, faces[0].size))
        for gap, offset in zip(case.gaps, case.offsets, strict=True):
            ratio = np.full(faces[0].size, np.exp(r * r * offset))
            for g, (values, index) in zip(gap, lines, strict=True):
                ratio *= np.exp(-r * g * values)[index]
            total += ratio
            pull += np.multiply.outer(gap, ratio)
        pull *= c * case.strength * r / total
        return pull + (1.0 - c) * np.stack(faces) + (c * r) * mean[:, None]

    return drift


def prepare(case: Case, step: float, n_steps: int) -> Callable[[], tuple[float, float]]:
    """Return a run at cell width ``step``: it gives entropy and posterior mass."""
    os.environ.setdefault("FIPY_SOLVERS", "scipy")
    from fipy import (
        CellVariable,
        CentralDifferenceConvectionTerm,
        DiffusionTerm,
        ExponentialConvectionTerm,
        FaceVariable,
        TransientTerm,
    )
    from fipy.solvers.scipy import LinearBicgstabSolver, LinearLUSolver

    axes = cells(case.box, step)
    mesh, faces = _mesh(case, axes)
    face_drift = _face_drift(case, faces)
    start = case.start(axes)
    # FiPy counts cells with the first axis fastest
    shape = tuple(x.size for x in reversed(axes))
    dt = HORIZON / n_steps

    def run() -> tuple[float, float]:
        density = CellVariable(mesh=mesh, value=start.T.ravel(), hasOld=True)
        older = CellVariable(mesh=mesh, value=0.0)
        b = FaceVariable(mesh=mesh, rank=1)
        if case.noise:
            spatial = DiffusionTerm(coeff=case.noise) - ExponentialConvectionTerm(coeff=b)
        else:
            spatial = -CentralDifferenceConvectionTerm(coeff=b)
        euler = TransientTerm() == spatial
        bdf2 = TransientTerm(coeff=1.5) == spatial + older * (0.5 / dt)
        if case.dimension == 1:
            solver = LinearLUSolver(tolerance=1e-13, iterations=1)
        else:
            solver = LinearBicgstabSolver(tolerance=1e-9, iterations=500)
        for k in range(n_steps):
            b.setValue(face_drift((k + 1) * dt))
            if k > 0:
                older.setValue(density.value - density.old.value)
            density.updateOld()
            (bdf2 if k else euler).solve(var=density, dt=dt, solver=solver)
        return case.functionals(axes, density.value.reshape(shape).T)

    return run
