"""One sweep at a time in a folder, and none before the workers of a killed one have ended."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

#: how long a sweep waits for workers that have lost their parent
PATIENCE = 10.0
_held: dict[str, int] = {}


def _lock(path: Path, shared: bool, patience: float = 0.0) -> int | None:
    """Return an open, locked file, or None if another process holds it; it ends with us."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if sys.platform == "win32":
        return handle
    import fcntl

    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, how)
            return handle
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(handle)
                return None
            time.sleep(0.05)
        except OSError:  # a file system without locks
            return handle


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder for one sweep.

    Raises
    ------
    ValueError
        If another sweep holds it.
    """
    main = _lock(folder / ".sweep.lock", shared=False)
    if main is None:
        raise ValueError(f"out must not be in use by another sweep, got {str(folder)!r}")
    try:
        workers = _lock(folder / ".workers.lock", shared=False, patience=PATIENCE)
        if workers is None:
            raise ValueError(f"out must not be in use by other workers, got {str(folder)!r}")
        os.close(workers)
        yield
    finally:
        os.close(main)


def at_work(folder: Path) -> None:
    """Mark, for as long as this process lives, that it writes to a folder."""
    name = str(folder)
    if name not in _held:
        handle = _lock(folder / ".workers.lock", shared=True, patience=PATIENCE)
        if handle is None:
            raise OSError(f"cannot lock {name!r}")
        _held[name] = handle


def at_rest(folder: Path) -> None:
    """Take the mark of :func:`at_work` away, in a process that lives on."""
    handle = _held.pop(str(folder), None)
    if handle is not None:
        os.close(handle)
