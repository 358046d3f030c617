"""Cells of a sweep: what each one is computed from, and the name that follows from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fokker_planck.model.checks import real_array, real_number, shown
from fokker_planck.model.steps import CHAIN_RULES, check_rule
from fokker_planck.model.time_grid import linear_beta_times, time_grid
from proofs_check.cli.errors import BadInputError
from proofs_check.cli.options import MODEL_FIELDS, build_process
from proofs_check.store import content_key, versions
from proofs_check.sweep.spec import Spec

if TYPE_CHECKING:
    from fokker_planck.model import GuidedProcess

Point = dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One point of the sweep.

    Parameters
    ----------
    point : dict
        Its value on every axis.
    settings : dict
        Everything that its record depends on, as plain data: ``model``, ``chain``, ``output``.
    key : str
        The digest of settings, versions and source.
    """

    point: Point
    settings: dict[str, Any]
    key: str

    def derived(self) -> dict[str, Any]:
        """Return what follows from the axes: number and length of the steps, strength."""
        chain = self.settings["chain"]
        if chain is None:
            return {}
        found = {name: chain[name] for name in ("steps", "step") if name in chain}
        if "step_strength" in self.point:
            found["strength"] = self.settings["model"]["strength"]
        return {name: value for name, value in found.items() if name not in self.point}


def points(spec: Spec) -> Iterator[Point]:
    """Yield the points of a sweep, the last axis fastest."""
    for values in itertools.product(*spec.axes.values()):
        yield dict(zip(spec.axes, values, strict=True))


def cells(spec: Spec) -> list[Cell]:
    """Return the cells of a sweep, in order.

    Raises
    ------
    ValueError
        If one end of an axis states no process: naming the field and its value.
    """
    first = next(points(spec))
    span: float | None = check(spec, first)
    for name, values in spec.axes.items():
        for value in {values[-1], min(values), max(values)} - {first[name]}:
            check(spec, {**first, name: value})
    if "horizon" in spec.axes:
        span = None
    found = [(point, settings_at(spec, point, span)) for point in points(spec)]
    if spec.chain is not None and spec.chain["together"] > 1:
        together([settings for _, settings in found], spec.chain["together"])
    source = versions()
    return [
        Cell(point, settings, content_key("sweep", settings, source)) for point, settings in found
    ]


def together(every: list[dict[str, Any]], most: int) -> None:
    """Say in each cell's settings with which strengths its chain is stepped.

    These are part of what it is computed from: its values depend on them, within their errors.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for settings in every:
        model = settings["model"]
        scale = model.pop("scale", None)
        model["strength"] = model.get("strength", 0.0) if scale is None else scale - 1.0
        groups.setdefault(but_for_strength(settings), []).append(settings)
    for members in groups.values():
        strengths = sorted({settings["model"]["strength"] for settings in members})
        place = {strength: i // most * most for i, strength in enumerate(strengths)}
        for settings in members:
            begin = place[settings["model"]["strength"]]
            settings["together"] = strengths[begin : begin + most]


def but_for_strength(settings: dict[str, Any]) -> str:
    """Return the content of a cell but for its strength: cells of one chain have the same."""
    model = {name: item for name, item in settings["model"].items() if name != "strength"}
    return content_key({**settings, "model": model})


def check(spec: Spec, point: Point) -> float:
    """Return the length of reverse time at a point, and see that its process can be stated."""
    model = model_at(spec, point)
    if "step_strength" in point:
        real_number("step_strength", point["step_strength"], minimum=0.0)
        model["strength"] = 0.0
    if spec.chain is None:
        return float(process_of(model).horizon)
    if own_horizon(spec):
        model["horizon"] = linear_beta_horizon(spec, point)
    process = process_of(model)
    span = float(process.horizon)
    check_rule(process, spec.chain["rule"], CHAIN_RULES)
    time_grid(process, steps_at(spec, point, span), spec.chain["grid"])
    return span


def own_horizon(spec: Spec) -> bool:
    """Whether the time grid sets the horizon: that of DDPM's betas, where none is stated."""
    stated = "horizon" in spec.model or "horizon" in spec.axes
    return spec.chain is not None and spec.chain["grid"] == "linear-beta" and not stated


