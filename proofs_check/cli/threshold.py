"""``threshold``: the critical strengths of a chain of steps, and what happens there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from proofs_check.cli.errors import WHOLE, BadInputError, bad_input
from proofs_check.cli.options import build_process, model_options
from proofs_check.cli.output import estimate_text, print_json, quantity_table

if TYPE_CHECKING:
    from sde_compare.thresholds import Threshold

RULES = ("euler", "exponential", "ddim", "ddpm")


@click.command(short_help="Find the critical strengths of a chain.")
@model_options(required=True)
@click.option("--steps", type=WHOLE, required=True, help="Number of equal steps.")
@click.option("--step-rule", default="euler", metavar="|".join(RULES), help="Default euler.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def threshold(steps: int, step_rule: str, as_json: bool, **model: Any) -> int:
    r"""Find the strengths at which the steps of a 1-D sampler stop to behave like the continuum.

    \b
    fold             some step is not increasing any more: two points go to one
    period doubling  some step swings about the path that the chain follows
    """
    with bad_input():
        process = build_process(model)
    from fokker_planck import ReverseProcess

    if not isinstance(process, ReverseProcess):
        raise BadInputError("class_law must not be given here: thresholds need a posterior")
    import numpy as np

    from fokker_planck.model.checks import whole_number
    from sde_compare.thresholds import fold_threshold, swing_threshold

    with bad_input():
        whole_number("steps", steps, minimum=1)
        grid = np.linspace(0.0, process.horizon, steps + 1)
        found = [
            fold_threshold(process, process.horizon / steps, step_rule),
            swing_threshold(process, grid, step_rule),
        ]
    if as_json:
        head = {"steps": steps, "step_rule": step_rule, "h": process.horizon / steps}
        print_json({**head, "thresholds": [plain(one) for one in found]})
        return 0
    rows: list[tuple[str, str, str]] = [(o.kind, words(o), where(o)) for o in found]
    quantity_table(f"critical strengths, {steps} {step_rule} steps", rows)
    return 0


def plain(one: Threshold) -> dict[str, Any]:
    """Return a threshold as plain data."""
    strength = {"value": float(one.strength.value), "error": float(one.strength.error)}
    return {"kind": one.kind, "strength": strength, "t": one.t, "x": one.x}


def words(one: Threshold) -> str:
    """Return the strength in words."""
    return estimate_text(one.strength) if one.strength.value < float("inf") else "none"


def where(one: Threshold) -> str:
    """Return where it happens first."""
    return f"at t = {one.t:.4g}, x = {one.x:.4g}" if one.t == one.t else ""
