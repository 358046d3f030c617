"""``run_sweep``: compute the cells that are missing, keep each at once, write the table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fokker_planck.model.checks import whole_number
from proofs_check.sweep import journal
from proofs_check.sweep.cells import Cell, but_for_strength, cells
from proofs_check.sweep.locks import alone, at_rest, at_work
from proofs_check.sweep.measure import failure, measure_unit
from proofs_check.sweep.spec import Spec
from proofs_check.sweep.table import forget_table, make_table, write_table
from proofs_check.workers import default_jobs, run_tasks

Record = dict[str, Any]
Progress = Callable[[float, float], None]
#: a task takes as many cells as leave about so many tasks
TASKS = 400


@dataclass(frozen=True)
class Sweep:
    """The outcome of a sweep.

    Attributes
    ----------
    table : dict
        What ``table.json`` holds: the same to the bit however the sweep was run.
    computed, restored : int
        Cells that were computed now, and that were found stored; others are equal to one of them,
        such as those of two lengths that make the same number of steps.
    notes : list of str
        Stored cells that were corrupted, and workers that were lost.
    """

    table: Record
    computed: int
    restored: int
    notes: list[str]


def run_sweep(
    spec: Spec,
    out: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run a sweep, from where an earlier run of it stopped.

    Parameters
    ----------
    spec : Spec
        See :func:`proofs_check.sweep.read_spec`.
    out : path
        Folder for ``cells.jsonl``, ``table.json`` and ``table.csv``; made if it does not exist.
        Cells are found by what they are computed from: a changed axis keeps those that remain.
    jobs : int, optional
        Number of processes; by default two, where there are two cores. No value depends on it.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of cells.

    Returns
    -------
    Sweep

    Raises
    ------
    ValueError
        If the sweep states no process, or the folder cannot be used.
    """
    jobs = default_jobs() if jobs is None else whole_number("jobs", jobs, minimum=1)
    every = cells(spec)
    folder = writable(out)
    with alone(folder):
        found = journal.load(folder)
        notes = corrupted(found, every)
        journal.gather(folder, found)
        records = found.records
        todo = list({cell.key: cell for cell in every if cell.key not in records}.values())
        if todo:
            forget_table(folder)
        restored = sum(cell.key in records for cell in every)
        lost = _compute(folder, todo, records, jobs, progress, len(every))
        table = make_table(spec, every, [records[cell.key] for cell in every])
        write_table(folder, table)
        # whatever else failed is on disk by now
        journal.gather(folder, journal.load(folder))
    return Sweep(table, len(todo), restored, [*notes, *lost])


def writable(out: str | os.PathLike[str]) -> Path:
    """Return the folder, made and tried.

    Raises
    ------
    ValueError
        If it cannot be written to.
    """
    path = Path(out).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name in ("table.json", "table.csv", journal.GATHERED):
            if (path / name).is_dir():
                raise IsADirectoryError(0, f"{name} is a folder")
        probe = path / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ValueError(f"out: cannot write to {os.fspath(out)!r} ({why})") from None
    return path


def corrupted(found: journal.Found, every: Sequence[Cell]) -> list[str]:
    """Return a line for each stored cell that was corrupted, naming it where it can be told."""
    known = {cell.key: cell for cell in every}
    out = []
    for place, key in found.corrupted:
        cell = known.get(key or "")
        name = "" if cell is None else f" ({named(cell)})"
        again = "dropped" if key is not None and cell is None else "recomputed"
        again = "kept elsewhere" if key in found.records else again
        out.append(f"cell in {place}{name} was corrupted: {again}")
    return out


def named(cell: Cell) -> str:
    """Return the name of a cell: its values on the axes."""
    return ", ".join(f"{name} {value:g}" for name, value in cell.point.items()) or "the only cell"


def _compute(
    folder: Path,
    todo: Sequence[Cell],
    records: dict[str, Record],
    jobs: int,
    progress: Progress | None,
    total: int,
) -> list[str]:
    """Compute cells into ``records``; return notes on lost workers.

    When a worker is killed its companions end too: what all of them had finished is read back,
    and the rest is begun again, as long as that leads on.
    """
    tell = progress or (lambda done, total: None)
    notes: list[str] = []
    # dear cells first: none is begun when all others are finished
    left = sorted(todo, key=cost, reverse=True)
    while left:
        finished = total - len(left)
        tell(finished, total)
        units = [[(cell.key, cell.settings) for cell in unit] for unit in in_units(left)]
        size = max(1, -(-len(units) // TASKS))
        tasks = [
            (str(folder), os.getpid(), units[i : i + size]) for i in range(0, len(units), size)
        ]
        broken: BaseException | None = None
        try:
            with closing(run_tasks(compute_cells, tasks, jobs)) as results:
                for _, result in results:
                    if isinstance(result, BrokenProcessPool):
                        broken = result
                        break
                    if isinstance(result, BaseException):
                        raise result
                    records.update(result)
                    finished += len(result)
                    tell(finished, total)
        finally:
            at_rest(folder)
        records.update({k: v for k, v in journal.load(folder).records.items() if k not in records})
        before, left = len(left), [cell for cell in left if cell.key not in records]
        if broken is not None and left:
            notes.append(f"a worker was lost: {len(left)} cells begun again")
            if len(left) == before:
                raise RuntimeError(f"workers are lost before they finish a cell: {broken}")
    return notes


def cost(cell: Cell) -> float:
    """Return what a cell costs, against others of its sweep; it changes no result."""
    chain = cell.settings["chain"]
    return float(chain["steps"]) if chain is not None else 0.0


def in_units(left: Sequence[Cell]) -> list[list[Cell]]:
    """Return the cells that are computed in one go, in their order: one, or some of one chain."""
    units: dict[str, list[Cell]] = {}
    for cell in left:
        name = but_for_strength(cell.settings) if "together" in cell.settings else cell.key
        units.setdefault(name, []).append(cell)
    return list(units.values())


def compute_cells(
    folder: str, parent: int, units: Sequence[Sequence[tuple[str, dict[str, Any]]]]
) -> list[tuple[str, Record]]:
    """Compute cells and keep each as soon as it is finished; end when the parent is gone."""
    path = Path(folder)
    at_work(path)
    done = []
    for unit in units:
        if parent not in (os.getpid(), os.getppid()):
            os._exit(1)
        try:
            records = measure_unit([settings for _, settings in unit])
        except MemoryError:
            done += [(key, failure("MemoryError: too large for this machine")) for key, _ in unit]
            continue
        found = [(key, record) for (key, _), record in zip(unit, records, strict=True)]
        journal.append(path, found)
        done += found
    return done
