r"""The drift of a standard process at nodes of a moving frame, for many times at once.

With x = m + s y, :math:`L_k = \log P_k/P_y` is a quadratic polynomial in y and the rest of the
drift is affine: one exponential per node and component is left. Tests hold this against
``process.drift``, the definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics
from fokker_planck.model.field import is_standard

Array = NDArray[np.float64]


def frame_velocity(
    process: Any,
    taus: Array,
    frame: tuple[Array, Array, Array, Array],
    y: Array,
    scale: Array | float = 1.0,
) -> Array:
    r"""Return :math:`\beta = (b - \dot m - \dot s y)/s` of a standard process, shape (m, n).

    Parameters
    ----------
    process : ReverseProcess
        One-dimensional, for which :func:`has_formula` holds.
    taus : ndarray, shape (m,)
    frame : tuple of ndarray, shape (m,)
        m, s, dm/dtau, d(log s)/dtau at these times.
    y : ndarray, shape (n,)
    scale : ndarray, shape (m,), optional
        Factor of the result at every time.
    """
    m, s, dm, stretch = frame
    posterior, schedule = process.posterior, process.schedule
    t = process.forward_time(taus)
    r, variance = posterior.moments(t)
    f = np.asarray(schedule.drift_rate(t))
    c = (1 + process.noise_level**2) * np.asarray(schedule.diffusivity(t))
    gain = scale * c * np.asarray(process.guidance.strength(t)) / s
    powers = np.stack([np.ones_like(y), y, y * y])
    # the affine part
    here = (c * (r * posterior.mean - m) / variance - f * m - dm) / s
    out = _polynomial(powers, scale * here, scale * (-f - c / variance - stretch))
    if posterior.others.size == 0 or not np.any(gain):
        return out
    # around x = m: log P_y/P_k = -L_k(m) + d_k(m) (x - m) + d_k' (x - m)^2 / 2
    levels = posterior.log_ratios(m, t)[posterior.others]
    parts = []
    for level, mu, sigma2 in zip(
        levels, posterior.other_means, posterior.other_variances, strict=True
    ):
        if sigma2 == posterior.data_variance:
            d = r * (posterior.mean - mu) / variance
            ratio, pull = _polynomial(powers, level, d * s), (gain * d)[:, None]
        else:
            own = r * r * sigma2 + schedule.variance(t)
            bend = (variance - own) / (variance * own) * s
            d = (m - r * mu) / own - (m - r * posterior.mean) / variance
            ratio = _polynomial(powers, level, d * s, 0.5 * bend * s)
            pull = _polynomial(powers, gain * d, gain * bend)
        parts.append((ratio, pull))
    if len(parts) == 1:
        # pull / (1 + P_y/P_k); 1 / inf is the right limit
        ratio, pull = parts[0]
        np.exp(ratio, ratio)
        ratio += 1
        out += np.divide(pull, ratio, ratio)
        return out
    least = np.minimum(np.minimum.reduce([ratio for ratio, _ in parts]), 0.0)
    total, sums = np.exp(least), np.zeros_like(least)
    for ratio, pull in parts:
        weight = np.exp(np.subtract(least, ratio, ratio), ratio)
        total += weight
        weight *= pull
        sums += weight
    sums /= total
    out += sums
    return out


def _polynomial(powers: Array, *coefficients: Array) -> Array:
    """Return polynomials in y, shape (m, n), from their coefficients of shape (m,)."""
    return np.asarray(np.stack(coefficients, axis=1) @ powers[: len(coefficients)])


def has_formula(process: Dynamics) -> bool:
    """Whether :func:`frame_velocity` knows the drift."""
    return is_standard(process)
