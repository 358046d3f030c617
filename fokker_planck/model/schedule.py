"""Noise schedules of the linear forward process dX = f(t) X dt + g(t) dB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from fokker_planck.model.checks import one_of, real_number

#: horizons of a schedule that does not say: the usual one, and the longest
HORIZON, LONGEST = 5.0, 300.0
#: the signal may not shrink below e to minus this
LEAST_LOG_SIGNAL = 300.0


@runtime_checkable
class Schedule(Protocol):
    r"""A linear forward process :math:`dX = f(t) X\,dt + g(t)\,dB`, data at t = 0.

    Given the data point x_0, X_t is Gaussian with mean ``signal(t) * x_0`` and covariance
    ``variance(t) * I``. All methods take and return arrays of one shape.

    Attributes that a schedule may have besides: ``default_horizon`` and ``longest_horizon``, and
    ``score_weight(t, s)``, the integral of (r_s / r) D over [s, t] in closed form.
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
    default_horizon, longest_horizon = HORIZON, LONGEST

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


class VariancePreserving:
    r"""What schedules with r^2 + v = 1 share: g^2 = -2 f, since (r^2 + v)' = 2 f + g^2."""

    name: str

    def drift_rate(self, t: ArrayLike) -> Any:
        """Return f(t) = (log r)'."""
        raise NotImplementedError

    def signal(self, t: ArrayLike) -> Any:
        """Return r(t)."""
        raise NotImplementedError

    def diffusivity(self, t: ArrayLike) -> Any:
        """Return g^2 / 2 = -f."""
        return -self.drift_rate(t)

    def score_weight(self, t: ArrayLike, s: ArrayLike) -> Any:
        """Return the integral of (r_s / r) D over [s, t], which is r_s / r_t - 1."""
        return self.signal(s) / self.signal(t) - 1

    def stationary_variance(self, horizon: float) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class LinearVP(VariancePreserving):
    r"""Variance preserving with a linear rate: :math:`f = -\beta/2`, :math:`g^2 = \beta`.

    .. math:: \beta(t) = \beta_{min} + (\beta_{max} - \beta_{min})\,t/S, \qquad
              \log r = -\tfrac12 \int_0^t \beta, \qquad v = 1 - r^2, \qquad 0 \le t \le S.

    Parameters
    ----------
    beta_min, beta_max : float
        Rate at t = 0 and at the end of the span; 0 <= beta_min <= beta_max.
    span : float
        S, the default and longest horizon.

    Raises
    ------
    ValueError
        If a field is out of range, or the signal at the end would underflow.

    Notes
    -----
    Source: docs/theory.md, section 2; Ho et al. and Song et al. in continuous time.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    span: float = 1.0
    name = "linear-vp"

    def __post_init__(self) -> None:
        low = real_number("beta_min", self.beta_min, minimum=0.0)
        high = real_number("beta_max", self.beta_max, minimum=low)
        span = real_number("span", self.span, minimum=0.0, strict=True)
        if high == 0:
            raise ValueError(f"beta_max must be > 0, got {self.beta_max!r}")
        if 0.25 * (low + high) * span > LEAST_LOG_SIGNAL:
            raise ValueError(
                f"beta_max must leave a signal above e^-{LEAST_LOG_SIGNAL:g}, got {high:g}"
            )
        for field, value in (("beta_min", low), ("beta_max", high), ("span", span)):
            object.__setattr__(self, field, value)

    @property
    def default_horizon(self) -> float:
        """The span."""
        return self.span

    @property
    def longest_horizon(self) -> float:
        """The span."""
        return self.span

    def _rate(self, t: ArrayLike) -> Any:
        slope = (self.beta_max - self.beta_min) / self.span
        return self.beta_min + slope * np.asarray(t, dtype=float)

    def _spent(self, t: ArrayLike) -> Any:
        """Return the integral of the rate: a sum of positive terms."""
        t = np.asarray(t, dtype=float)
        return t * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) / self.span * t)

    def signal(self, t: ArrayLike) -> Any:
        """Return r = exp(-1/2 int beta)."""
        return np.exp(-0.5 * self._spent(t))

    def variance(self, t: ArrayLike) -> Any:
        """Return 1 - r^2, without cancellation at small t."""
        return -np.expm1(-self._spent(t))

    def drift_rate(self, t: ArrayLike) -> Any:
        """Return -beta / 2."""
        return -0.5 * self._rate(t)

    def score_weight(self, t: ArrayLike, s: ArrayLike) -> Any:
        """Return r_s / r_t - 1, the integral of (r_s / r) D over [s, t]."""
        return np.expm1(0.5 * (self._spent(t) - self._spent(s)))

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the schedule."""
        fields = {"beta_min": self.beta_min, "beta_max": self.beta_max, "span": self.span}
        return {"name": self.name, **fields}


