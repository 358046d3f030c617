"""Discretisation error of an observable on single paths, from resolutions of one Brownian path."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TINY = float(np.finfo(float).tiny)


def change_scale(fine: Array, coarse: Array) -> Array:
    """Return the scale S of the discretisation error, shape (m, n): nodes by paths.

    The larger of what halving the steps changed on this path so far and of the root mean square
    of that change over all paths at this node: the change on one path at one node can vanish by
    accident.
    """
    change = np.abs(fine - coarse)
    return np.maximum(np.maximum.accumulate(change, axis=0), typical_change(fine, coarse))


def typical_change(fine: Array, coarse: Array) -> Array:
    """Return the root mean square change over paths at every node, shape (m, 1)."""
    return np.asarray(np.sqrt(np.mean((fine - coarse) ** 2, axis=1, keepdims=True)))


def error_factor(value: Array, unit: Array, resolved: Array, depth: int) -> float:
    """Return kappa >= 1: the largest true error found, in units of the scale.

    Parameters
    ----------
    value, unit : ndarray, shape (m, n)
        The observable and the scale of its error.
    resolved : ndarray, shape (m, n)
        The observable at ``depth`` times as many steps of the same Brownian paths, which at
        strong order one is itself off by 1/depth of the error; that is added.
    depth : int
        Above 1.
    """
    error = np.abs(value - resolved)
    ratio = float(np.max(error / np.maximum(unit, TINY), initial=0.0))
    return max(ratio * depth / (depth - 1), 1.0)
