"""Noise schedules on balls of (complex) forward time: formulas written out once more.

A schedule that is not listed has no enclosure, and its certificate is a residual.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fokker_planck.residual.balls import Ball

#: pi as a ball
PI = Ball(np.pi, 2e-16)


def known(schedule: Any) -> bool:
    """Whether the schedule has an enclosure here; the class itself, not one derived from it."""
    return (type(schedule).__module__, type(schedule).__name__) in FORMULAS


def at(schedule: Any, t: Ball) -> tuple[Ball, Ball, Ball, Ball]:
    """Return r, v, f and D of a known schedule at forward times."""
    formula = FORMULAS[type(schedule).__module__, type(schedule).__name__]
    found: tuple[Ball, Ball, Ball, Ball] = formula(schedule, t)
    return found


def _like(value: float, t: Ball) -> Ball:
    return Ball(np.full(np.shape(t.mid), value))


def _ou(schedule: Any, t: Ball) -> tuple[Ball, Ball, Ball, Ball]:
    return (-t).exp(), -((-2.0 * t).expm1()), _like(-1.0, t), _like(1.0, t)


def _linear(schedule: Any, t: Ball) -> tuple[Ball, Ball, Ball, Ball]:
    low, high = Ball(schedule.beta_min), Ball(schedule.beta_max)
    slope = (high - low) / schedule.span
    half = 0.5 * (low + slope * t)
    spent = t * (low + 0.5 * slope * t)
    return (-0.5 * spent).exp(), -((-spent).expm1()), -half, half


def _cosine(schedule: Any, t: Ball) -> tuple[Ball, Ball, Ball, Ball]:
    speed = 0.5 * PI / (1 + Ball(schedule.offset))
    left = speed * (1 - t)
    start = speed.sin()
    # cos z = sin(pi/2 - z)
    rate = speed * (0.5 * PI - left).sin() / left.sin()
    product = (speed * t).sin() * (speed * (t + 2 * schedule.offset)).sin()
    return left.sin() / start, product / (start * start), -rate, rate


def _exploding(schedule: Any, t: Ball) -> tuple[Ball, Ball, Ball, Ball]:
    rate = Ball(schedule.rate)
    return _like(1.0, t), rate * t, _like(0.0, t), 0.5 * rate + _like(0.0, t)


_HOME = "fokker_planck.model.schedule"
FORMULAS: dict[tuple[str, str], Any] = {
    (_HOME, "OrnsteinUhlenbeck"): _ou,
    (_HOME, "LinearVP"): _linear,
    (_HOME, "Cosine"): _cosine,
    (_HOME, "VarianceExploding"): _exploding,
}
