"""Peer: scipy's solve_ivp as a method of lines, central stencils of order 8, zeros outside.

    d_tau p = -D1 (b p) + D D2 p,   D1 and D2 with nine points per axis.

1-D: LSODA or Radau with the banded Jacobian given, or DOP853. 2-D: DOP853, stencils applied by
``scipy.ndimage.correlate1d`` (the fastest of slices, sparse matrices and this).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.ndimage import correlate1d
from scipy.sparse import csc_matrix, dia_matrix

from benchmarks.cases import HORIZON, Array, Case, cells

FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
SECOND = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])
REACH = 4


def line_rhs(case: Case, x: Array) -> Callable[[float, Array], Array]:
    """Return the right-hand side in one dimension."""
    h = x[1] - x[0]
    # convolution turns the stencil round, so the odd one changes its sign
    first, second = FIRST / h, case.noise * SECOND / h**2

    def rhs(tau: float, p: Array) -> Array:
        rate = np.convolve(case.drift([x], tau)[0] * p, first, mode="same")
        return rate + np.convolve(p, second, mode="same") if case.noise else rate

    return rhs


def banded_jacobian(case: Case, x: Array) -> Callable[[float, Array], Array]:
    """Return the Jacobian as LSODA wants it: row i - j + 4 of column j holds entry (i, j)."""
    h = x[1] - x[0]
    # entry (i, j) belongs to the stencil's offset j - i, so rows run through the stencil backwards
    second = (case.noise * SECOND / h**2)[::-1, None]
    first = (-FIRST / h)[::-1, None]

    def jacobian(tau: float, p: Array) -> Array:
        return first * case.drift([x], tau)[0] + second

    return jacobian


def sparse_jacobian(case: Case, x: Array) -> Callable[[float, Array], csc_matrix]:
    """Return the Jacobian as a sparse matrix, for Radau and BDF."""
    banded = banded_jacobian(case, x)
    n = x.size
    # row k of the banded form lies on diagonal 4 - k, and is indexed by column: dia_matrix as is
    offsets = REACH - np.arange(2 * REACH + 1)

    def jacobian(tau: float, p: Array) -> csc_matrix:
        return dia_matrix((banded(tau, p), offsets), shape=(n, n)).tocsc()

    return jacobian


def plane_rhs(case: Case, axes: list[Array]) -> Callable[[float, Array], Array]:
    """Return the right-hand side in two dimensions, on flattened arrays."""
    shape = tuple(x.size for x in axes)
    steps = [x[1] - x[0] for x in axes]
    first = [-FIRST / h for h in steps]
    second = [case.noise * SECOND / h**2 for h in steps]

    def rhs(tau: float, flat: Array) -> Array:
        p = flat.reshape(shape)
        rate = np.zeros(shape)
        for i, b in enumerate(case.drift(axes, tau)):
            rate += correlate1d(b * p, first[i], axis=i, mode="constant")
            if case.noise:
                rate += correlate1d(p, second[i], axis=i, mode="constant")
        return rate.ravel()

    return rhs


def prepare(case: Case, step: float, method: str, rtol: float) -> Callable[[], tuple[float, float]]:
    """Return a run at cell width ``step``: it gives entropy and posterior mass."""
    axes = cells(case.wide_box, step)
    start = case.start(axes).ravel()
    options: dict[str, Any] = {"method": method, "rtol": rtol, "atol": 0.1 * rtol}
    rhs = line_rhs(case, axes[0]) if case.dimension == 1 else plane_rhs(case, axes)
    if method == "LSODA":
        options |= {
            "jac": banded_jacobian(case, axes[0]),
            "lband": REACH,
            "uband": REACH,
        }
    elif method in ("Radau", "BDF"):
        options["jac"] = sparse_jacobian(case, axes[0])

    def run() -> tuple[float, float]:
        solution = solve_ivp(rhs, (0.0, HORIZON), start, t_eval=[HORIZON], **options)
        density = solution.y[:, -1].reshape([x.size for x in axes])
        return case.functionals(axes, density)

    return run
