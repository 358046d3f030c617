"""Noise schedules of the linear forward process dX = f(t) X dt + g(t) dB."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from fokker_planck.model.checks import one_of


@runtime_checkable
class Schedule(Protocol):
    r"""A linear forward process :math:`dX = f(t) X\,dt + g(t)\,dB`, data at t = 0.

    Given the data point x_0, X_t is Gaussian with mean ``signal(t) * x_0`` and covariance
    ``variance(t) * I``. All methods take and return arrays of one shape.
    """

    name: str

    def signal(self, t: ArrayLike) -> Any:
        """Return r(t), the factor that the data has shrunk by."""

    def variance(self, t: ArrayLike) -> Any:
        """Return v(t), the variance of the noise added so far."""

    def drift_rate(self, t: ArrayLike) -> Any:
        """Return f(t)."""

    def diffusivity(self, t: ArrayLike) -> Any:
        """Return g(t)^2 / 2."""

    def stationary_variance(self, horizon: float) -> float:
        """Return the variance of the Gaussian from which the reverse process starts."""

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the schedule."""


class OrnsteinUhlenbeck:
    r"""The forward process :math:`dX = -X\,dt + \sqrt2\,dB`: r = e^{-t}, v = 1 - e^{-2t}."""

    name = "ou"

    def signal(self, t: ArrayLike) -> Any:
        """Return r = e^{-t}."""
        return np.exp(-np.asarray(t, dtype=float))

    def variance(self, t: ArrayLike) -> Any:
        """Return 1 - e^{-2t}, without cancellation at small t."""
        return -np.expm1(-2 * np.asarray(t, dtype=float))

    def drift_rate(self, t: ArrayLike) -> Any:
        """Return -1."""
        return -np.ones_like(np.asarray(t, dtype=float))

    def diffusivity(self, t: ArrayLike) -> Any:
        """Return 1."""
        return np.ones_like(np.asarray(t, dtype=float))

    def stationary_variance(self, horizon: float) -> float:
        """Return 1."""
        return 1.0

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the schedule."""
        return {"name": self.name}

    def __repr__(self) -> str:
        return "OrnsteinUhlenbeck()"


SCHEDULES: dict[str, type[OrnsteinUhlenbeck]] = {"ou": OrnsteinUhlenbeck}


def schedule_named(name: str) -> Schedule:
    """Return the schedule of that name.

    Raises
    ------
    ValueError
        If there is none.
    """
    return SCHEDULES[one_of("schedule", name, tuple(SCHEDULES))]()
