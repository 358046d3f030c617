"""Records of figures on disk: compute and store, then draw from what was stored."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from proofs_check.figures import TITLES
from proofs_check.figures.style import SUFFIXES, save_figure
from proofs_check.store import versions, write_json

SCHEMA = 1
VERDICTS = "verdicts"


def data_path(name: str, out: str | os.PathLike[str]) -> Path:
    """Return where the record of a figure is stored."""
    return Path(out) / "figures" / "data" / f"{name}.json"


def figure_path(name: str, out: str | os.PathLike[str], suffix: str) -> Path:
    """Return where a figure is drawn to."""
    return Path(out) / "figures" / f"{name}{suffix}"


def has_record(name: str, out: str | os.PathLike[str]) -> bool:
    """Whether a figure can be drawn without computing anything."""
    return data_path(name, out).is_file()


def selection(
    names: Sequence[str] | None, out: str | os.PathLike[str], stored: bool = False
) -> list[str]:
    """Return the figures to draw: those named, or all that there is something to draw from.

    The overview of verdicts needs the records of a verification in ``out``.
    """
    if names is not None:
        return list(dict.fromkeys(names))
    if stored:
        return [name for name in TITLES if has_record(name, out)]
    verified = (Path(out) / "index.json").is_file()
    return [name for name in TITLES if name != VERDICTS or verified]


def compute_record(
    name: str, out: str | os.PathLike[str], seed: int, level: str, process: Any = None
) -> Path:
    """Compute what a figure shows and store it; return where.

    Parameters
    ----------
    name : str
        One of ``TITLES``.
    out : path
        Folder of a run.
    seed : int
    level : {"quick", "full"}
    process : ReverseProcess, optional
        The user's own case, in place of the built-in one.
    """
    module = import_module(f"proofs_check.figures.{name}")
    if name == VERDICTS:
        record = module.compute(seed, level, out)
    else:
        record = module.compute(seed, level, process)
    whole = {"schema": SCHEMA, "name": name, "title": TITLES[name], "seed": seed, "level": level}
    path = data_path(name, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {**whole, **record, "versions": versions()})
    return path


def read_record(name: str, out: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the stored record of a figure."""
    record: dict[str, Any] = json.loads(data_path(name, out).read_text(encoding="utf-8"))
    return record


def draw_record(name: str, out: str | os.PathLike[str]) -> list[Path]:
    """Draw a figure from its stored record as PDF, SVG and PNG; return the files."""
    figure = import_module(f"proofs_check.figures.{name}").draw(read_record(name, out))
    return [save_figure(figure, figure_path(name, out, suffix)) for suffix in SUFFIXES]
