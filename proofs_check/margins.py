"""Margins in units of their error, read off records: what tables and figures show."""

from __future__ import annotations

import math
from typing import Any


def in_errors(margin: float | None, error: float | None, control: bool = False) -> float | None:
    """Return a margin in units of its error: above 1 decided for, below -1 against.

    For a control, whose margin is a difference that should be zero, |difference| / error: at most
    1 where the error explains the difference. None where something is unknown; infinite where the
    error is zero.
    """
    if margin is None or error is None or math.isnan(margin) or not math.isfinite(error):
        return None
    value = abs(margin) if control else margin
    if error == 0:
        return math.copysign(math.inf, value) if value else 0.0
    return value / error


def of_case(case: dict[str, Any]) -> float | None:
    """Return the margin of a case's record in units of its error; None for a vacuous case."""
    if case["verdict"] == "VACUOUS":
        return None
    return in_errors(case["margin"], case["error"], case.get("role") == "control")


def least(cases: list[dict[str, Any]]) -> float | None:
    """Return the least margin in units of its error over the cases that are not controls."""
    ratios = [of_case(case) for case in cases if case.get("role") != "control"]
    known = [ratio for ratio in ratios if ratio is not None]
    return min(known) if known else None


def text(ratio: float | None) -> str:
    """Return a short text of a margin in units of its error."""
    if ratio is None:
        return "-"
    if math.isinf(ratio):
        return "exact" if ratio > 0 else "-exact"
    if abs(ratio) < 1000:
        return f"{ratio:+.1f}"
    mantissa, power = f"{ratio:+.0e}".split("e")
    return f"{mantissa}e{int(power)}"
