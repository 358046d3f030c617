"""One measured run: prepare (not timed with the run), repeat, keep the fastest."""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.cases import Case

#: a run gives entropy and posterior mass, and the claimed error of the worse if it has one
Run = Callable[[], tuple[float, ...]]
#: repeat short runs until this many seconds or that many repeats
REPEAT_SECONDS, REPEATS = 1.0, 9


@dataclass(frozen=True)
class Row:
    """One line of the table.

    ``seconds`` is the fastest wall time of ``repeats`` warm runs; ``prepare_seconds`` is what went
    before, once: grids, and for py-pde the compilation. ``claimed_error`` is None for peers, which
    give none. ``cpu_seconds`` is the least processor time: far below ``seconds``, it says that the
    machine was busy.
    """

    case: str
    package: str
    settings: str
    seconds: float
    prepare_seconds: float
    repeats: int
    entropy: float
    posterior_mass: float
    true_error: float
    claimed_error: float | None = None
    note: str = ""
    cpu_seconds: float | None = None

    def record(self) -> dict[str, Any]:
        return asdict(self)


def measure(case: Case, package: str, settings: str, prepare: Callable[[], Run]) -> Row:
    """Run one setting and return its row; a failure is a row with infinite error and a note."""
    fastest, cpu, repeats, found, note = float("inf"), float("inf"), 0, (float("nan"),) * 2, ""
    started = time.perf_counter()
    prepared = started
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = prepare()
            prepared = time.perf_counter()
            spent = 0.0
            while repeats == 0 or (spent < REPEAT_SECONDS and repeats < REPEATS):
                before, cpu_before = time.perf_counter(), time.process_time()
                found = run()
                cpu = min(cpu, time.process_time() - cpu_before)
                fastest = min(fastest, time.perf_counter() - before)
                spent += time.perf_counter() - before
                repeats += 1
    except Exception as failure:
        note = f"{type(failure).__name__}: {failure}".splitlines()[0][:160]
    return Row(
        case.name,
        package,
        settings,
        fastest,
        prepared - started,
        repeats,
        float(found[0]),
        float(found[1]),
        case.true_error(float(found[0]), float(found[1])) if not note else float("inf"),
        float(found[2]) if len(found) > 2 and not note else None,
        note,
        cpu,
    )


def installed(name: str) -> str | None:
    """Return the version of a distribution, None if it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def environment() -> dict[str, Any]:
    """Return what the times depend on: versions, processor, threads and load."""
    names = ("guidance-verifier", "numpy", "scipy", "py-pde", "numba", "fipy")
    processor = ""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            models = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
        processor = models[0] if models else ""
    return {
        "versions": {name: installed(name) for name in names},
        "python": platform.python_version(),
        "processor": processor or platform.machine(),
        "cores": os.cpu_count(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "load": load(),
    }


THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def load() -> list[float] | None:
    """Return the load averages over 1, 5 and 15 minutes where the system has them."""
    return [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None
