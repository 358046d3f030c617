"""The TOML file of a sweep: mixture, chain, axes and outputs, checked before any work."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fokker_planck.model.checks import one_of, real_number, shown, whole_number
from fokker_planck.model.steps import CHAIN_RULES
from fokker_planck.model.time_grid import GRIDS
from proofs_check.cli.options import MODEL_FIELDS
from proofs_check.sweep.axes import AXES, EXCLUSIVE, axis_values

QUANTITIES = ("confidence", "complement", "entropy", "mean", "variance", "mass", "modes")
SECTIONS = ("title", "model", "chain", "axes", "output")
CHAIN_FIELDS = ("rule", "grid", "steps", "step", "together")
#: quantities that chains stepped together do not give
APART = ("complement", "modes")
OUTPUT_FIELDS = ("quantities", "tol", "prominence", "bandwidth")
#: most cells of one sweep, and most that are computed together
MOST_CELLS, MOST_TOGETHER = 1_000_000, 1000


@dataclass(frozen=True)
class Spec:
    """A sweep as its file states it.

    Parameters
    ----------
    model : dict
        Fields of the model, named as the options of ``proofs-check solve``.
    axes : dict
        The values of what varies, in the order of the file: the last varies fastest.
    chain : dict or None
        ``rule``, ``grid``, ``steps`` or ``step``, and how many strengths of one chain are stepped
        ``together`` (1: each alone); None: continuous time.
    quantities : tuple of str
        Outputs.
    tol : float
        Requested error.
    prominence : float
        A mode counts if it rises above its neighbours by more than this share of the highest.
    bandwidth : float
        Standard deviation of what the density is smoothed by before its modes are counted.
    title : str
    """

    model: dict[str, Any]
    axes: dict[str, tuple[float, ...]]
    chain: dict[str, Any] | None = None
    quantities: tuple[str, ...] = ("confidence", "entropy")
    tol: float = 1e-8
    prominence: float = 0.01
    bandwidth: float = 0.0
    title: str = field(default="", compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the sweep as plain data."""
        return {
            "model": self.model,
            "chain": self.chain,
            "axes": {name: list(values) for name, values in self.axes.items()},
            "output": {
                "quantities": list(self.quantities),
                "tol": self.tol,
                "prominence": self.prominence,
                "bandwidth": self.bandwidth,
            },
        }


def read_spec(path: str | os.PathLike[str]) -> Spec:
    """Read the TOML file of a sweep.

    Raises
    ------
    ValueError
        In one line that names the field and its value.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ValueError(f"file must be a TOML file, got {os.fspath(path)!r} ({why})") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"file must be TOML, got {os.fspath(path)!r} ({error})") from None
    return parse_spec(data)


def parse_spec(data: Mapping[str, Any]) -> Spec:
    """Return the sweep that a parsed TOML file states.

    Raises
    ------
    ValueError
        In one line that names the field and its value.
    """
    _known("", data, SECTIONS)
    title = data.get("title", "")
    if not isinstance(title, str):
        raise ValueError(f"title must be text, got {shown(title)}")
    if "model" not in data:
        raise ValueError("model must be given, got no section [model]")
    model = _section("model", data, MODEL_FIELDS)
    for name in ("schedule", "guidance", "perturbation", "class_law", "total_law"):
        if not isinstance(model.get(name, ""), str):
            raise ValueError(f"model.{name} must be text, got {shown(model[name])}")
    stated = _section("axes", data, tuple(AXES))
    axes = {name: axis_values(name, value) for name, value in stated.items()}
    chain = _chain(_section("chain", data, CHAIN_FIELDS), axes, "chain" in data)
    cells = 1
    for values in axes.values():
        cells *= len(values)
    if cells > MOST_CELLS:
        raise ValueError(f"axes must span {MOST_CELLS} cells or fewer, got {cells}")
    _exclusive({**model, **(chain or {})}, axes)
    output = _section("output", data, OUTPUT_FIELDS)
    tol = real_number("output.tol", output.get("tol", 1e-8), minimum=0.0, strict=True)
    prominence = real_number(
        "output.prominence", output.get("prominence", 0.01), minimum=0.0, maximum=1.0, strict=True
    )
    quantities = _quantities(output)
    apart = [name for name in quantities if name in APART]
    if apart and chain is not None and chain["together"] > 1:
        raise ValueError(
            f"chain.together must be 1 for the quantity {apart[0]}, got {chain['together']}"
        )
    bandwidth = real_number("output.bandwidth", output.get("bandwidth", 0.0), minimum=0.0)
    return Spec(model, axes, chain, quantities, tol, prominence, bandwidth, title)


def _known(where: str, data: Mapping[str, Any], fields: tuple[str, ...]) -> None:
    for key, value in data.items():
        if key not in fields:
            from difflib import get_close_matches

            near = get_close_matches(key, fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else f" (one of {', '.join(fields)})"
            raise ValueError(f"{where}{key} is not a field, got {shown(value)}{hint}")


def _section(name: str, data: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    found = data.get(name, {})
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} must be a section [{name}], got {shown(found)}")
    _known(f"{name}.", found, fields)
    return dict(found)


def _chain(stated: dict[str, Any], axes: Mapping[str, Any], given: bool) -> dict[str, Any] | None:
    """Return rule, grid and number or length of the steps, or None for continuous time."""
    on_axis = next((name for name in ("step", "steps", "step_strength") if name in axes), None)
    if not given and on_axis is None:
        return None
    out: dict[str, Any] = {
        "rule": one_of("chain.rule", stated.get("rule", "euler"), CHAIN_RULES),
        "grid": one_of("chain.grid", stated.get("grid", "uniform"), GRIDS),
    }
    most = {"minimum": 1, "maximum": MOST_TOGETHER}
    out["together"] = whole_number("chain.together", stated.get("together", 1), **most)
    if "steps" in stated:
        out["steps"] = whole_number("chain.steps", stated["steps"], minimum=1)
    if "step" in stated:
        out["step"] = real_number("chain.step", stated["step"], minimum=0.0, strict=True)
    if not {"step", "steps"} & {*out, *axes}:
        raise ValueError("chain.steps must be given, got no steps, step, or axis of them")
    for name in ("step", "step_strength"):
        if out["grid"] != "uniform" and (name in axes or name in out):
            raise ValueError(f"{name} must go with grid 'uniform', got {out['grid']!r}")
    return out


def _exclusive(fixed: Mapping[str, Any], axes: Mapping[str, Any]) -> None:
    for names in EXCLUSIVE:
        given = [f"axes.{name}" for name in names if name in axes]
        given += [name for name in names if name in fixed]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} exclude each other, got both")


def _quantities(output: Mapping[str, Any]) -> tuple[str, ...]:
    stated = output.get("quantities", ["confidence", "entropy"])
    if not isinstance(stated, list) or not stated:
        raise ValueError(f"output.quantities must be a list of names, got {shown(stated)}")
    for name in stated:
        one_of("output.quantities", name, QUANTITIES)
    if len(set(stated)) < len(stated):
        raise ValueError(f"output.quantities must not have a name twice, got {shown(stated)}")
    return tuple(stated)
