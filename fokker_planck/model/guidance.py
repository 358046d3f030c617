"""Guidance rules: how much of the posterior's gradient is added, at each noise level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import real_array, real_number, shown
from fokker_planck.model.schedule import Schedule, horizon_limits

Array = NDArray[np.float64]
STRONGEST = 1e6
#: times this close to an end of an interval, relative to it, count as that end
AT_THE_END = 1e-12


@runtime_checkable
class GuidanceRule(Protocol):
    r"""The strength eta >= 0 of guidance as a function of forward time.

    Attributes that a rule may have besides: ``power`` q, for the nonlinear rule that adds
    :math:`\eta |G|^q G` with :math:`G = \nabla\log P` (0 where absent); ``breaks``, the forward
    times where eta jumps; and then ``piece(low, high)``, the rule that agrees with it between two
    neighbouring jumps and is smooth up to both.
    """

    name: str

    def strength(self, t: ArrayLike) -> Any:
        """Return eta(t), an array of the shape of ``t``."""

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the rule."""


def _strength(value: Any) -> float:
    return real_number("strength", value, minimum=0.0, maximum=STRONGEST)


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
        object.__setattr__(self, "value", _strength(self.value))

    def strength(self, t: ArrayLike) -> Any:
        """Return eta, an array of the shape of ``t``."""
        return np.full_like(np.asarray(t, dtype=float), self.value)

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the rule."""
        return {"name": self.name, "strength": self.value}


@dataclass(frozen=True)
class LinearStrength:
    r"""A strength that changes linearly in forward time: eta = at_data + slope * t.

    Parameters
    ----------
    at_data : float
        eta(0), at the end of the reverse process.
    slope : float
        Change per unit of forward time.

    Raises
    ------
    ValueError
        If a field is not finite; ``strength`` raises where eta is negative or above 1e6.
    """

    at_data: float
    slope: float
    name = "linear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "at_data", _strength(self.at_data))
        object.__setattr__(self, "slope", real_number("slope", self.slope))

    @classmethod
    def between(cls, start: float, end: float, horizon: float) -> LinearStrength:
        """Return the rule with eta = start at t = horizon and eta = end at t = 0."""
        start, end = _strength(start), _strength(end)
        return cls(end, (start - end) / real_number("horizon", horizon, minimum=0.0, strict=True))

    def strength(self, t: ArrayLike) -> Any:
        """Return eta(t)."""
        value = self.at_data + self.slope * np.asarray(t, dtype=float)
        # rounding at the end of a rule that comes down to 0
        tiny = 1e-12 * (self.at_data + np.abs(value))
        return _checked(np.where((value < 0) & (value >= -tiny), 0.0, value), self.name, t)

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the rule."""
        return {"name": self.name, "at_data": self.at_data, "slope": self.slope}


def _checked(value: Array, name: str, t: ArrayLike) -> Array:
    """Refuse strengths out of range."""
    bad = ~((value >= 0) & (value <= STRONGEST))
    if np.any(bad):
        times = np.broadcast_to(np.asarray(t, dtype=float), value.shape)
        raise ValueError(
            f"guidance {name!r} must give strengths in 0..{STRONGEST:g}, "
            f"got {value[bad].flat[0]:g} at t = {times[bad].flat[0]:g}"
        )
    return value


#: shares of the horizon at which the functions of a rule enter its spec
LOOKS = np.linspace(0.0, 1.0, 33)


@dataclass(frozen=True)
class TimeStrength:
    """A strength that is any function of forward time.

    Parameters
    ----------
    function : callable
        ``function(t)`` for a number t, eta >= 0; smooth between the breaks.
    label : str
        A name for records.
    horizon : float
        The times 0 to ``horizon`` at which values enter the spec, and with it seeds.
    breaks : tuple of float
        Forward times where eta jumps; the value taken there is that of smaller times.

    Raises
    ------
    ValueError
        If a field has the wrong type, or the function gives no strength in 0..1e6.
    """

    function: Callable[[float], float]
    label: str = "user"
    horizon: float = 5.0
    breaks: tuple[float, ...] = ()
    #: the open interval of times that this piece is confined to
    within: tuple[float, float] = (-np.inf, np.inf)
    name = "time"

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ValueError(f"function must be callable, got {shown(self.function)}")
        if not isinstance(self.label, str):
            raise ValueError(f"label must be a string, got {shown(self.label)}")
        horizon = real_number("horizon", self.horizon, minimum=0.0, strict=True)
        object.__setattr__(self, "horizon", horizon)
        breaks = np.unique(real_array("breaks", list(self.breaks)))
        object.__setattr__(self, "breaks", tuple(breaks.tolist()))
        self.strength(self.horizon * LOOKS)

    def strength(self, t: ArrayLike) -> Any:
        """Return eta(t); on a piece, the limit from inside at both of its ends."""
        times = np.clip(np.asarray(t, dtype=float), *self.within)
        for end in self.breaks:
            margin = AT_THE_END * abs(end)
            times = np.where(np.abs(times - end) <= margin, end - 2 * margin, times)
        try:
            values = [float(self.function(float(s))) for s in times.ravel()]
        except TypeError as error:
            raise ValueError(f"guidance {self.label!r} must return a number, got {error}") from None
        return _checked(np.array(values).reshape(times.shape), self.label, t)

    def piece(self, low: float, high: float) -> TimeStrength:
        """Return the rule on (low, high), continued by its limits."""
        margin = AT_THE_END * max(abs(low), abs(high))
        within = (low + margin, high - margin)
        return TimeStrength(self.function, self.label, self.horizon, (), within)

    def spec(self) -> dict[str, Any]:
        """Return the label and values at 33 times: what identifies the rule."""
        values = self.strength(self.horizon * LOOKS).tolist()
        inner = {} if np.isinf(self.within[0]) else {"within": list(self.within)}
        breaks = list(self.breaks)
        return {"name": self.name, "label": self.label, "breaks": breaks, "values": values} | inner


