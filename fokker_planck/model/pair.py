"""A model given as a pair of laws, class and total, in place of a mixture with a target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import shown
from fokker_planck.model.classes import LawRatio
from fokker_planck.model.guidance import GuidanceRule
from fokker_planck.model.guided import GuidedProcess, check_dimension
from fokker_planck.model.mixture import GaussianMixture
from fokker_planck.model.perturbation import Perturbation
from fokker_planck.model.process import checked_settings
from fokker_planck.model.schedule import Schedule

Array = NDArray[np.float64]


class PairProcess(GuidedProcess):
    r"""A guided reverse diffusion of a pair of laws; build it with :func:`pair_process`.

    The drift is that of :class:`GuidedProcess` with
    :math:`G = \nabla\log p^c_t - \nabla\log p_t`. There is no posterior: the ratio of the two
    densities need not be bounded.
    """

    _fields = (*GuidedProcess._fields, "_class_law", "total_law")

    def __init__(
        self,
        class_law: GaussianMixture,
        total_law: GaussianMixture,
        guidance: GuidanceRule,
        noise_level: float,
        horizon: float,
        schedule: Schedule,
        initial: GaussianMixture,
        stop: float = 0.0,
        perturbation: Perturbation | None = None,
    ) -> None:
        super().__init__(guidance, noise_level, horizon, schedule, initial, stop, perturbation)
        self._class_law, self.total_law = class_law, total_law
        self.posterior: LawRatio = LawRatio(class_law, total_law, schedule)

    @property
    def class_law(self) -> GaussianMixture:
        """The law of the class that is sampled."""
        return self._class_law

    def components(self) -> list[GaussianMixture]:
        """Return both laws, class and total."""
        return [self.class_law, self.total_law]

    def log_ratio(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return log p_t(x) of the class less that of the total law, at t = T - tau."""
        return self.posterior.log_ratio(self._points(x)[0], self.forward_time(tau))

    def _laws(self) -> dict[str, Any]:
        return {"class_law": self.class_law.spec(), "total_law": self.total_law.spec()}

    def __repr__(self) -> str:
        return f"PairProcess({self.class_law!r}, {self.total_law!r}, {self._settings()}"


def pair_process(
    class_law: GaussianMixture,
    total_law: GaussianMixture,
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
) -> PairProcess:
    r"""State a guided sampler of a pair of laws.

    .. math:: s = (1 + \eta)\,\nabla\log p^c_t - \eta\,\nabla\log p_t .

    Parameters
    ----------
    class_law, total_law : GaussianMixture
        The laws p^c and p of the data; labels are not used.
    strength, scale, guidance, sampler, noise_level, horizon, stop, schedule, perturbation
        As in :func:`fokker_planck.reverse_process`.
    initial : optional
        None or "normal"; "exact": the class law at time T; or a GaussianMixture.

    Returns
    -------
    PairProcess
        Without ``log_posterior``: solutions have no posterior mass.

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.

    Notes
    -----
    Source: docs/theory.md, section 2. Guidance by such a ratio can push mass out as fast as it
    likes where the total law is narrower than the class law.
    """
    for name, law in (("class_law", class_law), ("total_law", total_law)):
        if not isinstance(law, GaussianMixture):
            raise ValueError(f"{name} must be a GaussianMixture, got {shown(law)}")
    check_dimension("total_law", total_law, class_law.dimension)
    settings = checked_settings(
        class_law,
        [class_law, total_law],
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
    return PairProcess(class_law, total_law, **settings)
