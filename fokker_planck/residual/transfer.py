r"""From an L1 distance to the errors of functionals (docs/theory.md, N7f)."""

from __future__ import annotations

import numpy as np


def entropy_error(error: float, log_height: float, room: float, second_moment: float) -> float:
    r"""Return a bound of |H(p) - H(q)| for densities at L1 distance ``error``.

    q vanishes outside a set of volume ``room`` on which p and q stay below exp(``log_height``);
    p has second moment ``second_moment``.

    .. math:: \epsilon\,(1 + |\log M| + \log\tfrac{MV}{\epsilon}) + \text{the part of p outside}.
    """
    if error == 0:
        return 0.0
    log_ratio = log_height + np.log(room) - np.log(error)
    if not np.isfinite(log_ratio) or log_ratio < 0:
        return float("inf")
    inside = error * (1 + abs(log_height) + log_ratio)
    if error > 0.5 * (2 * np.pi * max(second_moment, 1e-300)) ** (1 / 3):
        return float("inf")
    spread = -1.5 * np.log(error) + 0.5 * np.log(2 * np.pi * np.e * max(second_moment, error))
    outside = error * max(spread, max(log_height, 0.0))
    return float((inside + outside) * (1 + 1e-12))


def bounded_error(error: float, mass_defect: float) -> float:
    """Return a bound of |E_p f - E_q f| for 0 <= f <= 1 at L1 distance ``error``."""
    return 0.5 * (error + mass_defect) * (1 + 1e-15)