@dataclass(frozen=True)
class Cosine(VariancePreserving):
    r"""The cosine schedule: variance preserving with :math:`r = \cos\theta / \cos\theta_0`.

    .. math:: \theta(t) = \frac{\pi}{2}\,\frac{t + s}{1 + s}, \qquad
              f = -\theta' \tan\theta, \qquad
              v = \frac{\sin(\theta - \theta_0) \sin(\theta + \theta_0)}{\cos^2\theta_0} .

    Parameters
    ----------
    offset : float
        s > 0, at most 1. The signal vanishes at t = 1, so that the horizon stays below.

    Raises
    ------
    ValueError
        If the offset is out of range.

    Notes
    -----
    The two sines are v = 1 - r^2 without cancellation. Source: Nichol and Dhariwal,
    arXiv 2102.09672, in continuous time; docs/theory.md, section 2.
    """

    offset: float = 0.008
    name = "cosine"
    default_horizon = 0.99
    longest_horizon = 0.9999

    def __post_init__(self) -> None:
        offset = real_number("offset", self.offset, minimum=0.0, maximum=1.0)
        object.__setattr__(self, "offset", offset)

    @property
    def _speed(self) -> float:
        return float(0.5 * np.pi / (1 + self.offset))

    def signal(self, t: ArrayLike) -> Any:
        """Return r: the sine of the angle that is left, over its value at the start."""
        left = self._speed * (1 - np.asarray(t, dtype=float))
        return np.sin(left) / np.sin(self._speed)

    def variance(self, t: ArrayLike) -> Any:
        """Return 1 - r^2, without cancellation at small t."""
        t = np.asarray(t, dtype=float)
        product = np.sin(self._speed * t) * np.sin(self._speed * (t + 2 * self.offset))
        return product / np.sin(self._speed) ** 2

    def drift_rate(self, t: ArrayLike) -> Any:
        """Return -theta' tan(theta), the tangent as a cotangent of the angle that is left."""
        return -self._speed / np.tan(self._speed * (1 - np.asarray(t, dtype=float)))

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the schedule."""
        return {"name": self.name, "offset": self.offset}


@dataclass(frozen=True)
class VarianceExploding:
    r"""The forward process :math:`dX = \sqrt{\rho}\,dB`: r = 1, v = rho t.

    Parameters
    ----------
    rate : float
        rho > 0, the variance added per unit of time.

    Raises
    ------
    ValueError
        If the rate is not positive.

    Notes
    -----
    There is no stationary law: the reverse process starts from N(0, v(T)) unless told otherwise.
    """

    rate: float = 1.0
    name = "ve"
    default_horizon = HORIZON
    longest_horizon = 1e6

    def __post_init__(self) -> None:
        rate = real_number("rate", self.rate, minimum=1e-12, maximum=1e6)
        object.__setattr__(self, "rate", rate)

    def signal(self, t: ArrayLike) -> Any:
        """Return 1."""
        return np.ones_like(np.asarray(t, dtype=float))

    def variance(self, t: ArrayLike) -> Any:
        """Return rho t."""
        return self.rate * np.asarray(t, dtype=float)

    def drift_rate(self, t: ArrayLike) -> Any:
        """Return 0."""
        return np.zeros_like(np.asarray(t, dtype=float))

    def diffusivity(self, t: ArrayLike) -> Any:
        """Return rho / 2."""
        return np.full_like(np.asarray(t, dtype=float), 0.5 * self.rate)

    def score_weight(self, t: ArrayLike, s: ArrayLike) -> Any:
        """Return the integral of D over [s, t]."""
        return 0.5 * self.rate * (np.asarray(t, dtype=float) - np.asarray(s, dtype=float))

    def stationary_variance(self, horizon: float) -> float:
        """Return v(T), as there is no stationary law."""
        return self.rate * horizon

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the schedule."""
        return {"name": self.name, "rate": self.rate}


SCHEDULES: dict[str, type[Any]] = {
    "ou": OrnsteinUhlenbeck,
    "linear-vp": LinearVP,
    "cosine": Cosine,
    "ve": VarianceExploding,
}


def schedule_named(name: str, **parameters: float) -> Schedule:
    """Return the schedule of that name: ou, linear-vp, cosine or ve.

    ``parameters`` are those of its class, with their defaults.

    Raises
    ------
    ValueError
        If there is none, or a parameter is out of range.
    """
    schedule: Schedule = SCHEDULES[one_of("schedule", name, tuple(SCHEDULES))](**parameters)
    return schedule


def horizon_limits(schedule: Schedule) -> tuple[float, float]:
    """Return the default and the longest horizon of a schedule."""
    longest = float(getattr(schedule, "longest_horizon", LONGEST))
    return float(getattr(schedule, "default_horizon", min(HORIZON, longest))), longest
