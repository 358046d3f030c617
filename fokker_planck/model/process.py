"""The guided sampler of a labelled mixture, and the front door to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from fokker_planck.model.checks import one_of, real_number, shown, whole_number
from fokker_planck.model.classes import ClassPosterior
from fokker_planck.model.guidance import ConstantStrength, GuidanceRule
from fokker_planck.model.guided import GuidedProcess, check_dimension, checked_noise_level
from fokker_planck.model.mixture import GaussianMixture, diffused
from fokker_planck.model.perturbation import Perturbation
from fokker_planck.model.scalar import ScalarPosterior
from fokker_planck.model.schedule import OrnsteinUhlenbeck, Schedule, horizon_limits
from fokker_planck.model.vector import VectorPosterior

Array = NDArray[np.float64]
SAMPLERS = ("ode", "sde")
#: horizons and stops below are refused: the noise level there would underflow
SHORTEST, EARLIEST_STOP = 1e-6, 1e-12


class ReverseProcess(GuidedProcess):
    r"""A guided reverse diffusion of a Gaussian mixture; build it with :func:`reverse_process`.

    The drift is that of :class:`GuidedProcess` with :math:`G = \nabla\log P_t(y|x)`, y the target
    class. Source: docs/theory.md, section 2.

    Parameters
    ----------
    mixture : GaussianMixture
        The data law.
    target : int
        The class y: a label of the mixture, or a component where it has no labels.
    guidance, noise_level, schedule, initial, stop, perturbation
        As in :func:`reverse_process`.
    horizon : float
        Length of reverse time, T - stop.
    """

    _fields = (*GuidedProcess._fields, "mixture", "target")

    def __init__(
        self,
        mixture: GaussianMixture,
        target: int,
        guidance: GuidanceRule,
        noise_level: float,
        horizon: float,
        schedule: Schedule,
        initial: GaussianMixture,
        stop: float = 0.0,
        perturbation: Perturbation | None = None,
    ) -> None:
        super().__init__(guidance, noise_level, horizon, schedule, initial, stop, perturbation)
        self.mixture = mixture
        self.target = target
        members = mixture.members(target)
        if members.size > 1 or mixture.singular:
            self.posterior = ClassPosterior(mixture, target, schedule)
        else:
            # a weightless target is kept for the error message of its caller
            own = int(members[0]) if members.size else target
            kind = ScalarPosterior if mixture.dimension == 1 else VectorPosterior
            self.posterior = kind(mixture, own, schedule)

    def components(self) -> list[GaussianMixture]:
        """Return every law of the model, so that means and covariances set length scales."""
        return [self.mixture]

    @property
    def class_law(self) -> GaussianMixture:
        """The law of the target class, p(x|y)."""
        return self.mixture.class_law(self.target)

    # -- the classifier ------------------------------------------------------------------------
    def log_posterior(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return log P_t(y|x) at t = T - tau."""
        return self.posterior.log_posterior(self._points(x)[0], self.forward_time(tau))

    def log_complement(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return log(1 - P_t(y|x)) at t = T - tau, accurate where P rounds to 1."""
        return self.posterior.log_complement(self._points(x)[0], self.forward_time(tau))

    def log_ratios(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return log P(y)/P(l) over all classes l, shape (L, ...); zero for l = y."""
        ratios = self.posterior.log_ratios(self._points(x)[0], self.forward_time(tau))
        labels = self.mixture.labels
        if labels is None or isinstance(self.posterior, ClassPosterior):
            return ratios
        rows = [
            -logsumexp(-ratios[labels == label], axis=0) for label in range(self.mixture.n_classes)
        ]
        rows[self.target] = np.zeros_like(rows[0])
        return np.array(rows)

    # -- identity --------------------------------------------------------------------------------
    def _laws(self) -> dict[str, Any]:
        return {"mixture": self.mixture.spec(), "target": self.target}

    def __repr__(self) -> str:
        return f"ReverseProcess({self.mixture!r}, target={self.target}, {self._settings()}"


def reverse_process(
    mixture: GaussianMixture,
    target: int,
    *,
    strength: float | None = None,
    scale: float | None = None,
    guidance: GuidanceRule | None = None,
    sampler: str | None = None,
    noise_level: float | None = None,
    horizon: float | None = None,
    stop: float = 0.0,
    schedule: Schedule | None = None,
    initial: str | GaussianMixture | None = None,
    perturbation: Perturbation | None = None,
) -> ReverseProcess:
    r"""State a guided sampler of a Gaussian mixture.

    Parameters
    ----------
    mixture : GaussianMixture
        The data law.
    target : int
        The guided class y, counted from 0: a label of the mixture, or a component where it has
        no labels.
    strength, scale : float, optional
        Guidance strength eta >= 0 (0: unguided), or scale = 1 + eta. At most one; default 0.
    guidance : GuidanceRule, optional
        Any rule, in place of a constant strength.
    sampler : {"ode", "sde"}, optional
        The probability-flow ODE (DDIM) or the SDE (DDPM). Default "sde".
    noise_level : float, optional
        lambda in 0..1e4 in place of ``sampler``: 0 is the ODE, 1 the SDE.
    horizon : float, optional
        Length T > 0 of forward time (dimensionless). Default: the schedule's, 5 for
        Ornstein-Uhlenbeck.
    stop : float
        Forward time of the output, in [0, T): the reverse process runs from T to ``stop``. It
        must be positive where the mixture has point masses.
    schedule : Schedule, optional
        The forward process, Ornstein-Uhlenbeck by default.
    initial : optional
        None or "normal": N(0, stationary variance); "exact": p_T(.|y); or a GaussianMixture.
    perturbation : Perturbation, optional
        A stated error of the score or the classifier.

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
    target = whole_number("target", target, minimum=0, maximum=mixture.n_classes - 1)
    if mixture.members(target).size == 0:
        what = "component" if mixture.labels is None else "class"
        raise ValueError(f"target must have positive weight, got {what} {target} of weight 0")
    settings = checked_settings(
        mixture.class_law(target),
        [mixture],
        strength=strength,
        scale=scale,
        guidance=guidance,
        sampler=sampler,
        noise_level=noise_level,
        horizon=horizon,
        stop=stop,
        schedule=schedule,
        initial=initial,
        perturbation=perturbation,
    )
    return ReverseProcess(mixture, target, **settings)


def checked_settings(
    class_law: GaussianMixture,
    laws: list[GaussianMixture],
    *,
    strength: float | None,
    scale: float | None,
    guidance: GuidanceRule | None,
    sampler: str | None,
    noise_level: float | None,
    horizon: float | None,
    stop: float,
    schedule: Schedule | None,
    initial: str | GaussianMixture | None,
    perturbation: Perturbation | None,
) -> dict[str, Any]:
    """Return the checked arguments of a process, beyond its laws."""
    if strength is not None and scale is not None:
        raise ValueError(f"strength and scale exclude each other, got {strength} and {scale}")
    if guidance is not None and (strength is not None or scale is not None):
        given = "strength" if strength is not None else "scale"
        raise ValueError(f"guidance and {given} exclude each other, got {shown(guidance)}")
    if scale is not None:
        strength = real_number("scale", scale, minimum=1.0) - 1.0
    if guidance is None:
        value = real_number("strength", 0.0 if strength is None else strength, minimum=0.0)
        guidance = ConstantStrength(value)
    elif isinstance(guidance, type) or not isinstance(guidance, GuidanceRule):
        raise ValueError(f"guidance must be a GuidanceRule, got {shown(guidance)}")
    if sampler is not None and noise_level is not None:
        raise ValueError(
            f"sampler and noise_level exclude each other, got {sampler!r} and {noise_level}"
        )
    if noise_level is None:
        chosen = one_of("sampler", "sde" if sampler is None else sampler, SAMPLERS)
        noise_level = 1.0 if chosen == "sde" else 0.0
    noise_level = checked_noise_level(noise_level)
    if schedule is None:
        schedule = OrnsteinUhlenbeck()
    elif isinstance(schedule, type) or not isinstance(schedule, Schedule):
        raise ValueError(f"schedule must be a Schedule, got {shown(schedule)}")
    usual, longest = horizon_limits(schedule)
    start = usual if horizon is None else horizon
    start = real_number("horizon", start, minimum=min(SHORTEST, longest), maximum=longest)
    stop = _checked_stop(stop, start, laws)
    if perturbation is not None and not isinstance(perturbation, Perturbation):
        raise ValueError(f"perturbation must be a Perturbation, got {shown(perturbation)}")
    if perturbation is not None:
        perturbation.check(class_law.dimension)
    guidance.strength(np.linspace(stop, start, 65))
    return {
        "guidance": guidance,
        "noise_level": noise_level,
        "horizon": start - stop,
        "schedule": schedule,
        "initial": _initial_law(initial, class_law, schedule, start),
        "stop": stop,
        "perturbation": perturbation,
    }


def _checked_stop(stop: Any, start: float, laws: list[GaussianMixture]) -> float:
    """Return the forward time of the output."""
    stop = real_number("stop", stop, minimum=0.0)
    if stop == 0 and any(law.singular for law in laws):
        raise ValueError("stop must be > 0 for a law with point masses, got 0")
    if stop and stop < EARLIEST_STOP:
        raise ValueError(f"stop must be 0 or >= {EARLIEST_STOP:g}, got {shown(stop)}")
    if stop > start - min(SHORTEST, 0.5 * start):
        raise ValueError(f"stop must lie below the horizon {start:g}, got {shown(stop)}")
    return stop


def _initial_law(
    initial: str | GaussianMixture | None,
    class_law: GaussianMixture,
    schedule: Schedule,
    start: float,
) -> GaussianMixture:
    d = class_law.dimension
    if isinstance(initial, GaussianMixture):
        check_dimension("initial", initial, d)
        if initial.singular:
            raise ValueError("initial must have positive definite covariances, got point masses")
        return initial
    if one_of("initial", "normal" if initial is None else initial, ("normal", "exact")) == "exact":
        return diffused(class_law, schedule, start)
    variance = schedule.stationary_variance(start)
    return GaussianMixture([1.0], np.zeros((1, d)), variance)
