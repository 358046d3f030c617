"""The solvers' own figures: CPU and wall time of the reference cases, warm, the best of five.

    python -m benchmarks.solvers

Claims are read inside the time. True errors are against the values of benchmarks/README.md; the
centre-target cases and the sweep are held against runs at a tighter tolerance.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fokker_planck as fp

NAMES = ("entropy", "posterior_mass")
TWO = fp.GaussianMixture([0.5, 0.5], [-1, 1])
THREE = fp.GaussianMixture(np.full(3, 1 / 3), [-2, 0, 2])
ANGLE = np.deg2rad([90, 210, 330])
RING = fp.GaussianMixture(np.full(3, 1 / 3), 2 * np.column_stack([np.cos(ANGLE), np.sin(ANGLE)]))
Truth = tuple[float, float]
#: name, process, tolerance, references, wall time asked for in seconds
CASES: list[tuple[str, Any, float, Truth | None, float]] = [
    (
        *("A1", fp.reverse_process(TWO, 1, strength=3.0), 1e-9),
        *((1.0942411700358, 0.9556945098651344), 0.040),
    ),
    (
        *("B1", fp.reverse_process(TWO, 1, strength=3.0, sampler="ode"), 1e-10),
        *((0.8638965375192595, 0.9839508357932931), 0.020),
    ),
    ("centre, SDE", fp.reverse_process(THREE, 1, strength=4.0), 1e-9, None, 0.080),
    ("centre, ODE", fp.reverse_process(THREE, 1, strength=4.0, sampler="ode"), 1e-9, None, 0.080),
    (
        *("C", fp.reverse_process(RING, 0, strength=2.0), 1e-8),
        *((2.52154862020, 0.98875846964220), 2.0),
    ),
    (
        *("D", fp.reverse_process(RING, 0, strength=2.0, sampler="ode"), 1e-9),
        *((2.05887527068599, 0.999389786718084), 0.060),
    ),
]


def read(solution: fp.Solution) -> tuple[list[float], float]:
    """Return entropy and posterior mass at the output, and the larger claim."""
    found = [getattr(solution, name)[-1] for name in NAMES]
    return [float(item.value) for item in found], max(float(item.error) for item in found)


def timed(work: Callable[[], Any], repeats: int = 5) -> tuple[float, float, Any]:
    """Return the least CPU and wall time of a warm call, and what it returns."""
    result = work()
    cpu, wall = [], []
    for _ in range(repeats):
        before = time.process_time(), time.perf_counter()
        result = work()
        cpu.append(time.process_time() - before[0])
        wall.append(time.perf_counter() - before[1])
    return min(cpu), min(wall), result


def line(
    name: str, tol: float, times: tuple[float, float, float], errors: tuple[float, float]
) -> None:
    """Print one row."""
    cpu, wall, asked = times
    print(
        f"{name:14}{tol:8.0e}{1e3 * cpu:10.1f}{1e3 * wall:10.1f}{1e3 * asked:10.0f}"
        f"{errors[0]:12.1e}{errors[1]:12.1e}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    print("case               tol    CPU ms   wall ms  asked ms     claimed        true")
    for name, process, tol, truth, asked in CASES:

        def work(process: Any = process, tol: float = tol) -> tuple[list[float], float]:
            return read(fp.solve(process, tol=tol))

        cpu, wall, (values, claim) = timed(work)
        if truth is None:
            truth = tuple(read(fp.solve(process, tol=1e-2 * tol))[0])
        gap = max(abs(a - b) for a, b in zip(values, truth, strict=True))
        line(name, tol, (cpu, wall, asked), (claim, gap))

    strengths = np.linspace(0, 16, 100)
    start = CASES[0][1]

    def sweep() -> list[tuple[list[float], float]]:
        return [read(solution) for solution in fp.strength_sweep(start, strengths, tol=1e-8)]

    cpu, wall, found = timed(sweep)
    gaps = []
    for j in range(0, 100, 11):
        exact, _ = read(fp.solve(start.with_strength(strengths[j]), tol=1e-10))
        gaps.append(max(abs(a - b) for a, b in zip(found[j][0], exact, strict=True)))
    line("100 strengths", 1e-8, (cpu, wall, 2.0), (max(claim for _, claim in found), max(gaps)))


if __name__ == "__main__":
    main()
