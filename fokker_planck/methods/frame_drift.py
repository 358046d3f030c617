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
    process: Any, taus: Array, frame: tuple[Array, Array, Array, Array], y: Array
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
    """
    m, s, dm, stretch = frame
    posterior, schedule = process.posterior, process.schedule
    t = process.forward_time(taus)
    r, variance = posterior.moments(t)
    f = np.asarray(schedule.drift_rate(t))
    c = (1 + process.noise_level**2) * np.asarray(schedule.diffusivity(t))
    gain = c * np.asarray(process.guidance.strength(t)) / s
    # the affine part
    here = -f * m + c * (r * posterior.mean - m) / variance - dm
    out = np.multiply.outer(-f - c / variance - stretch, y)
    out += (here / s)[:, None]
    if posterior.others.size == 0 or not np.any(gain):
        return out
    # around x = m: L_k = L_k(m) - d_k(m) (x - m) - d_k' (x - m)^2 / 2
    levels = -posterior.log_ratios(m, t)[posterior.others]
    parts = []
    for level, mu, sigma2 in zip(
        levels, posterior.other_means, posterior.other_variances, strict=True
    ):
        own = r * r * sigma2 + schedule.variance(t)
        if sigma2 == posterior.data_variance:
            d, bend = r * (posterior.mean - mu) / variance, None
        else:
            bend = (variance - own) / (variance * own)
            d = (m - r * mu) / own - (m - r * posterior.mean) / variance
        exponent = np.multiply.outer(-d * s, y)
        if bend is not None:
            exponent -= np.multiply.outer(0.5 * bend * s * s, y * y)
        exponent += level[:, None]
        parts.append((exponent, d, bend))
    if len(parts) == 1:
        exponent, d, bend = parts[0]
        np.negative(exponent, exponent)
        # 1 / (1 + inf) is the right limit
        np.exp(exponent, exponent)
        exponent += 1
        share = np.divide((gain * d)[:, None], exponent, None if bend is not None else exponent)
        out += share
        if bend is not None:
            out += np.multiply.outer(gain * bend * s, y) / exponent
        return out
    top = np.maximum(np.maximum.reduce([exponent for exponent, _, _ in parts]), 0.0)
    total, pull = np.exp(-top), np.zeros_like(top)
    for exponent, d, bend in parts:
        weight = np.exp(np.subtract(exponent, top, exponent), exponent)
        total += weight
        slope = d[:, None] if bend is None else d[:, None] + np.multiply.outer(bend * s, y)
        pull += weight * slope
    pull /= total
    pull *= gain[:, None]
    out += pull
    return out


def has_formula(process: Dynamics) -> bool:
    """Whether :func:`frame_velocity` knows the drift."""
    return is_standard(process)
