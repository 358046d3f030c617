"""Path-steps per second of the Euler SDE sampler, against raw normals and a plain NumPy loop.

python -m benchmarks.sampling [--paths 1000000] [--steps 500] [--threads N]

The case is A1. Times depend on the machine and its load, so no test asserts them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import fokker_planck as fp
import sde_compare as sc
from benchmarks.cases import CASES, Array
from sde_compare.engine import BLOCK_VALUES, available_threads


def fastest(function: Callable[[], object], repeats: int = 3) -> float:
    """Return the least wall time of a few calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def raw_normals(blocks: int) -> None:
    """The floor: as many normals as one block of that many steps needs, and nothing else."""
    rng = np.random.Generator(np.random.SFC64(0))
    out = np.empty(BLOCK_VALUES)
    for _ in range(blocks):
        rng.standard_normal(out=out)


def plain_loop(process: fp.ReverseProcess, n_paths: int, n_steps: int) -> Array:
    """What one writes first: the drift of the model, whole arrays, temporaries everywhere."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(n_paths)
    h = process.horizon / n_steps
    for k in range(n_steps):
        x = x + h * process.drift(x, k * h) + np.sqrt(2 * h) * rng.standard_normal(n_paths)
    return x


def rates(
    n_paths: int = 1_000_000, n_steps: int = 500, threads: int | None = None, quick: bool = False
) -> list[dict[str, Any]]:
    """Return one record per contender: name, threads, rate per second, share of raw normals."""
    threads = available_threads() if threads is None else threads
    process = CASES["A1"].process
    if quick:
        n_paths = n_paths // 10
    found: list[dict[str, Any]] = []

    def add(name: str, count: int, used: int, function: Callable[[], object]) -> None:
        found.append({"name": name, "threads": used, "per_second": count / fastest(function)})

    draws = 200 if quick else 2000
    for used in sorted({1, threads}):
        with ThreadPoolExecutor(used) as pool:
            add(
                "raw normals (SFC64)",
                draws * used * BLOCK_VALUES,
                used,
                lambda pool=pool, used=used: list(pool.map(raw_normals, [draws] * used)),
            )
    small = n_paths // 20
    add(
        "plain NumPy loop, path-steps",
        small * n_steps,
        1,
        lambda: plain_loop(process, small, n_steps),
    )
    for used in sorted({1, threads}):
        add(
            "sde_compare.sample, path-steps",
            n_paths * n_steps,
            used,
            lambda used=used: sc.sample(process, n_paths, n_steps, threads=used),
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--threads", type=int, default=available_threads())
    chosen = parser.parse_args()
    for rate in rates(chosen.paths, chosen.steps, chosen.threads):
        print(f"{rate['name']:32} {rate['threads']} threads  {rate['per_second']:9.3g} per second")


if __name__ == "__main__":
    main()
