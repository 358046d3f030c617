"""What three step sizes say about the discretisation error left after extrapolation."""

from __future__ import annotations

import math

# Above this ratio of successive changes the steps are not called small. At order one it is 1/2;
# at 0.8 a geometric series of changes leaves three times the last after extrapolation.
LARGEST_CONTRACTION, LARGEST_GROWTH = 0.8, 3.0
LARGEST_CHANGE = (
    0.1  # of a distribution function, by halving the steps: above it they are not small
)


def contraction(d1: float, d2: float) -> float:
    """Return |D1| / |D2|, with D1 = f_2h - f_h, D2 = f_4h - f_2h; nan for 0/0."""
    if d2 == 0:
        return math.nan if d1 == 0 else math.inf
    return abs(d1 / d2)


def growth(
    d1: float, d2: float, lowest1: float, highest2: float, turned: bool, other: float = 0.5
) -> float:
    r"""Return the factor of |D1| in the allowance, inf where the regime is not reached.

    If every halving of the step changes the value by :math:`\rho` times the change before, then
    f_h is off by :math:`D_1 \rho / (1 - \rho)`, and 2 f_h - f_2h by
    :math:`D_1 (2\rho - 1) / (1 - \rho)`. The observed ratio is taken for :math:`\rho`, up to
    ``LARGEST_CONTRACTION``. The factor is at least 1: a ratio near 1/2 is not trusted further.

    Parameters
    ----------
    d1, d2 : float
        The changes, or their largest sizes over several points.
    lowest1, highest2 : float
        Lower limit of the size of d1 and upper limit of that of d2, by their sampling errors. If
        even they have a ratio above the largest, the regime is not reached; nor if the changes do
        and the first is not zero by its sampling error.
    turned : bool
        Whether the changes have opposite signs beyond their sampling errors: not reached either.
    other : float
        A ratio observed on the same paths for the whole law, of which the larger counts: the
        changes of one average can be small by accident.

    Source: docs/theory.md, N6.
    """
    if turned or not lowest1 <= LARGEST_CONTRACTION * highest2:  # nan: not reached
        return math.inf
    ratio = contraction(d1, d2)
    if lowest1 > 0 and ratio > LARGEST_CONTRACTION:
        return math.inf
    ratio = max(other, 0.5 if math.isnan(ratio) else ratio)
    ratio = min(ratio, LARGEST_CONTRACTION)
    return max(1.0, (2.0 * ratio - 1.0) / (1.0 - ratio))
