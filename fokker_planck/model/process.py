"""Reverse processes: the guided sampler as a drift, a noise amplitude and an initial law."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import one_of, real_number, shown, whole_number
from fokker_planck.model.guidance import ConstantStrength, GuidanceRule
from fokker_planck.model.mixture import GaussianMixture, as_points
from fokker_planck.model.scalar import ScalarPosterior
from fokker_planck.model.schedule import OrnsteinUhlenbeck, Schedule
from fokker_planck.model.vector import VectorPosterior

Array = NDArray[np.float64]
SAMPLERS = ("ode", "sde")
#: horizons outside are refused: the signal e^{-T} or the noise level at the start would underflow
SHORTEST, LONGEST = 1e-6, 300.0


class ReverseProcess:
    r"""A guided reverse diffusion of a Gaussian mixture; build it with :func:`reverse_process`.

    In reverse time tau = T - t, with D = g^2/2 the diffusivity of the forward process,

    .. math:: dx = [-f x + (1 + \lambda^2) D s_\eta(x, t)]\,d\tau + \lambda\sqrt{2D}\,dB,
              \quad s_\eta = \nabla\log p_t(x|y) + \eta\nabla\log P_t(y|x).

    Source: docs/theory.md, section 2.
    """

    def __init__(
        self,
        mixture: GaussianMixture,
        target: int,
        guidance: GuidanceRule,
        noise_level: float,
        horizon: float,
        schedule: Schedule,
        initial: GaussianMixture,
    ) -> None:
        self.mixture = mixture
        self.target = target
        self.guidance = guidance
        self.noise_level = noise_level
        self.horizon = horizon
        self.schedule = schedule
        self.initial = initial
        kind = ScalarPosterior if mixture.dimension == 1 else VectorPosterior
        self.posterior: ScalarPosterior | VectorPosterior = kind(mixture, target, schedule)

    # -- shape and time ------------------------------------------------------------------------
    @property
    def dimension(self) -> int:
        """Dimension d."""
        return self.mixture.dimension

    @property
    def deterministic(self) -> bool:
        """Whether this is the ODE sampler (noise level 0)."""
        return self.noise_level == 0

    @property
    def breaks(self) -> tuple[float, ...]:
        """Reverse times in (0, horizon) where the drift jumps."""
        return ()

    def piece(self, a: float, b: float) -> ReverseProcess:
        """Return the process that agrees with this one on (a, b), smooth up to both ends."""
        return self

    def components(self) -> list[GaussianMixture]:
        """Return every law of the model, so that means and covariances set length scales."""
        return [self.mixture]

    def forward_time(self, tau: ArrayLike) -> Array:
        """Return t = T - tau, not below 0."""
        return np.maximum(self.horizon - np.asarray(tau, dtype=float), 0.0)

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
        score = self.posterior.target_score(points, t)
        gradient = self.posterior.posterior_gradient(points, t)
        f, c, eta = self._coefficients(t)
        drift = -f * points + c * (score + eta * gradient)
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
        drift = -f * points + c * (score + eta * gradient)
        if self.dimension > 1:
            f, c, eta = f[..., 0], c[..., 0], eta[..., 0]
        divergence = -f * self.dimension + c * (score_div + eta * curvature)
        return np.reshape(drift, shape) if np.ndim(t) == 0 else drift, divergence

    def score(self, x: ArrayLike, tau: ArrayLike, route: str = "classifier") -> Array:
        """Return the guided score s_eta, shape of ``x``.

        ``route`` "classifier" adds eta grad log P to the conditional score, "classifier-free"
        extrapolates from the unconditional one; with exact scores they are one function (G0).
        """
        points, shape = self._points(x)
        t = self.forward_time(tau)
        eta = self.guidance.strength(t)
        if one_of("route", route, ("classifier", "classifier-free")) == "classifier-free":
            return self.posterior.classifier_free_score(points, t, eta).reshape(shape)
        score, _, gradient, _ = self.posterior.scores(points, t)
        if self.dimension > 1:
            eta = np.asarray(eta)[..., None]
        return np.asarray(score + eta * gradient).reshape(shape)

    # -- the classifier ------------------------------------------------------------------------
    def log_posterior(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return log P_t(y|x) at t = T - tau."""
        return self.posterior.log_posterior(self._points(x)[0], self.forward_time(tau))

    def log_complement(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return log(1 - P_t(y|x)) at t = T - tau, accurate where P rounds to 1."""
        return self.posterior.log_complement(self._points(x)[0], self.forward_time(tau))

    def log_ratios(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return log P(y)/P(k), shape (K, ...); zero for k = y."""
        return self.posterior.log_ratios(self._points(x)[0], self.forward_time(tau))

    # -- variants and identity -----------------------------------------------------------------
    @property
    def strength(self) -> float:
        """The strength eta of a constant rule, nan for others."""
        return float(getattr(self.guidance, "value", np.nan))

    def with_strength(self, strength: float) -> ReverseProcess:
        """Return the same process with another constant strength."""
        return ReverseProcess(
            self.mixture,
            self.target,
            ConstantStrength(strength),
            self.noise_level,
            self.horizon,
            self.schedule,
            self.initial,
        )

    def with_noise_level(self, noise_level: float) -> ReverseProcess:
        """Return the same process at another noise level (0: ODE, 1: SDE)."""
        return ReverseProcess(
            self.mixture,
            self.target,
            self.guidance,
            real_number("noise_level", noise_level, minimum=0.0),
            self.horizon,
            self.schedule,
            self.initial,
        )

    def spec(self) -> dict[str, Any]:
        """Return plain data that identifies the process: for records, files and seeds."""
        return {
            "mixture": self.mixture.spec(),
            "target": self.target,
            "guidance": self.guidance.spec(),
            "noise_level": self.noise_level,
            "horizon": self.horizon,
            "schedule": self.schedule.spec(),
            "initial": self.initial.spec(),
        }

    def __repr__(self) -> str:
        return (
            f"ReverseProcess({self.mixture!r}, target={self.target}, {self.guidance!r}, "
            f"noise_level={self.noise_level:g}, horizon={self.horizon:g}, "
            f"schedule={self.schedule!r}, initial={self.initial!r})"
        )


def reverse_process(
    mixture: GaussianMixture,
    target: int,
    *,
    strength: float | None = None,
    scale: float | None = None,
    sampler: str | None = None,
    noise_level: float | None = None,
    horizon: float = 5.0,
    schedule: Schedule | None = None,
    initial: str | GaussianMixture | None = None,
) -> ReverseProcess:
    r"""State a guided sampler of a Gaussian mixture.

    Parameters
    ----------
    mixture : GaussianMixture
        The data law.
    target : int
        The guided component y, counted from 0.
    strength, scale : float, optional
        Guidance strength eta >= 0 (0: unguided), or scale = 1 + eta. At most one; default 0.
    sampler : {"ode", "sde"}, optional
        The probability-flow ODE (DDIM) or the SDE (DDPM). Default "sde".
    noise_level : float, optional
        lambda >= 0 in place of ``sampler``: 0 is the ODE, 1 the SDE.
    horizon : float
        Length T > 0 of forward and reverse time (dimensionless).
    schedule : Schedule, optional
        The forward process, Ornstein-Uhlenbeck by default.
    initial : optional
        None or "normal": N(0, stationary variance); "exact": p_T(.|y); or a GaussianMixture.

    Returns
    -------
    ReverseProcess

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.

    Notes
    -----
    Equation and source: docs/theory.md, section 2 (Wu et al., arXiv 2403.01639).
    """
    if not isinstance(mixture, GaussianMixture):
        raise ValueError(f"mixture must be a GaussianMixture, got {shown(mixture)}")
    target = whole_number("target", target, minimum=0, maximum=mixture.n_components - 1)
    if mixture.weights[target] == 0:
        raise ValueError(f"target must have positive weight, got component {target} of weight 0")
    if strength is not None and scale is not None:
        raise ValueError(f"strength and scale exclude each other, got {strength} and {scale}")
    if scale is not None:
        strength = real_number("scale", scale, minimum=1.0) - 1.0
    strength = real_number("strength", 0.0 if strength is None else strength, minimum=0.0)
    if sampler is not None and noise_level is not None:
        raise ValueError(
            f"sampler and noise_level exclude each other, got {sampler!r} and {noise_level}"
        )
    if noise_level is None:
        chosen = one_of("sampler", "sde" if sampler is None else sampler, SAMPLERS)
        noise_level = 1.0 if chosen == "sde" else 0.0
    noise_level = real_number("noise_level", noise_level, minimum=0.0, maximum=1e3)
    horizon = real_number("horizon", horizon, minimum=SHORTEST, maximum=LONGEST)
    if schedule is None:
        schedule = OrnsteinUhlenbeck()
    elif isinstance(schedule, type) or not isinstance(schedule, Schedule):
        raise ValueError(f"schedule must be a Schedule, got {shown(schedule)}")
    return ReverseProcess(
        mixture,
        target,
        ConstantStrength(strength),
        noise_level,
        horizon,
        schedule,
        _initial_law(initial, mixture, target, schedule, horizon),
    )


def _initial_law(
    initial: str | GaussianMixture | None,
    mixture: GaussianMixture,
    target: int,
    schedule: Schedule,
    horizon: float,
) -> GaussianMixture:
    d = mixture.dimension
    if isinstance(initial, GaussianMixture):
        if initial.dimension != d:
            raise ValueError(f"initial must have dimension {d}, got {initial.dimension}")
        return initial
    if one_of("initial", "normal" if initial is None else initial, ("normal", "exact")) == "exact":
        r = float(schedule.signal(horizon))
        spread = r * r * mixture.covariances[target]
        spread = spread + float(schedule.variance(horizon)) * np.eye(d)
        return GaussianMixture([1.0], r * mixture.means[target : target + 1], spread)
    variance = schedule.stationary_variance(horizon)
    return GaussianMixture([1.0], np.zeros((1, d)), variance)
