"""Processes back from the plain data that identifies them."""

from __future__ import annotations

from typing import Any, TypeGuard

from fokker_planck.model.checks import shown
from fokker_planck.model.guidance import RULES, GuidanceRule
from fokker_planck.model.guided import GuidedProcess
from fokker_planck.model.mixture import GaussianMixture
from fokker_planck.model.pair import PairProcess
from fokker_planck.model.perturbation import CosineField, Perturbation
from fokker_planck.model.process import ReverseProcess
from fokker_planck.model.schedule import SCHEDULES, Schedule, schedule_named


def _rule(spec: dict[str, Any]) -> GuidanceRule:
    make, fields = RULES[spec["name"]]
    rule: GuidanceRule = make(*(spec[field] for field in fields))
    return rule


def _schedule(spec: dict[str, Any]) -> Schedule:
    return schedule_named(**spec)


def _perturbation(spec: dict[str, Any] | None) -> Perturbation | None:
    if spec is None:
        return None
    fields = ("amplitude", "wave", "phase", "direction")
    return Perturbation(spec["kind"], CosineField(*(spec[name] for name in fields)))


def is_plain(process: Any) -> TypeGuard[GuidedProcess]:
    """Whether a process is made of named parts only, so that its spec rebuilds it."""
    if type(process) not in (ReverseProcess, PairProcess):
        return False
    error = process.perturbation
    known = [make for make, _ in RULES.values()]
    return bool(
        type(process.schedule) in SCHEDULES.values()
        and type(process.guidance) in known
        and (error is None or type(error.field) is CosineField)
    )


def process_from_spec(spec: dict[str, Any]) -> GuidedProcess:
    """Rebuild a process from its ``spec()``.

    Raises
    ------
    ValueError
        If it has a rule, schedule or error made of a user's own functions.
    """
    try:
        settings: tuple[Any, ...] = (
            _rule(spec["guidance"]),
            spec["noise_level"],
            spec["horizon"],
            _schedule(spec["schedule"]),
            GaussianMixture(**spec["initial"]),
            spec.get("stop", 0.0),
            _perturbation(spec.get("perturbation")),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"spec must be of named parts, got {shown(error.args)}") from None
    if "mixture" in spec:
        return ReverseProcess(GaussianMixture(**spec["mixture"]), spec["target"], *settings)
    class_law, total_law = (GaussianMixture(**spec[k]) for k in ("class_law", "total_law"))
    return PairProcess(class_law, total_law, *settings)
