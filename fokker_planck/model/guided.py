"""What every guided reverse process shares: drift, divergence, noise, times and variants."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import one_of, real_number, shown
from fokker_planck.model.guidance import ConstantStrength, GuidanceRule
from fokker_planck.model.mixture import GaussianMixture, as_points
from fokker_planck.model.perturbation import Perturbation
from fokker_planck.model.schedule import Schedule

Array = NDArray[np.float64]


class ScoreModel(Protocol):
    """The scores that a process is made of, at points and forward times."""

    def target_score(self, x: Any, t: Any) -> Array:
        """Return the score of the class."""

    def posterior_gradient(self, x: Any, t: Any) -> Array:
        """Return the gradient G that guidance adds, times the strength."""

    def scores(self, x: Any, t: Any) -> tuple[Array, Array, Array, Array]:
        """Return the class score, its divergence, G and div G."""

    def bend(self, x: Any, t: Any, along: Array) -> Array:
        """Return n^T (grad G) n for directions n."""

    def classifier_free_score(self, x: Any, t: Any, strength: Any) -> Array:
        """Return (1 + eta) s_class - eta s_total."""


class GuidedProcess:
    r"""A guided reverse diffusion; see :func:`reverse_process` and :func:`pair_process`.

    In reverse time tau, forward time t = stop + horizon - tau, with D = g^2/2 the diffusivity of
    the forward process and G the gradient of the log-ratio of the class,

    .. math:: dx = [-f x + (1 + \lambda^2) D s(x, t)]\,d\tau + \lambda\sqrt{2D}\,dB,
              \quad s = s_y + \eta(t)\,|G|^q\,G ,

    where q = 0 but for the power rule, and a stated error is added to s or to G.
    Source: docs/theory.md, section 2.

    Attributes
    ----------
    horizon : float
        Length of reverse time, T - stop.
    stop, start_time : float
        Forward times of the output and of the start, T.
    """

    posterior: Any
    _fields: tuple[str, ...] = (
        "posterior",
        "guidance",
        "noise_level",
        "horizon",
        "schedule",
        "initial",
        "stop",
        "perturbation",
    )

    def __init__(
        self,
        guidance: GuidanceRule,
        noise_level: float,
        horizon: float,
        schedule: Schedule,
        initial: GaussianMixture,
        stop: float = 0.0,
        perturbation: Perturbation | None = None,
    ) -> None:
        self.guidance = guidance
        self.noise_level = noise_level
        self.horizon = horizon
        self.schedule = schedule
        self.initial = initial
        self.stop = stop
        self.perturbation = perturbation

    # -- shape and time ------------------------------------------------------------------------
    @property
    def dimension(self) -> int:
        """Dimension d."""
        return self.initial.dimension

    @property
    def deterministic(self) -> bool:
        """Whether this is the ODE sampler (noise level 0)."""
        return self.noise_level == 0

    @property
    def start_time(self) -> float:
        """Forward time T at which the reverse process starts."""
        return self.stop + self.horizon

    @property
    def is_linear(self) -> bool:
        """Whether the score is s_y + eta(t) G, without a power or a stated error."""
        return self.perturbation is None and getattr(self.guidance, "power", 0.0) == 0

    @property
    def class_law(self) -> GaussianMixture:
        """The law of the class that is sampled."""
        raise NotImplementedError

    def components(self) -> list[GaussianMixture]:
        """Return every law of the model, so that means and covariances set length scales."""
        raise NotImplementedError

    @property
    def breaks(self) -> tuple[float, ...]:
        """Reverse times in (0, horizon) where the drift jumps."""
        jumps = getattr(self.guidance, "breaks", ())
        times = sorted({self.start_time - float(t) for t in jumps})
        edge = 1e-12 * self.start_time
        return tuple(s for s in times if edge < s < self.horizon - edge)

    def piece(self, a: float, b: float) -> Self:
        """Return the process that agrees with this one on (a, b), smooth up to both ends.

        ``a`` and ``b`` are neighbours among 0, the breaks and the horizon.
        """
        if not self.breaks:
            return self
        guidance: Any = self.guidance
        return self._changed(guidance=guidance.piece(self.start_time - b, self.start_time - a))

    def forward_time(self, tau: ArrayLike) -> Array:
        """Return t = T - tau, not below the stop."""
        left = np.maximum(self.horizon - np.asarray(tau, dtype=float), 0.0)
        return left + self.stop if self.stop else left

    def _points(self, x: ArrayLike) -> tuple[Any, tuple[int, ...]]:
        """Return points as the posterior wants them, and the shape that vectors go back to."""
        points = np.asarray(x, dtype=float)
        if self.dimension > 1:
            return as_points(points, self.dimension), points.shape
        column = points.ndim > 1 and points.shape[-1] == 1
        return (points[..., 0] if column else points), points.shape

    # -- dynamics ------------------------------------------------------------------------------
    def noise(self, tau: ArrayLike) -> Array:
        """Return the noise amplitude lambda * sqrt(2 D) at reverse time tau."""
        rate = self.schedule.diffusivity(self.forward_time(tau))
        return np.asarray(self.noise_level * np.sqrt(2 * rate))

    def drift(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return the drift b(x, tau), shape of ``x``."""
        points, shape = self._points(x)
        t = self.forward_time(tau)
        at_once = getattr(self.posterior, "score_and_gradient", None)
        if at_once is not None:
            score, gradient = at_once(points, t)
        else:
            score = self.posterior.target_score(points, t)
            gradient = self.posterior.posterior_gradient(points, t)
        f, c, eta = self._coefficients(t)
        if self.is_linear:
            drift = -f * points + c * (score + eta * gradient)
        else:
            drift = -f * points + c * self._guided(points, t, eta, score, gradient)
        return np.reshape(drift, shape) if np.ndim(t) == 0 else drift

    def _coefficients(self, t: Array) -> tuple[Array, Array, Array]:
        """Return f, (1 + lambda^2) D and eta, with an axis to multiply vectors by if d > 1."""
        f = np.asarray(self.schedule.drift_rate(t))
        c = np.asarray((1 + self.noise_level**2) * self.schedule.diffusivity(t))
        eta = np.asarray(self.guidance.strength(t))
        if self.dimension > 1:
            return f[..., None], c[..., None], eta[..., None]
        return f, c, eta

    def divergence(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return div b(x, tau), shape of the points without their last axis (I2)."""
        return self.drift_and_divergence(x, tau)[1]

    def drift_and_divergence(self, x: ArrayLike, tau: ArrayLike) -> tuple[Array, Array]:
        """Return b and div b in one pass.

        Parameters
        ----------
        x : array_like, shape (..., d)
            Points; plain (n,) in dimension one.
        tau : array_like
            Reverse time, a number or broadcastable to the points without their last axis.
        """
        points, shape = self._points(x)
        t = self.forward_time(tau)
        score, score_div, gradient, curvature = self.posterior.scores(points, t)
        f, c, eta = self._coefficients(t)
        if self.is_linear:
            drift = -f * points + c * (score + eta * gradient)
            total = score_div + (eta[..., 0] if self.dimension > 1 else eta) * curvature
        else:
            drift = -f * points + c * self._guided(points, t, eta, score, gradient)
            total = self._guided_divergence(points, t, score_div, gradient, curvature)
        if self.dimension > 1:
            f, c = f[..., 0], c[..., 0]
        divergence = -f * self.dimension + c * total
        return np.reshape(drift, shape) if np.ndim(t) == 0 else drift, divergence

    def score(self, x: ArrayLike, tau: ArrayLike, route: str = "classifier") -> Array:
        """Return the guided score s, shape of ``x``.

        ``route`` "classifier" adds eta grad log P to the conditional score, "classifier-free"
        extrapolates from the unconditional one; with exact scores they are one function (G0).

        Raises
        ------
        ValueError
            If the route is unknown, or classifier-free for a nonlinear rule or a stated error.
        """
        points, shape = self._points(x)
        t = self.forward_time(tau)
        eta = self.guidance.strength(t)
        if one_of("route", route, ("classifier", "classifier-free")) == "classifier-free":
            if not self.is_linear:
                raise ValueError(f"route must be 'classifier' for this model, got {route!r}")
            return self.posterior.classifier_free_score(points, t, eta).reshape(shape)
        score, _, gradient, _ = self.posterior.scores(points, t)
        if self.dimension > 1:
            eta = np.asarray(eta)[..., None]
        if not self.is_linear:
            return self._guided(points, t, np.asarray(eta), score, gradient).reshape(shape)
        return np.asarray(score + eta * gradient).reshape(shape)

    # -- nonlinear rules and stated errors -------------------------------------------------------
    def _error(self, kind: str) -> Any:
        """Return the field of the stated error if it is of that kind."""
        found = self.perturbation
        return found.field if found is not None and found.kind == kind else None

    def _length(self, vectors: Array) -> Array:
        """Return lengths, with an axis to multiply vectors by if d > 1."""
        if self.dimension == 1:
            return np.abs(vectors)
        return np.linalg.norm(vectors, axis=-1, keepdims=True)

    def _guided(self, points: Array, t: Any, eta: Array, score: Array, gradient: Array) -> Array:
        """Return the score with guidance by a power rule and stated errors."""
        power = getattr(self.guidance, "power", 0.0)
        score_error, classifier_error = self._error("score"), self._error("classifier")
        if score_error is not None:
            score = score + score_error.value(points, t)
        if classifier_error is not None:
            gradient = gradient + classifier_error.value(points, t)
        if power:
            eta = eta * self._length(gradient) ** power
        return np.asarray(score + eta * gradient)

    def _guided_divergence(
        self, points: Array, t: Any, score_div: Array, gradient: Array, curvature: Array
    ) -> Array:
        """Return the divergence of :meth:`_guided`."""
        power = getattr(self.guidance, "power", 0.0)
        eta = np.asarray(self.guidance.strength(t))
        score_error, classifier_error = self._error("score"), self._error("classifier")
        if score_error is not None:
            score_div = score_div + score_error.divergence(points, t)
        if classifier_error is not None:
            gradient = gradient + classifier_error.value(points, t)
            curvature = curvature + classifier_error.divergence(points, t)
        if not power:
            return np.asarray(score_div + eta * curvature)
        size = self._length(gradient)
        if self.dimension == 1:
            return np.asarray(score_div + eta * (1 + power) * size**power * curvature)
        # where the gradient vanishes its direction is irrelevant: its power does too
        along = gradient / np.where(size > 0, size, 1.0)
        bend = self.posterior.bend(points, t, along)
        if classifier_error is not None:
            bend = bend + classifier_error.bend(points, t, along)
        return np.asarray(score_div + eta * size[..., 0] ** power * (curvature + power * bend))

    # -- variants and identity -----------------------------------------------------------------
    @property
    def strength(self) -> float:
        """The strength eta of a constant rule, nan for others."""
        rule = self.guidance
        return rule.value if isinstance(rule, ConstantStrength) else float("nan")

    def _changed(self, **fields: Any) -> Self:
        """Return a copy with other fields, none of which the scores depend on.

        Only declared fields are copied: whatever a method has left on the object is not.
        """
        other = object.__new__(type(self))
        for name in self._fields:
            setattr(other, name, fields.get(name, getattr(self, name)))
        return other

    def with_strength(self, strength: float) -> Self:
        """Return the same process with another constant strength."""
        return self._changed(guidance=ConstantStrength(strength))

    def with_noise_level(self, noise_level: float) -> Self:
        """Return the same process at another noise level (0: ODE, 1: SDE)."""
        return self._changed(noise_level=checked_noise_level(noise_level))

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the process: for records, files and seeds."""
        out = {
            **self._laws(),
            "guidance": self.guidance.spec(),
            "noise_level": self.noise_level,
            "horizon": self.horizon,
            "schedule": self.schedule.spec(),
            "initial": self.initial.spec(),
        }
        # left out where absent, so that seeds and records of plain processes stay
        if self.stop:
            out["stop"] = self.stop
        if self.perturbation is not None:
            out["perturbation"] = self.perturbation.spec(self.dimension, self.start_time)
        return out

    def _laws(self) -> dict[str, Any]:
        """Return plain data that identifies the laws of the model."""
        raise NotImplementedError

    def _settings(self) -> str:
        """Return what all processes show of themselves."""
        stop = f", stop={self.stop:g}" if self.stop else ""
        error = f", perturbation={self.perturbation!r}" if self.perturbation is not None else ""
        return (
            f"{self.guidance!r}, noise_level={self.noise_level:g}, horizon={self.horizon:g}, "
            f"schedule={self.schedule!r}, initial={self.initial!r}{stop}{error})"
        )


#: beyond this the forward variance is lost in the noise of a path
LARGEST_NOISE = 1e4


def checked_noise_level(value: Any) -> float:
    """Return a noise level lambda in [0, LARGEST_NOISE].

    Raises
    ------
    ValueError
        If it is not such a number.
    """
    return real_number("noise_level", value, minimum=0.0, maximum=LARGEST_NOISE)


def check_dimension(name: str, law: GaussianMixture, dimension: int) -> None:
    """Refuse a law of another dimension."""
    if law.dimension != dimension:
        raise ValueError(f"{name} must have dimension {dimension}, got {shown(law.dimension)}")
