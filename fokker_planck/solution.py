"""What a solver returns: densities and functionals over time, every number with its error."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.density import Density, PlaneDensity
from fokker_planck.estimate import Estimate
from fokker_planck.functionals import (
    ENTROPY,
    MASS,
    Functional,
    complement_mass,
    covariance_along,
    expectation,
    mean_along,
    posterior_mass,
)
from fokker_planck.model import Chain, Dynamics
from fokker_planck.residual.result import Certified
from fokker_planck.runs import Budget, Reading

if TYPE_CHECKING:
    from fokker_planck.marginals import Marginal

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Solution:
    """The law of a process over reverse time, from :func:`fokker_planck.solve`.

    Parameters
    ----------
    process : Dynamics or None
        What was solved; None after loading the file of a user's own process.
    taus : ndarray, shape (m,)
        Output times, increasing.
    method : str
        Name of the method.
    reading : Reading
        The numerical runs, and how values and errors are read off them.
    cost : dict
        Wall time in seconds, steps, nodes: whatever the method counts.
    message : str
        What the user should know, such as a tolerance that was not met; empty if all is well.
    certificate : Certified, optional
        The L1 certificate, where one was asked for: its Estimates replace those of the reading.
    chain : Chain, optional
        The discretised sampler whose law this is; None for that of the process itself.

    Notes
    -----
    ``mass, mean, covariance, entropy, posterior_mass, complement_mass`` are Estimates with one
    entry per output time (dimensionless). Errors are of kind "refinement" (docs/theory.md, N1),
    or of kind "bound" or "residual" where they come from a certificate (N7).
    """

    process: Dynamics | None
    taus: Array
    method: str
    reading: Reading
    cost: dict[str, float] = field(default_factory=dict)
    message: str = ""
    certificate: Certified | None = None
    chain: Chain | None = None

    def __len__(self) -> int:
        return int(self.taus.size)

    @property
    def dimension(self) -> int:
        """Dimension of the points: 1 or 2."""
        return 1 if self.reading.best.shape is None else len(self.reading.best.shape)

    # -- functionals ---------------------------------------------------------------------------
    def estimate(self, functional: Functional) -> Estimate:
        """Return any functional over the output times."""
        values, budget = self.reading.read(functional)
        return Estimate(values, sum(budget.values(), np.zeros(values.size)), "refinement")

    def _certified(self, name: str) -> Estimate | None:
        return None if self.certificate is None else self.certificate.estimates.get(name)

    def budget(self, functional: Functional) -> Budget:
        """Return the parts of a functional's error: time, space, tail, rounding, ..."""
        return self.reading.read(functional)[1]

    def expectation(self, f: Callable[[Array, float], Array], name: str = "user") -> Estimate:
        """Return E f(x_tau, tau) over the output times.

        Parameters
        ----------
        f : callable
            ``f(x, tau)`` for points x of shape (n,), or (n, 2) in the plane, returning (n,).
        """
        return self.estimate(expectation(name, lambda x, log_p, tau: np.asarray(f(x, tau))))

    @cached_property
    def mass(self) -> Estimate:
        """Total probability: 1 up to the error, or the solution is wrong."""
        return self._certified("mass") or self.estimate(MASS)

    @cached_property
    def mean(self) -> Estimate:
        """Mean of x_tau, shape (m,); (m, 2) in the plane."""
        if (certified := self._certified("mean")) is not None:
            return certified
        if self.dimension == 1:
            return self.estimate(mean_along(0))
        return _stacked([self.estimate(mean_along(i)) for i in range(self.dimension)])

    @cached_property
    def covariance(self) -> Estimate:
        """Variance of x_tau, shape (m,); the covariance matrix, (m, 2, 2), in the plane."""
        if (certified := self._certified("covariance")) is not None:
            return certified
        if self.dimension == 1:
            return self.estimate(covariance_along(0, 0))
        axes = range(self.dimension)
        found = {(i, j): self.estimate(covariance_along(i, j)) for i in axes for j in range(i + 1)}
        return _stacked([_stacked([found[max(i, j), min(i, j)] for j in axes]) for i in axes])

    @cached_property
    def entropy(self) -> Estimate:
        """Differential entropy H = -E log p, in nats."""
        return self._certified("entropy") or self.estimate(ENTROPY)

    def _with_posterior(self, name: str) -> Any:
        if not hasattr(self.process, "log_posterior"):
            raise AttributeError(f"{name}: the process has no classifier (no log_posterior)")
        return self.process

    @cached_property
    def posterior_mass(self) -> Estimate:
        """Confidence E P_t(y|x_tau) at t = T - tau."""
        process = self._with_posterior("posterior_mass")
        return self._certified("posterior_mass") or self.estimate(posterior_mass(process))

    @cached_property
    def complement_mass(self) -> Estimate:
        """E[1 - P_t(y|x_tau)]: use it where the confidence rounds to 1."""
        process = self._with_posterior("complement_mass")
        return self._certified("complement_mass") or self.estimate(complement_mass(process))

    # -- densities -----------------------------------------------------------------------------
    def density(self, i: int) -> Density | PlaneDensity:
        """Return the density at output time ``taus[i]``."""
        return self.reading.density(range(len(self))[i])

    def log_density(self, x: ArrayLike, i: int = -1) -> tuple[Array, Array]:
        """Return log p(x) at output time ``taus[i]`` and its error, at any points.

        For characteristics by integrating backwards from the points to the start; for grid
        methods by interpolation, with an error that grows to inf where the density sinks below
        what the runs agree on.

        Parameters
        ----------
        x : array_like, shape (n,), or (n, 2) in the plane
        i : int

        Returns
        -------
        log_density, error : ndarray, shape (n,)
        """
        points = np.atleast_1d(np.asarray(x, dtype=float))
        index = range(len(self))[i]
        if self.method == "characteristics" and self.process is not None:
            from fokker_planck.methods.characteristics import backward_log_density

            return backward_log_density(self.process, points, float(self.taus[index]))
        log_p = self.density(index).log_pdf(points)
        return log_p, self.reading.pointwise_error(points, index)

    def marginal(self, axis: int, i: int = -1) -> Marginal:
        """Return the marginal density along an axis at output time ``taus[i]``, in the plane.

        A :class:`Density` on the line that knows its own errors: ``l1_error``, ``log_error(x)``,
        ``entropy``. Source: docs/theory.md, N8.

        Parameters
        ----------
        axis : {0, 1}
        i : int

        Raises
        ------
        ValueError
            In dimension one, or for another axis.
        """
        from fokker_planck.marginals import marginal

        return marginal(self.reading, axis, range(len(self))[i], self.process)

    def marginal_entropy(self, axis: int) -> Estimate:
        """Return the entropy of the marginal along an axis, in nats, one per output time.

        Raises
        ------
        ValueError
            In dimension one, or for another axis.
        """
        from fokker_planck.marginals import marginal_entropies

        return marginal_entropies(self.reading, axis, self.process)

    def distribution(self, i: int) -> tuple[Array, Array, float]:
        """Return nodes, the distribution function there, and an error uniform over the nodes.

        Raises
        ------
        ValueError
            In the plane.
        """
        index = range(len(self))[i]
        folded = getattr(self.reading, "distribution", None)
        if folded is not None and (found := folded(index)) is not None:
            points, values, error = found
            return points, values, error
        error = self.reading.distribution_error(index)
        density = self.density(index)
        assert isinstance(density, Density)
        return density.points, density.cdf(density.points), error

    @property
    def l1_error(self) -> Array:
        """Certified L1 error of the density, shape (m,): inf where nothing was certified."""
        return np.full(len(self), np.inf) if self.certificate is None else self.certificate.l1

    # -- files ---------------------------------------------------------------------------------
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the solution to a compressed file without pickle; read it with ``fp.load``."""
        from fokker_planck.storage import save

        save(self, path)

    def __repr__(self) -> str:
        last = len(self) - 1
        return (
            f"Solution(method={self.method!r}, tau={self.taus[last]:g}, "
            f"entropy={self.entropy[last]}, mass={self.mass[last]})"
        )


def _stacked(parts: list[Estimate]) -> Estimate:
    """Return estimates of shape (m, ...) as one, with a new axis after the first."""
    values, errors = (
        np.stack([np.asarray(getattr(part, name)) for part in parts], axis=1)
        for name in ("value", "error")
    )
    return Estimate(values, errors, parts[0].kind)
