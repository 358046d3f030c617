"""Guidance rules: how strongly the posterior's gradient is added, at each noise level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from fokker_planck.model.checks import real_number


@runtime_checkable
class GuidanceRule(Protocol):
    """The strength eta >= 0 of guidance as a function of forward time."""

    name: str

    def strength(self, t: ArrayLike) -> Any:
        """Return eta(t), an array of the shape of ``t``."""

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the rule."""


@dataclass(frozen=True)
class ConstantStrength:
    """One strength eta at every noise level; the scale is gamma = 1 + eta.

    Raises
    ------
    ValueError
        If ``value`` is negative or not finite.
    """

    value: float
    name = "constant"

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "value", real_number("strength", self.value, minimum=0.0, maximum=1e6)
        )

    def strength(self, t: ArrayLike) -> Any:
        """Return eta, an array of the shape of ``t``."""
        return np.full_like(np.asarray(t, dtype=float), self.value)

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the rule."""
        return {"name": self.name, "strength": self.value}
