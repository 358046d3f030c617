"""The hypothesis that the starts are ordered."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from fokker_planck.model import GaussianMixture
from sde_compare.comparison.hypotheses import Hypothesis
from sde_compare.comparison.order import Order

Laws = tuple[GaussianMixture, GaussianMixture]


def ordered_start(laws: Laws, order: Order) -> Hypothesis:
    """Decide whether starts drawn from the same random numbers are ordered.

    One law gives one point for both. Two laws with one component and one covariance differ by a
    shift, whose order is decided exactly.
    """
    a, b = laws
    name, statement = "start", "the starts are ordered"
    if a.spec() == b.spec():
        return Hypothesis(name, statement, "proved", "one law, and one point for both")
    if a.n_components > 1 or b.n_components > 1 or np.any(a.covariances != b.covariances):
        return Hypothesis(name, statement, "undecided", "the laws differ in more than a shift")
    shift = [
        Fraction(float(q)) - Fraction(float(p)) for p, q in zip(a.means[0], b.means[0], strict=True)
    ]
    for row, label in zip(order.rows, order.labels, strict=True):
        rise = sum((w * s for w, s in zip(row, shift, strict=True)), Fraction(0))
        if rise < 0:
            text = f"{label} starts lower by {float(-rise):.6g}"
            point = {f"shift {i}": s for i, s in enumerate(shift)}
            return Hypothesis(name, statement, "refuted", text, (), point)
    return Hypothesis(
        name, statement, "proved", "the laws differ by a shift that is >= 0 in the order"
    )