@dataclass(frozen=True)
class IntervalStrength:
    """One strength for forward times in (low, high], none outside.

    Parameters
    ----------
    value : float
        eta inside.
    low, high : float
        0 <= low < high.

    Raises
    ------
    ValueError
        If a field is out of range.
    """

    value: float
    low: float
    high: float
    name = "interval"

    def __post_init__(self) -> None:
        low = real_number("low", self.low, minimum=0.0)
        high = real_number("high", self.high, minimum=low, strict=True)
        for field, number in (("value", _strength(self.value)), ("low", low), ("high", high)):
            object.__setattr__(self, field, number)

    @classmethod
    def of_noise(
        cls, value: float, low: float, high: float, schedule: Schedule
    ) -> IntervalStrength:
        """Return the rule for noise levels sqrt(v)/r, noise over signal, in (low, high].

        Raises
        ------
        ValueError
            If the levels are out of order, or ``low`` is not reached by the schedule.
        """
        low = real_number("low", low, minimum=0.0)
        high = real_number("high", high, minimum=low, strict=True)
        return cls(value, time_of_noise(schedule, low), time_of_noise(schedule, high))

    @property
    def breaks(self) -> tuple[float, ...]:
        """Forward times where eta jumps."""
        return (self.low, self.high)

    def strength(self, t: ArrayLike) -> Any:
        """Return eta(t)."""
        t = np.asarray(t, dtype=float)
        inside = (t > self.low * (1 + AT_THE_END)) & (t <= self.high * (1 + AT_THE_END))
        return np.where(inside, self.value, 0.0)

    def piece(self, low: float, high: float) -> ConstantStrength:
        """Return the constant that the rule is on (low, high)."""
        return ConstantStrength(float(self.strength(0.5 * (low + high))))

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the rule."""
        return {"name": self.name, "strength": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class PowerStrength:
    r"""The nonlinear rule that adds :math:`\eta\,|G|^q\,G`, with :math:`G = \nabla\log P_t(y|x)`.

    Its divergence is :math:`\eta |G|^q [\mathrm{div}\,G + q\, n^T (\nabla G)\, n]`, n = G / |G|.

    Parameters
    ----------
    value : float
        eta.
    power : float
        q in 0..8; 0 is the constant strength.

    Raises
    ------
    ValueError
        If a field is out of range.
    """

    value: float
    power: float
    name = "power"

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _strength(self.value))
        power = real_number("power", self.power, minimum=0.0, maximum=8.0)
        object.__setattr__(self, "power", power)

    def strength(self, t: ArrayLike) -> Any:
        """Return eta."""
        return np.full_like(np.asarray(t, dtype=float), self.value)

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the rule."""
        return {"name": self.name, "strength": self.value, "power": self.power}


def time_of_noise(schedule: Schedule, level: float) -> float:
    """Return the forward time at which sqrt(v)/r, noise over signal, reaches a level.

    A level beyond the longest horizon gives that horizon.

    Raises
    ------
    ValueError
        If the level is negative or not finite.
    """
    from scipy.optimize import brentq

    level = real_number("level", level, minimum=0.0)
    if level == 0:
        return 0.0

    def excess(log_t: float) -> float:
        t = float(np.exp(log_t))
        ratio = float(schedule.variance(t)) / float(schedule.signal(t)) ** 2
        return float(np.log(ratio)) - 2 * float(np.log(level))

    longest = float(np.log(horizon_limits(schedule)[1]))
    if excess(longest) <= 0:
        return float(np.exp(longest))
    low = longest - 60.0
    if excess(low) >= 0:
        return 0.0
    return float(np.exp(brentq(excess, low, longest, xtol=1e-14, rtol=1e-14)))


#: rules that plain data rebuild, by name: the class, and the fields of its spec in order
RULES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "constant": (ConstantStrength, ("strength",)),
    "linear": (LinearStrength, ("at_data", "slope")),
    "interval": (IntervalStrength, ("strength", "low", "high")),
    "power": (PowerStrength, ("strength", "power")),
}
