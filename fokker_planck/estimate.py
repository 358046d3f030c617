"""The one type for a number with an error bar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Kind = Literal["bound", "residual", "refinement", "interval"]
KINDS: tuple[Kind, ...] = ("bound", "residual", "refinement", "interval")


def weakest(*kinds: Kind) -> Kind:
    """Return the weakest of several kinds: what a combined error may still be called."""
    return max(kinds, key=KINDS.index)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number, or an array of numbers, with a half-width that should contain the truth.

    Parameters
    ----------
    value : array_like, shape (...)
        The estimate (dimensionless).
    error : array_like, shape (...)
        Half-width: the truth lies in ``[value - error, value + error]``. An error that is not
        known is ``inf``; ``nan`` is turned into ``inf``.
    kind : {"bound", "residual", "refinement", "interval"}
        What the error is worth: certified, certified up to an unenclosed quadrature, from two
        resolutions or two methods, or statistical.
    confidence : float, optional
        Coverage of a statistical interval; None for the other kinds.

    Raises
    ------
    ValueError
        If ``kind`` is unknown or an error is negative.
    """

    value: Any
    error: Any
    kind: Kind = "refinement"
    confidence: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        value = np.asarray(self.value, dtype=float)
        error = np.asarray(self.error, dtype=float)
        if error.shape not in ((), value.shape):
            raise ValueError(f"error must have shape {value.shape}, got {error.shape}")
        error = np.broadcast_to(error, value.shape)
        error = np.where(np.isnan(error) | np.isnan(value), np.inf, error)
        if np.any(error < 0):
            raise ValueError(f"error must be nonnegative, got {float(error.min())!r}")
        for name, array in (("value", value), ("error", error)):
            array = array.copy()
            array.flags.writeable = False
            object.__setattr__(self, name, float(array) if array.ndim == 0 else array)

    # -- shape -------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Estimate:
        return Estimate(
            np.asarray(self.value)[index],
            np.asarray(self.error)[index],
            self.kind,
            self.confidence,
        )

    def __iter__(self) -> Iterator[Estimate]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        return float(self.value)

    # -- the interval ------------------------------------------------------------------------
    @property
    def lower(self) -> Any:
        """Lower end of the interval."""
        return self.value - self.error

    @property
    def upper(self) -> Any:
        """Upper end of the interval."""
        return self.value + self.error

    def contains(self, truth: ArrayLike) -> NDArray[np.bool_] | bool:
        """Whether ``|value - truth| <= error``, entry by entry."""
        inside = np.abs(np.asarray(self.value) - np.asarray(truth, dtype=float)) <= self.error
        return bool(inside) if np.ndim(inside) == 0 else inside

    def agrees(self, other: Estimate) -> NDArray[np.bool_] | bool:
        """Whether two estimates of one number are compatible: ``|a - b| <= e_a + e_b``."""
        return (self - other).contains(0.0)

    # -- arithmetic: errors add, the kind is the weakest, missed coverages add -----------------
    def _joined(self, other: Estimate) -> float | None:
        missed = [1 - c for c in (self.confidence, other.confidence) if c is not None]
        return max(0.0, 1 - sum(missed)) if missed else None

    def __add__(self, other: Estimate | float) -> Estimate:
        if isinstance(other, Estimate):
            return Estimate(
                self.value + other.value,
                self.error + other.error,
                weakest(self.kind, other.kind),
                self._joined(other),
            )
        return Estimate(self.value + other, self.error, self.kind, self.confidence)

    __radd__ = __add__

    def __neg__(self) -> Estimate:
        return Estimate(-self.value, self.error, self.kind, self.confidence)

    def __sub__(self, other: Estimate | float) -> Estimate:
        return self + (-other)

    def __rsub__(self, other: float) -> Estimate:
        return (-self) + other

    def __mul__(self, factor: float) -> Estimate:
        return Estimate(self.value * factor, self.error * abs(factor), self.kind, self.confidence)

    __rmul__ = __mul__

    # -- output ------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Return ``{"value":, "error":, "kind":}`` (and ``"confidence"``) for JSON records."""
        value, error = np.asarray(self.value), np.asarray(self.error)
        out: dict[str, Any] = {
            "value": value.tolist(),
            "error": error.tolist(),
            "kind": self.kind,
        }
        if self.confidence is not None:
            out["confidence"] = self.confidence
        return out

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Estimate:
        """Rebuild an estimate from :meth:`to_dict`; ``None`` reads as an unknown number."""

        def numbers(x: Any, missing: float) -> Any:
            if isinstance(x, list):
                return [numbers(item, missing) for item in x]
            return missing if x is None else x

        return cls(
            numbers(data["value"], np.nan),
            numbers(data["error"], np.inf),
            data.get("kind", "refinement"),
            data.get("confidence"),
        )

    def __str__(self) -> str:
        if np.ndim(self.value):
            return "[" + ", ".join(str(item) for item in self) + "]"
        if not np.isfinite(self.error):
            return f"{self.value:.6g} ± unknown"
        return f"{self.value:.12g} ± {self.error:.1e}"
