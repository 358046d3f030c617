"""Records of figures on disk: compute and store, then draw from what was stored."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from proofs_check.figures import BY_NAME, TITLES
from proofs_check.figures.style import SUFFIXES, save_figure
from proofs_check.store import content_key, run_key, versions, write_json

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


def digest(
    name: str, out: str | os.PathLike[str], seed: int, level: str, process: Any = None
) -> str:
    """Return what ties a figure to a run: its model, seed, level and the project's source.

    The overview of verdicts is tied to the verdicts themselves.
    """
    if name == VERDICTS:
        return verdicts_digest(out)
    return run_key(None if process is None else process.spec(), seed, level)


def verdicts_digest(out: str | os.PathLike[str]) -> str:
    """Return the digest of the stored records of a run."""
    index = json.loads((Path(out) / "index.json").read_text(encoding="utf-8"))
    records = [
        json.loads((Path(out) / entry["file"]).read_text(encoding="utf-8"))
        for entry in index["claims"]
    ]
    return content_key("verdicts", index["environment"].get("run"), records)


def belongs(name: str, out: str | os.PathLike[str], wanted: str) -> bool:
    """Whether the stored record of a figure carries the digest ``wanted``."""
    try:
        return bool(read_record(name, out).get("run") == wanted)
    except (OSError, ValueError, AttributeError):
        return False


def selection(
    names: Sequence[str] | None, out: str | os.PathLike[str], stored: bool = False
) -> list[str]:
    """Return the figures to draw: those named, or all that there is something to draw from.

    The overview of verdicts needs the records of a verification in ``out``; figures of ``BY_NAME``
    must be named, or stored.
    """
    if names is not None:
        return list(dict.fromkeys(names))
    if stored:
        return [name for name in TITLES if has_record(name, out)]
    verified = (Path(out) / "index.json").is_file()
    usual = [name for name in TITLES if name not in BY_NAME]
    return [name for name in usual if name != VERDICTS or verified]


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
    whole["run"] = digest(name, out, seed, level, process)
    path = data_path(name, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    for suffix in SUFFIXES:  # a picture is always one of the record beside it
        figure_path(name, out, suffix).unlink(missing_ok=True)
    write_json(path, {**whole, **record, "versions": versions()})
    return path


def read_record(name: str, out: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the stored record of a figure."""
    record: dict[str, Any] = json.loads(data_path(name, out).read_text(encoding="utf-8"))
    return record


def check_record(name: str, out: str | os.PathLike[str]) -> None:
    """Draw a stored record without saving it: raises where it is malformed."""
    import_module(f"proofs_check.figures.{name}").draw(read_record(name, out))


def is_drawn(name: str, out: str | os.PathLike[str]) -> bool:
    """Whether a figure lies there in every format."""
    return all(figure_path(name, out, suffix).is_file() for suffix in SUFFIXES)


def draw_record(name: str, out: str | os.PathLike[str]) -> list[Path]:
    """Draw a figure from its stored record as PDF, SVG and PNG; return the files."""
    figure = import_module(f"proofs_check.figures.{name}").draw(read_record(name, out))
    return [save_figure(figure, figure_path(name, out, suffix)) for suffix in SUFFIXES]
