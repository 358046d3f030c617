"""Worker processes for cases: started fresh, never running the caller's script again."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

Task = tuple[Any, ...]
WATCH_SECONDS = 1.0
#: signals that end a process; none where they cannot be held back
STOPPING = {signal.SIGTERM, signal.SIGHUP} if hasattr(signal, "pthread_sigmask") else set()


class _Process(SpawnProcess):
    """A spawned process that does not import the caller's main script.

    So a script needs no ``if __name__ == "__main__"`` guard around ``verify``.
    """

    def start(self) -> None:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            with _interrupts_held():
                super().start()
        finally:
            sys.modules["__main__"] = main


class _Context(SpawnContext):
    Process = _Process


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold signals back while a process starts; the process inherits that they are held back.

    So an interrupt from the keyboard reaches no worker, not even one that is still importing,
    and no process is left half started.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its own start would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *STOPPING})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(parent: int) -> None:
    """Leave an interrupt to the parent, which keeps the state, and end when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if STOPPING:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    threading.Thread(target=_end_without, args=(parent,), daemon=True).start()


def _end_without(parent: int) -> None:
    """End this process at once when its parent is no longer ``parent``."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


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
    pool = ProcessPoolExecutor(
        jobs, mp_context=_Context(), initializer=_prepare, initargs=(os.getpid(),)
    )
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
