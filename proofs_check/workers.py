"""Worker processes for cases: started fresh, never running the caller's script again."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import types
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

Task = tuple[Any, ...]


class _Process(SpawnProcess):
    """A spawned process that does not import the caller's main script.

    So a script needs no ``if __name__ == "__main__"`` guard around ``verify``.
    """

    def start(self) -> None:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _Context(SpawnContext):
    Process = _Process


def _prepare() -> None:
    """Leave an interrupt to the parent, which keeps the state."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def default_jobs() -> int:
    """Return the default number of processes: two, where there are two cores."""
    if hasattr(os, "sched_getaffinity"):
        return min(2, len(os.sched_getaffinity(0)))
    return min(2, os.cpu_count() or 1)


def portable(task: Task) -> bool:
    """Whether another process can rebuild the task: nothing of it lives in the main script."""
    try:
        return b"__main__" not in pickle.dumps(task)
    except Exception:
        return False


def run_tasks(
    function: Callable[..., Any], tasks: Sequence[Task], jobs: int
) -> Generator[tuple[int, Any], None, None]:
    """Yield (index, function(*task)) as tasks finish; an exception is yielded as the result.

    With one job, or tasks that cannot travel, everything runs in this process, in order. When the
    caller closes it early or is interrupted, the workers are ended.
    """
    jobs = min(jobs, len(tasks))
    if jobs <= 1 or not all(portable(task) for task in tasks):
        for index, task in enumerate(tasks):
            try:
                yield index, function(*task)
            except Exception as problem:
                yield index, problem
        return
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=_Context(), initializer=_prepare)
    finished = False
    try:
        pending: dict[Future[Any], int] = {
            pool.submit(function, *task): index for index, task in enumerate(tasks)
        }
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=pending.__getitem__):
                failure = future.exception()
                index = pending.pop(future)
                yield index, failure if failure is not None else future.result()
        finished = True
    finally:
        pool.shutdown(wait=finished, cancel_futures=True)
        if not finished:
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
