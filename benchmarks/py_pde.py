"""Peer: py-pde, its numba backend, a PDE class with the drift written out for the compiler.

Second-order central differences (the package's operators), zero values at the ends of the box.
Time: its adaptive Runge-Kutta-Fehlberg 4(5), compiled; or its "scipy" solver, which hands the
compiled rate to solve_ivp: LSODA with the band of the matrix stated (1-D), DOP853 (2-D, ODE).
Compilation happens once, before the clock starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cases import HORIZON, Array, Case, cells


def _line_flux(case: Case, x: Array) -> Callable[..., Any]:
    """Return a compiled function that gives b p for the whole line, shape (1, n)."""
    import numba as nb

    gap, offset = case.gaps[:, 0].copy(), case.offsets.copy()
    c = 1.0 + case.noise
    mean, eta = float(case.means[case.target, 0]), case.strength
    k, n = gap.size, x.size

    @nb.njit(fastmath=True)
    def flux(p: Array, tau: float) -> Array:
        r = np.exp(tau - HORIZON)
        out = np.empty((1, n))
        for i in range(n):
            total, pull = 1.0, 0.0
            for j in range(k):
                ratio = np.exp(r * (r * offset[j] - gap[j] * x[i]))
                total += ratio
                pull += gap[j] * ratio
            drift = (1.0 - c) * x[i] + c * r * (mean + eta * pull / total)
            out[0, i] = drift * p[i]
        return out

    return flux


def _plane_flux(case: Case, x: Array, y: Array) -> Callable[..., Any]:
    """Return a compiled function that gives b p on the plane, shape (2, n1, n2)."""
    import numba as nb

    gap, offset = case.gaps.copy(), case.offsets.copy()
    c = 1.0 + case.noise
    mean, eta = case.means[case.target].copy(), case.strength
    k, n1, n2 = offset.size, x.size, y.size

    @nb.njit(fastmath=True)
    def flux(p: Array, tau: float) -> Array:
        r = np.exp(tau - HORIZON)
        ex, ey = np.empty((n1, k)), np.empty((n2, k))
        for j in range(k):
            for i in range(n1):
                ex[i, j] = np.exp(r * (r * offset[j] - gap[j, 0] * x[i]))
            for i in range(n2):
                ey[i, j] = np.exp(-r * gap[j, 1] * y[i])
        out = np.empty((2, n1, n2))
        for i1 in range(n1):
            for i2 in range(n2):
                total, pull1, pull2 = 1.0, 0.0, 0.0
                for j in range(k):
                    ratio = ex[i1, j] * ey[i2, j]
                    total += ratio
                    pull1 += gap[j, 0] * ratio
                    pull2 += gap[j, 1] * ratio
                share = eta / total
                b1 = (1.0 - c) * x[i1] + c * r * (mean[0] + share * pull1)
                b2 = (1.0 - c) * y[i2] + c * r * (mean[1] + share * pull2)
                out[0, i1, i2] = b1 * p[i1, i2]
                out[1, i1, i2] = b2 * p[i1, i2]
        return out

    return flux


def _equation(case: Case, axes: list[Array]) -> Any:
    """Return the Fokker-Planck equation of a case as a PDE class of py-pde."""
    from pde import PDEBase, ScalarField

    flux = _line_flux(case, *axes) if case.dimension == 1 else _plane_flux(case, *axes)
    diffusivity = case.noise
    ends = {"value": 0}

    class FokkerPlanckPDE(PDEBase):
        explicit_time_dependence = True

        def evolution_rate(self, state: Any, t: float = 0) -> Any:
            rate = self.make_evolution_rate(state, None)(state.data, t)
            return ScalarField(state.grid, rate)

        def make_evolution_rate(self, state: Any, backend: Any) -> Callable[..., Any]:
            operator = state.grid.make_operator
            divergence = operator("divergence", bc=ends, backend=backend)
            if diffusivity == 0:
                return lambda p, t: -divergence(flux(p, t))
            laplace = operator("laplace", bc=ends, backend=backend)
            return lambda p, t: diffusivity * laplace(p) - divergence(flux(p, t))

    return FokkerPlanckPDE()


def prepare(
    case: Case, step: float, solver: str, tolerance: float
) -> Callable[[], tuple[float, float]]:
    """Return a run at cell width ``step``: it gives entropy and posterior mass.

    ``solver`` is "runge-kutta" for the package's own stepper or a method of solve_ivp.
    """
    from pde import CartesianGrid, ScalarField
    from pde.solvers import RungeKuttaSolver, ScipySolver

    box = case.box if tolerance > 1e-8 else case.wide_box
    axes = cells(box, step)
    grid = CartesianGrid(box, [x.size for x in axes])
    state = ScalarField(grid, case.start(axes))
    equation = _equation(case, axes)
    if solver == "runge-kutta":
        steps = RungeKuttaSolver(equation, backend="numba", adaptive=True, tolerance=tolerance)
        stepper = steps.make_stepper(state.copy(), dt=1e-3 * HORIZON)
    else:
        options: dict[str, Any] = {"method": solver, "rtol": tolerance, "atol": 0.1 * tolerance}
        if solver == "LSODA":
            options |= {"lband": 1, "uband": 1}
        steps = ScipySolver(equation, backend="numba", **options)
        stepper = steps.make_stepper(state.copy())

    stepper(state.copy(), 0.0, 1e-6)  # compiles whatever was not compiled yet

    def run() -> tuple[float, float]:
        field = state.copy()
        stepper(field, 0.0, HORIZON)
        return case.functionals(axes, field.data)

    return run
