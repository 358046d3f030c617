"""Run everything, write the table and the figure: see README.md in this folder."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), metavar="DIR")
    parser.add_argument("--cases", nargs="+", default=["A1", "B1", "C", "D"], metavar="CASE")
    parser.add_argument("--packages", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--quick", action="store_true", help="coarse settings only")
    parser.add_argument("--threads", type=int, default=1, help="of BLAS, OpenMP and numba")
    parser.add_argument(
        "--budget", type=float, default=60.0, help="seconds after which a series ends"
    )
    parser.add_argument("--no-sampling", action="store_true", help="leave the samplers out")
    parser.add_argument("--redraw", action="store_true", help="from the record in DIR, no runs")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    chosen = arguments(argv)
    for name in THREADS:  # before numpy is imported: the same for everyone
        os.environ[name] = str(chosen.threads)
    from benchmarks.report import redraw, run

    return redraw(chosen.out) if chosen.redraw else run(chosen)


if __name__ == "__main__":
    sys.exit(main())
