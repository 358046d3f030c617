"""What is run: for every case and package a series of settings from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import fokker_planck as fp
from benchmarks import fipy_volumes, py_pde, scipy_characteristics, scipy_lines
from benchmarks.cases import CASES, Case
from benchmarks.measure import Run, installed

OURS = "guidance-verifier"
LINES = "scipy lines"
CHARACTERISTICS = "scipy characteristics"
PY_PDE = "py-pde"
PY_PDE_SCIPY = "py-pde + solve_ivp"
FIPY = "FiPy"
FOKKER_PLANCK_PACKAGES = (PY_PDE, PY_PDE_SCIPY, FIPY)
#: package -> distribution it needs, beyond numpy and scipy
NEEDS = {PY_PDE: "py-pde", PY_PDE_SCIPY: "py-pde", FIPY: "fipy"}

TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)

#: (cell width, method of solve_ivp, rtol)
LINE_RUNS: dict[str, list[tuple[float, str, float]]] = {
    "A1": [
        *[(0.3, "LSODA", 1e-4), (0.25, "LSODA", 1e-5), (0.15, "LSODA", 1e-7)],
        *[(0.12, "LSODA", 1e-8), (0.1, "LSODA", 1e-9), (0.07, "LSODA", 1e-10)],
        *[(0.15, "Radau", 1e-7), (0.1, "Radau", 1e-9), (0.07, "Radau", 1e-10)],
    ],
    "B1": [
        *[(0.25, "DOP853", 1e-5), (0.15, "DOP853", 1e-7), (0.1, "DOP853", 1e-9)],
        *[(0.07, "DOP853", 1e-10), (0.05, "DOP853", 1e-11)],
        *[(0.1, "LSODA", 1e-9), (0.07, "LSODA", 1e-10), (0.05, "LSODA", 1e-11)],
    ],
    "C": [
        *[(0.4, "DOP853", 1e-4), (0.3, "DOP853", 1e-5), (0.22, "DOP853", 1e-6)],
        *[(0.16, "DOP853", 1e-7), (0.13, "DOP853", 1e-9)],
    ],
    "D": [
        *[(0.25, "DOP853", 1e-5), (0.16, "DOP853", 1e-7), (0.11, "DOP853", 1e-8)],
        *[(0.08, "DOP853", 1e-9), (0.055, "DOP853", 1e-10), (0.045, "DOP853", 1e-10)],
    ],
}
#: (nodes per axis, rtol)
NODE_RUNS = [(12, 1e-4), (24, 1e-6), (40, 1e-8), (60, 1e-10), (100, 1e-12)]
#: (cell width, solver, tolerance)
PY_PDE_RUNS: dict[str, list[tuple[float, str, float]]] = {
    "A1": [
        *[(0.1, "runge-kutta", 1e-5), (0.05, "runge-kutta", 1e-6), (0.02, "runge-kutta", 1e-7)],
        *[(0.1, "LSODA", 1e-4), (0.03, "LSODA", 1e-5), (0.015, "LSODA", 1e-7)],
        *[(0.007, "LSODA", 1e-8), (0.003, "LSODA", 1e-8), (0.0015, "LSODA", 1e-9)],
    ],
    "B1": [
        *[(0.05, "runge-kutta", 1e-6), (0.02, "runge-kutta", 1e-7), (0.01, "runge-kutta", 1e-7)],
        *[(0.01, "DOP853", 1e-6), (0.003, "DOP853", 1e-6), (0.001, "DOP853", 1e-8)],
    ],
    "C": [
        # its own stepper takes half a minute to compile here and is within 15 % of this one
        *[(0.2, "DOP853", 1e-5), (0.1, "DOP853", 1e-6), (0.05, "DOP853", 1e-6)],
    ],
    "D": [
        *[(0.1, "runge-kutta", 1e-6), (0.05, "runge-kutta", 1e-7), (0.025, "runge-kutta", 1e-7)],
        *[(0.05, "RK45", 1e-7), (0.0125, "RK45", 1e-7)],
    ],
}
#: (cell width, steps)
FIPY_RUNS: dict[str, list[tuple[float, int]]] = {
    "A1": [(0.1, 100), (0.03, 200), (0.02, 400), (0.005, 1000)],
    "B1": [(0.1, 100), (0.03, 200), (0.01, 800), (0.0025, 1600)],
    "C": [(0.25, 100), (0.125, 200), (0.0625, 300)],
    "D": [(0.25, 100), (0.125, 200), (0.0625, 300)],
}


@dataclass(frozen=True)
class Task:
    """One setting of one package on one case, not yet run."""

    case: Case
    package: str
    settings: str
    prepare: Callable[[], Run]
    missing: str = ""


def prepare_ours(case: Case, tol: float) -> Run:
    """Return a run of ``fp.solve``, claimed errors included in it."""

    def run() -> tuple[float, float, float]:
        solution = fp.solve(case.process, tol=tol)
        entropy, posterior = solution.entropy, solution.posterior_mass
        claimed = max(float(entropy.error[-1]), float(posterior.error[-1]))
        return float(entropy.value[-1]), float(posterior.value[-1]), claimed

    run()  # warm: imports, plans and tables of the first call
    return run


def tasks(
    names: list[str], packages: list[str] | None = None, quick: bool = False
) -> Iterator[Task]:
    """Yield the tasks of these cases in the order they are run; ``quick`` keeps the coarse ones."""
    for name in names:
        case = CASES[name]
        for task in _case_tasks(case, quick):
            if packages is None or task.package in packages:
                yield task


def _case_tasks(case: Case, quick: bool) -> Iterator[Task]:
    def task(package: str, settings: str, prepare: Callable[[], Run]) -> Task:
        need = NEEDS.get(package)
        missing = f"{need} is not installed" if need and installed(need) is None else ""
        return Task(case, package, settings, prepare, missing)

    name, keep = case.name, 3 if quick else None
    for tol in TOLERANCES[1:7:3] if quick else TOLERANCES:
        yield task(OURS, f"tol {tol:g}", partial(prepare_ours, case, tol))
    if case.sampler == "ode":
        for nodes, rtol in NODE_RUNS[:keep]:
            run = partial(scipy_characteristics.prepare, case, nodes, rtol)
            yield task(CHARACTERISTICS, f"DOP853, {nodes} nodes per axis, rtol {rtol:g}", run)
    for width, method, rtol in LINE_RUNS[name][:keep]:
        run = partial(scipy_lines.prepare, case, width, method, rtol)
        yield task(LINES, f"{method}, width {width:g}, rtol {rtol:g}", run)
    for width, solver, tol in PY_PDE_RUNS[name][:keep]:
        own = solver == "runge-kutta"
        run = partial(py_pde.prepare, case, width, solver, tol)
        label = f"{'RKF45' if own else solver}, width {width:g}, tol {tol:g}"
        yield task(PY_PDE if own else PY_PDE_SCIPY, label, run)
    for width, n_steps in FIPY_RUNS[name][: 2 if quick else None]:
        run = partial(fipy_volumes.prepare, case, width, n_steps)
        yield task(FIPY, f"BDF2, width {width:g}, {n_steps} steps", run)
