"""Stated errors of a learnt score or classifier, added to the exact one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import one_of, real_array, real_number, shown

Array = NDArray[np.float64]
#: shares of the horizon, and multiples of a unit along every axis, that enter a spec
LOOK_TIMES, LOOK_POINTS = (0.0, 0.25, 0.5, 1.0), np.linspace(-3.0, 3.0, 7)
KINDS = ("score", "classifier")


class VectorField(Protocol):
    """A smooth vector field e(x, t) with its first derivatives."""

    def value(self, x: Array, t: Any) -> Array:
        """Return e, shape of the points."""

    def divergence(self, x: Array, t: Any) -> Array:
        """Return div e, shape of the points without their last axis."""

    def bend(self, x: Array, t: Any, along: Array) -> Array:
        """Return n^T (grad e) n for directions n of the shape of the points."""

    def spec(self, dimension: int, horizon: float) -> dict[str, Any]:
        """Return plain data that identifies the field."""


@dataclass(frozen=True, eq=False)
class CosineField:
    r"""The bounded family :math:`e(x) = a\,u \cos(k \cdot x + \varphi)`, constant in time.

    Parameters
    ----------
    amplitude : float
        a >= 0, the largest length of e.
    wave : float or array_like, shape (d,)
        k.
    phase : float
        phi.
    direction : array_like, shape (d,), optional
        u, scaled to length 1; by default that of k, or the first axis where k = 0.

    Raises
    ------
    ValueError
        If a field is not finite or the direction is zero.
    """

    amplitude: float
    wave: Any
    phase: float = 0.0
    direction: Any = None

    def __post_init__(self) -> None:
        amplitude = real_number("amplitude", self.amplitude, minimum=0.0)
        wave = np.atleast_1d(real_array("wave", self.wave))
        if wave.ndim != 1:
            raise ValueError(f"wave must be a number or a vector, got {shown(self.wave)}")
        if self.direction is not None:
            way = np.atleast_1d(real_array("direction", self.direction))
        else:
            way = wave if wave.any() else np.eye(wave.size)[0]
        if way.shape != wave.shape or not way.any():
            raise ValueError(
                f"direction must be a vector of length {wave.size} other than zero, "
                f"got {shown(self.direction)}"
            )
        object.__setattr__(self, "amplitude", amplitude)
        object.__setattr__(self, "wave", wave)
        object.__setattr__(self, "phase", real_number("phase", self.phase))
        length = float(np.linalg.norm(way))
        # a direction that is one already stays to the bit, so that specs rebuild
        way = way if abs(length - 1) < 1e-14 else way / length
        object.__setattr__(self, "direction", way)

    def _angle(self, x: Array) -> Array:
        if self.wave.size == 1:
            return np.asarray(self.wave[0] * x + self.phase)
        return np.asarray(x @ self.wave + self.phase)

    def value(self, x: Array, t: Any) -> Array:
        """Return e."""
        wave = self.amplitude * np.cos(self._angle(x))
        if self.wave.size == 1:
            return np.asarray(wave * self.direction[0])
        return np.asarray(wave[..., None] * self.direction)

    def divergence(self, x: Array, t: Any) -> Array:
        """Return div e = -a (u . k) sin(k.x + phi)."""
        slope = -self.amplitude * float(self.direction @ self.wave)
        return np.asarray(slope * np.sin(self._angle(x)))

    def bend(self, x: Array, t: Any, along: Array) -> Array:
        """Return n^T (grad e) n."""
        product = (along @ self.direction) * (along @ self.wave)
        return np.asarray(-self.amplitude * product * np.sin(self._angle(x)))

    def spec(self, dimension: int, horizon: float) -> dict[str, Any]:
        """Return plain data that identifies the field."""
        return {
            "field": "cosine",
            "amplitude": self.amplitude,
            "wave": self.wave.tolist(),
            "phase": self.phase,
            "direction": self.direction.tolist(),
        }


@dataclass(frozen=True)
class UserField:
    """A field from the user's own functions of points x and forward time t.

    Parameters
    ----------
    function : callable
        ``function(x, t)`` for points (n,) in dimension one or (n, d) and a number t or an array
        of shape (n,); returns the shape of x.
    divergence_function : callable
        Its divergence, shape (n,).
    label : str
        A name for records.
    """

    function: Callable[..., Any]
    divergence_function: Callable[..., Any]
    label: str = "user"

    def __post_init__(self) -> None:
        for name in ("function", "divergence_function"):
            if not callable(getattr(self, name)):
                raise ValueError(f"{name} must be callable, got {shown(getattr(self, name))}")
        if not isinstance(self.label, str):
            raise ValueError(f"label must be a string, got {shown(self.label)}")

    def value(self, x: Array, t: Any) -> Array:
        """Return e."""
        return self._shaped("function", self.function(x, t), np.shape(x))

    def divergence(self, x: Array, t: Any) -> Array:
        """Return div e."""
        value = np.asarray(self.divergence_function(x, t), dtype=float)
        return value if value.ndim else np.asarray(value + 0.0 * np.asarray(t))

    def bend(self, x: Array, t: Any, along: Array) -> Array:
        """Refuse: a divergence is not enough in more than one dimension."""
        raise ValueError("perturbation must be a cosine error for a power rule with d > 1")

    @staticmethod
    def _shaped(name: str, value: Any, shape: tuple[int, ...]) -> Array:
        value = np.asarray(value, dtype=float)
        try:
            return np.broadcast_to(value, np.broadcast_shapes(value.shape, shape))
        except ValueError:
            raise ValueError(f"{name} must return shape {shape}, got {value.shape}") from None

    def spec(self, dimension: int, horizon: float) -> dict[str, Any]:
        """Return the label and sampled values."""
        points = LOOK_POINTS if dimension == 1 else LOOK_POINTS[:, None] * np.ones(dimension)
        values = [np.asarray(self.value(points, share * horizon)).tolist() for share in LOOK_TIMES]
        return {"field": "user", "label": self.label, "values": values}


@dataclass(frozen=True)
class Perturbation:
    r"""An error of the score, :math:`s_\eta + e`, or of the classifier, :math:`\nabla\log P + e`.

    The classifier's error is multiplied by the strength, and enters a nonlinear rule with it.

    Parameters
    ----------
    kind : {"score", "classifier"}
        What is in error.
    field : VectorField
        The error e(x, t).
    """

    kind: str
    field: VectorField

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)

    def check(self, dimension: int) -> None:
        """Refuse an error whose value or divergence has the wrong shape in that dimension.

        Raises
        ------
        ValueError
            If it has.
        """
        points = np.zeros(3) if dimension == 1 else np.zeros((3, dimension))
        wave = getattr(self.field, "wave", None)
        if wave is not None and wave.size != dimension:
            raise ValueError(f"wave must have length {dimension}, got {shown(wave)}")
        for name, found, shape in (
            ("value", self.field.value(points, 1.0), points.shape),
            ("divergence", self.field.divergence(points, 1.0), (3,)),
        ):
            if np.shape(found) not in (shape, ()):
                raise ValueError(
                    f"perturbation must have a {name} of shape {shape}, got {np.shape(found)}"
                )
            if not np.all(np.isfinite(found)):
                raise ValueError(f"perturbation must have a finite {name}, got nan or inf")

    def spec(self, dimension: int, horizon: float) -> dict[str, Any]:
        """Return plain data that identifies the error."""
        return {"kind": self.kind, **self.field.spec(dimension, horizon)}


def score_error(
    function: Callable[..., ArrayLike], divergence: Callable[..., ArrayLike], label: str = "user"
) -> Perturbation:
    """Return an error e(x, t) of the score with its divergence; see :class:`UserField`."""
    return Perturbation("score", UserField(function, divergence, label))


def classifier_error(
    function: Callable[..., ArrayLike], divergence: Callable[..., ArrayLike], label: str = "user"
) -> Perturbation:
    """Return an error e(x, t) of the classifier's gradient; see :class:`UserField`."""
    return Perturbation("classifier", UserField(function, divergence, label))


def cosine_error(
    kind: str, amplitude: float, wave: Any, phase: float = 0.0, direction: Any = None
) -> Perturbation:
    """Return a bounded error of a score or classifier; see :class:`CosineField`."""
    return Perturbation(kind, CosineField(amplitude, wave, phase, direction))
