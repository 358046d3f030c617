"""Certified functionals of a 1-D solution: its own values, with errors from the L1 distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.estimate import Estimate, Kind
from fokker_planck.residual.eulerian import Interpolant
from fokker_planck.residual.functionals import Slice, entropy, posterior_mass
from fokker_planck.residual.moments import Reach
from fokker_planck.residual.transfer import bounded_error, entropy_error

Array = NDArray[np.float64]


def line_estimates(
    values: dict[str, Array], interpolant: Interpolant, indices: list[int], l1: Array, reach: Reach
) -> dict[str, Estimate]:
    """Return Estimates of the given values at output times.

    Parameters
    ----------
    values : dict of str to ndarray, shape (m,)
        What the solution says: mass, mean, covariance, entropy, and the posterior's masses.
    interpolant : Interpolant
    indices : list of int
        The output times as indices of the interpolant's run.
    l1 : ndarray, shape (m,)
        L1 distance of the interpolant to the true law.
    reach : Reach
        Bounds of moments and height at the output times.
    """
    kind: Kind = "bound" if interpolant.certificate.enclosed else "residual"
    errors: dict[str, list[float]] = {name: [] for name in values}
    for i, k in enumerate(indices):
        found = _errors({name: float(v[i]) for name, v in values.items()}, interpolant, k,
                        float(l1[i]), reach, i)  # fmt: skip
        for name, error in found.items():
            errors[name].append(error)
    return {
        name: Estimate(value, np.array(errors[name]), kind)
        for name, value in values.items()
        if errors[name]
    }


def _errors(
    values: dict[str, float], interpolant: Interpolant, k: int, eps: float, reach: Reach, i: int
) -> dict[str, float]:
    part = Slice.of(interpolant, k)
    mass = part.moment(0)
    defect = abs(1 - float(mass.mid)) + float(mass.rad)
    out = {"mass": eps + _gap(values["mass"], mass)}
    h = entropy(part)
    log_height = max(float(reach.log_height[i]), float(np.log(part.largest().max() / part.half)))
    distance = entropy_error(eps + h.moved, log_height, 2 * part.half, reach.second_moment(i))
    out["entropy"] = distance + h.error + abs(values["entropy"] - h.value)
    least = abs(part.centre) + part.half
    if np.isfinite(reach.spread[i] * reach.log_moment[i]):
        out["mean"] = reach.cut(i, eps, 1, least) + _gap(values["mean"], part.moment(1))
        square = part.moment(2, values["mean"])
        spread = 2 * reach.cut(i, eps, 2, least) + 2 * values["mean"] ** 2 * eps
        out["covariance"] = spread + out["mean"] ** 2 + _gap(values["covariance"], square)
    if "posterior_mass" in values:
        p = posterior_mass(interpolant, k)
        error = bounded_error(eps, defect)
        out["posterior_mass"] = error + _gap(values["posterior_mass"], p)
        out["complement_mass"] = error + _gap(values["complement_mass"], mass - p)
    return out


def _gap(value: float, ball: Any) -> float:
    return abs(value - float(ball.mid)) + float(ball.rad)