def linear_beta_horizon(spec: Spec, point: Point) -> float:
    """Return the horizon of a linear-beta grid of the stated number of steps."""
    return float(linear_beta_times(steps_at(spec, point, np.inf))[-1])


def settings_at(spec: Spec, point: Point, span: float | None) -> dict[str, Any]:
    """Return the settings at a point; ``span`` is the length of reverse time where it is fixed."""
    model = model_at(spec, point)
    chain: dict[str, Any] | None = None
    if spec.chain is not None:
        if own_horizon(spec):
            model["horizon"] = span = linear_beta_horizon(spec, point)
        elif span is None:
            span = model["horizon"] - model.get("stop", 0.0)
        count = steps_at(spec, point, span)
        chain = {"rule": spec.chain["rule"], "grid": spec.chain["grid"], "steps": count}
        if chain["grid"] == "uniform":
            chain["step"] = span / count
        if "step_strength" in point:
            model["strength"] = point["step_strength"] / chain["step"]
    output: dict[str, Any] = {"quantities": list(spec.quantities), "tol": spec.tol}
    if "modes" in spec.quantities:
        output.update(prominence=spec.prominence, bandwidth=spec.bandwidth)
    return {"model": model, "chain": chain, "output": output}


def process_of(model: dict[str, Any]) -> GuidedProcess:
    """Return the process of a cell.

    Raises
    ------
    ValueError
        Naming the field and its value.
    """
    try:
        return build_process({name: model.get(name) for name in MODEL_FIELDS})
    except BadInputError as error:
        raise ValueError(error.format_message()) from None


def steps_at(spec: Spec, point: Point, span: float) -> int:
    """Return the number of steps at a point: the nearest to a stated length of step."""
    assert spec.chain is not None
    stated = {**spec.chain, **point}
    if "steps" in stated:
        return int(stated["steps"])
    step = real_number("step", stated["step"], minimum=0.0, strict=True)
    if step > span:
        raise ValueError(f"step must be <= {span:g}, the length of time, got {shown(step)}")
    return max(1, round(span / step))


def model_at(spec: Spec, point: Point) -> dict[str, Any]:
    """Return the fields of the model at a point; ``step_strength`` is left to the chain."""
    model = dict(spec.model)
    for name in ("strength", "scale", "noise_level", "horizon"):
        if name in point:
            model[name] = point[name]
    for name in ("separation", "mean_scale"):
        if name in point:
            model["means"] = scaled_means(model, name, point[name])
    if "weight" in point:
        model["weights"] = target_weight(model, point["weight"])
    return model


def scaled_means(model: dict[str, Any], name: str, value: float) -> Any:
    """Return the means times a factor: ``value``, or what makes it their largest distance."""
    if model.get("means") is None:
        raise ValueError(f"means must be given along with axes.{name}, got nothing")
    means = real_array("means", model["means"])
    factor = real_number(name, value, minimum=0.0)
    if name == "separation":
        rows = means.reshape(len(means), -1)
        now = max(float(np.linalg.norm(a - b)) for a in rows for b in rows)
        if now == 0:
            raise ValueError(f"means must differ for axes.separation, got {shown(model['means'])}")
        factor /= now
    return (factor * means).tolist()


def target_weight(model: dict[str, Any], value: float) -> list[float]:
    """Return weights of which the target has ``value``; the others keep their proportions."""
    if model.get("labels") is not None:
        raise ValueError(f"axes.weight must go without labels, got {shown(model['labels'])}")
    if model.get("weights") is None or not isinstance(model.get("target"), int):
        raise ValueError("weights and target must be given along with axes.weight, got neither")
    weights, target = real_array("weights", model["weights"]), model["target"]
    value = real_number("weight", value, minimum=0.0, maximum=1.0, strict=True)
    if weights.ndim != 1 or not 0 <= target < weights.size:
        raise ValueError(f"target must be in 0..{weights.size - 1}, got {target}")
    others = weights.sum() - weights[target]
    if others <= 0 and value < 1:
        raise ValueError(f"weights must leave some to the others, got {shown(model['weights'])}")
    out = weights * ((1 - value) / others if others > 0 else 0.0)
    out[target] = value
    return out.tolist()
