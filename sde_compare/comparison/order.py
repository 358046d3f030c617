r"""Orders of two states: coordinates, a cone :math:`W(y - x) \ge 0`, or a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import ReverseProcess
from fokker_planck.model.checks import real_array, shown
from sde_compare.comparison.linear import Matrix, identity, parallel
from sde_compare.comparison.system import used
from sde_compare.observables import share_classifier
from sde_compare.regions import Expr, Function, derivative
from sde_compare.symbolic import isotropic, mean, rivals, single

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Order:
    """When a state y counts as above x.

    Attributes
    ----------
    kind : {"coordinates", "cone", "log-ratios", "function"}
    rows : list of list of Fraction
        W, one vector per row; empty for a function.
    labels : tuple of str
        What every row measures.
    function : Expr or None
    """

    kind: str
    rows: Matrix
    labels: tuple[str, ...]
    function: Expr | None = None

    def __str__(self) -> str:
        return ", ".join(self.labels)

    def gap(self, names: tuple[str, ...], time: str) -> Any:
        """Return ``gap(x, y, tau)``: the least of the rows of W (y - x), rows of length one."""
        if self.function is not None:
            f = Function(self.function)

            def value(x: Array, tau: float) -> Array:
                x = np.asarray(x, dtype=float)
                columns = [x] if len(names) == 1 else [x[..., i] for i in range(len(names))]
                at: dict[str, Any] = {**dict(zip(names, columns, strict=True)), time: tau}
                return np.asarray(f(**{n: at[n] for n in f.variables}))

            return lambda x, y, tau: value(y, tau) - value(x, tau)
        w = np.array([[float(a) for a in row] for row in self.rows])
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        if w.shape[1] == 1:
            return lambda x, y, tau: w[0, 0] * (y - x)
        return lambda x, y, tau: ((y - x) @ w.T).min(axis=-1)


def ratio_rows(process: ReverseProcess) -> dict[int, list[Fraction]]:
    """Return the vectors v_k = mu_y - mu_k of the rivals k."""
    y = single(process)
    assert y is not None
    own = mean(process, y)
    rows = {k: [a - b for a, b in zip(own, mean(process, k), strict=True)] for k in rivals(process)}
    return {k: v for k, v in rows.items() if any(v)}


def _log_ratios(lower: Any, upper: Any) -> Order:
    if not share_classifier(lower, upper):
        raise ValueError(
            "order 'log-ratios' needs two reverse processes of one mixture, target and schedule, "
            f"got {shown(lower)}"
        )
    if lower.noise_level != upper.noise_level:
        raise ValueError(
            "noise_level must be the same for both in order 'log-ratios', "
            f"got {lower.noise_level:g} and {upper.noise_level:g}"
        )
    if single(lower) is None or not isotropic(lower):
        raise ValueError(
            "order 'log-ratios' needs a target of one component and a common isotropic covariance, "
            f"got {shown(lower.mixture)}"
        )
    rows: Matrix = []
    labels = []
    for k, v in ratio_rows(lower).items():
        # a positive multiple of a row says the same
        if not any(parallel(v, row) for row in rows):
            rows.append(v)
            labels.append(f"log P({lower.target})/P({k})")
    if not rows:
        raise ValueError(f"mixture must have a rival with another mean, got {shown(lower.mixture)}")
    return Order("log-ratios", rows, tuple(labels))


def make_order(order: Any, lower: Any, upper: Any, names: tuple[str, ...], time: str) -> Order:
    """Return the order that a user asks for.

    Parameters
    ----------
    order : None, str, int, Expr, or array_like of shape (m, d)
        None: all coordinates; "componentwise"; the name or number of a coordinate; "log-ratios";
        a function of the state; the rows of a cone.

    Raises
    ------
    ValueError
        If it is none of these, naming it.
    """
    d = len(names)
    if order is None or (isinstance(order, str) and order == "componentwise"):
        return Order("coordinates", identity(d), names)
    if isinstance(order, str) and order == "log-ratios":
        return _log_ratios(lower, upper)
    if isinstance(order, str) and order in names:
        order = names.index(order)
    if isinstance(order, int) and not isinstance(order, bool) and 0 <= order < d:
        return Order("coordinates", [identity(d)[order]], (names[order],))
    if isinstance(order, Expr):
        return _function(order, names, time)
    if isinstance(order, (str, int)) or order is None:
        raise ValueError(
            f"order must be componentwise, log-ratios, a coordinate of {names}, a function or "
            f"vectors, got {shown(order)}"
        )
    w = _exact_rows(order)
    if not w or any(len(row) != d or not any(row) for row in w):
        raise ValueError(f"order must be nonzero vectors of length {d}, got {shown(order)}")
    return Order("cone", w, tuple(_row_text(row, names) for row in w))


def _exact_rows(order: Any) -> Matrix:
    """Return vectors as fractions; Fractions and text such as "1/3" stay what they are."""
    if isinstance(order, Sequence) and all(isinstance(row, Sequence) for row in order):
        try:
            return [[Fraction(a) for a in row] for row in order]
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            raise ValueError(f"order must be vectors of numbers, got {shown(order)}") from None
    found = np.atleast_2d(real_array("order", order))
    if found.ndim != 2:
        raise ValueError(f"order must have shape (m, d), got {found.shape}")
    return [[Fraction(float(a)) for a in row] for row in found]


def _row_text(row: Sequence[Fraction], names: tuple[str, ...]) -> str:
    parts = [
        n if a == 1 else f"-{n}" if a == -1 else f"{float(a):g} {n}"
        for a, n in zip(row, names, strict=True)
        if a
    ]
    return " + ".join(parts).replace("+ -", "- ")


def _function(f: Expr, names: tuple[str, ...], time: str) -> Order:
    """Return the order by a function; a linear one is a cone of one row."""
    if extra := used(f) - {*names, time}:
        raise ValueError(f"order must depend on {(*names, time)}, got {sorted(extra)[0]!r}")
    slopes = [derivative(f, n) for n in names]
    if all(s.rule == "const" for s in slopes) and any(s.value for s in slopes):
        row = [Fraction(s.value) for s in slopes]
        return Order("cone", [row], (_row_text(row, names),))
    return Order("function", [], (Function(f).text(),), f)
