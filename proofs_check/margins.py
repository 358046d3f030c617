"""Margins in units of their error, read off case records: what tables and figures show."""

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


def is_control(evidence: dict[str, Any]) -> bool:
    """Whether a piece of evidence compares two sides that are equal by construction."""
    return "cap" in evidence["details"]


def ratios(case: dict[str, Any], control: bool) -> list[float | None]:
    """Return the margins of one kind of evidence of a case, in units of their errors."""
    if case["verdict"] == "VACUOUS":
        return []
    return [ratio(item, control) for item in case["evidence"] if is_control(item) == control]


def ratio(evidence: dict[str, Any], control: bool = False) -> float | None:
    """Return the margin of a piece of evidence in units of its error; infinite for a proof."""
    if evidence["source"] == "proof":
        return {"PROVED": math.inf, "REFUTED": -math.inf}.get(evidence["verdict"])
    return in_errors(evidence["margin"]["value"], evidence["margin"]["error"], control)


def least(case: dict[str, Any]) -> float | None:
    """Return the least margin of a case that is not a control's; None if there is none."""
    known = [ratio for ratio in ratios(case, control=False) if ratio is not None]
    return min(known) if known else None


def largest_difference(case: dict[str, Any]) -> float | None:
    """Return the largest |difference| / error among the controls of a case; None if none."""
    known = [ratio for ratio in ratios(case, control=True) if ratio is not None]
    return max(known) if known else None


def least_of(cases: list[dict[str, Any]]) -> float | None:
    """Return the least margin over cases."""
    known = [ratio for ratio in map(least, cases) if ratio is not None]
    return min(known) if known else None


def widest_of(cases: list[dict[str, Any]]) -> float | None:
    """Return the largest |difference| / error of the controls over cases."""
    known = [ratio for ratio in map(largest_difference, cases) if ratio is not None]
    return max(known) if known else None


def summary(cases: list[dict[str, Any]]) -> str:
    """Return the least margin over cases in words; of controls alone, the largest difference."""
    margin, difference = least_of(cases), widest_of(cases)
    if margin is None and difference is not None:
        return f"{difference:.2f} (control)"
    return text(margin)


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
