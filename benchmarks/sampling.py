"""Path-steps per second of the Euler SDE sampler, against raw normals and a plain NumPy loop.

    python benchmarks/sampling.py [--paths 1000000] [--steps 500] [--threads N]

The case: two components at -1 and 1, strength 3, horizon 5, one dimension. Times depend on the
machine and its load, so no test asserts them.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import fokker_planck as fp
import sde_compare as sc
from sde_compare.engine import BLOCK_VALUES, available_threads


def clock(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def raw_normals(blocks):
    """The floor: as many normals as one block of that many steps needs, and nothing else."""
    rng = np.random.Generator(np.random.SFC64(0))
    out = np.empty(BLOCK_VALUES)
    for _ in range(blocks):
        rng.standard_normal(out=out)


def plain_loop(process, n_paths, n_steps):
    """What one writes first: the drift of the model, whole arrays, temporaries everywhere."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(n_paths)
    h = process.horizon / n_steps
    for k in range(n_steps):
        x = x + h * process.drift(x, k * h) + np.sqrt(2 * h) * rng.standard_normal(n_paths)
    return x


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--threads", type=int, default=available_threads())
    arguments = parser.parse_args()
    mixture = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
    process = fp.reverse_process(mixture, 1, strength=3.0, horizon=5.0)
    total = arguments.paths * arguments.steps

    draws = 2000
    with ThreadPoolExecutor(arguments.threads) as pool:
        raw = clock(lambda: list(pool.map(raw_normals, [draws] * arguments.threads)))
    raw_rate = draws * arguments.threads * BLOCK_VALUES / raw
    print(f"raw normals   {raw_rate:9.3g} per second on {arguments.threads} threads")

    small = 50_000
    seconds = clock(plain_loop, process, small, arguments.steps)
    print(f"plain NumPy   {small * arguments.steps / seconds:9.3g} path-steps per second")

    for threads in sorted({1, arguments.threads}):

        def run(threads=threads):
            sc.sample(process, arguments.paths, arguments.steps, threads=threads)

        seconds = clock(run)
        print(
            f"sc.sample     {total / seconds:9.3g} path-steps per second, {threads} threads: "
            f"{seconds:.2f} s for {arguments.paths} paths of {arguments.steps} steps"
        )


if __name__ == "__main__":
    main()
