"""Verdicts: what an interval says about a claim, and how verdicts combine.

=============  ==================================================================================
PROVED         exact or interval arithmetic over the whole stated region
SUPPORTED      holds with every error bar against it
REFUTED        fails with every error bar for it, with a witness re-evaluated by a second method
INCONCLUSIVE   the margin is inside the error bar
VACUOUS        a hypothesis is not met by the case; never counts as support
ERROR          a crash, nan, or a solver that reports failure; never a refutation
=============  ==================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum

from fokker_planck import Estimate


class Verdict(StrEnum):
    """What a case, or a claim over its cases, comes out as."""

    PROVED = "PROVED"
    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    VACUOUS = "VACUOUS"
    ERROR = "ERROR"


#: From worst to best; VACUOUS is not in it, since it does not count.
ORDER = (
    Verdict.ERROR,
    Verdict.REFUTED,
    Verdict.INCONCLUSIVE,
    Verdict.SUPPORTED,
    Verdict.PROVED,
)


def decide(margin: Estimate) -> Verdict:
    """Return the verdict on "the margin is nonnegative".

    SUPPORTED if the whole interval is nonnegative, REFUTED if the whole interval is negative.
    """
    value, error = float(margin.value), float(margin.error)
    if math.isnan(value):
        return Verdict.ERROR
    if math.isinf(error):
        return Verdict.INCONCLUSIVE
    if value - error >= 0:
        return Verdict.SUPPORTED
    if value + error < 0:
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE


def decide_control(difference: Estimate, cap: float) -> Verdict:
    """Return the verdict on "the difference is zero", for two sides equal by construction.

    SUPPORTED if ``|difference| <= error <= cap``; REFUTED if the error does not explain the
    difference; INCONCLUSIVE if the error is above the stated cap, so that agreement says little.
    """
    value, error = float(difference.value), float(difference.error)
    if math.isnan(value):
        return Verdict.ERROR
    if math.isinf(error):
        return Verdict.INCONCLUSIVE
    if abs(value) > error:
        return Verdict.REFUTED
    return Verdict.SUPPORTED if error <= cap else Verdict.INCONCLUSIVE


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict; VACUOUS ones do not count, and with no other it is VACUOUS."""
    counted = [v for v in verdicts if v is not Verdict.VACUOUS]
    return min(counted, key=ORDER.index) if counted else Verdict.VACUOUS


def as_expected(verdict: Verdict, expected: Verdict | None) -> bool:
    """Whether a claim's verdict is the expected one; None: nothing definite was expected."""
    if expected is None:
        return verdict in (Verdict.PROVED, Verdict.SUPPORTED, Verdict.REFUTED)
    if expected is Verdict.SUPPORTED:
        return verdict in (Verdict.PROVED, Verdict.SUPPORTED)
    return verdict is expected


def exit_code(verdicts: Iterable[tuple[Verdict, Verdict | None]], own_model: bool = False) -> int:
    """Return the exit code of a run from its (verdict, expected) pairs.

    4: an ERROR. 1: something expected to hold was REFUTED, or a counterexample came out holding.
    3: something undecided. 0: all as expected. VACUOUS counts as undecided, except that on a
    user's ``own_model`` it is enough if any claim applied.
    """
    pairs = list(verdicts)
    if any(v is Verdict.ERROR for v, _ in pairs):
        return 4
    holds = (Verdict.SUPPORTED, Verdict.PROVED)
    for verdict, expected in pairs:
        if expected in holds and verdict is Verdict.REFUTED:
            return 1
        if expected is Verdict.REFUTED and verdict in holds:
            return 1
    if any(v is Verdict.INCONCLUSIVE for v, _ in pairs):
        return 3
    vacuous = [v is Verdict.VACUOUS for v, _ in pairs]
    return 3 if (all(vacuous) if own_model else any(vacuous)) else 0
