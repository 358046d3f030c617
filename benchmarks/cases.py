"""The four reference cases, their drift written out for grids, and functionals by plain sums.

Peers get the drift in the cheapest form there is: with identity covariances the posterior ratios
are products of one exponential per axis, so a tensor grid of n x n points costs 2 n exponentials
per component. ``check`` holds it against ``fokker_planck``, the definition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

import fokker_planck as fp

Array = NDArray[np.float64]
HORIZON = 5.0


def _ring(radius: float, degrees: tuple[float, ...]) -> Array:
    angle = np.deg2rad(degrees)
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


@dataclass(frozen=True, eq=False)
class Case:
    """One reference case: equal weights, identity covariances, start N(0, I), horizon 5.

    ``entropy`` and ``posterior_mass`` are the references, right to ``reference_error``; ``box``
    has one (low, high) per axis, wide enough that what lies outside does not show at 1e-7, and
    ``wide_box`` the same at 1e-11.
    """

    name: str
    means: Array  # (K, d)
    target: int
    strength: float
    sampler: str
    entropy: float
    posterior_mass: float
    reference_error: float
    box: tuple[tuple[float, float], ...]
    wide_box: tuple[tuple[float, float], ...]
    label: str = field(default="")

    @property
    def dimension(self) -> int:
        return int(self.means.shape[1])

    @property
    def noise(self) -> float:
        """The square of the noise level: 1 for the SDE, 0 for the ODE; also the diffusivity."""
        return 1.0 if self.sampler == "sde" else 0.0

    @cached_property
    def process(self) -> fp.ReverseProcess:
        k = len(self.means)
        means = self.means[:, 0] if self.dimension == 1 else self.means
        return fp.reverse_process(
            fp.GaussianMixture(np.full(k, 1 / k), means),
            self.target,
            strength=self.strength,
            sampler=self.sampler,
            horizon=HORIZON,
        )

    @cached_property
    def gaps(self) -> Array:
        """v_k = mu_y - mu_k over the other components, shape (K - 1, d)."""
        return self.means[self.target] - np.delete(self.means, self.target, axis=0)

    @cached_property
    def offsets(self) -> Array:
        """(|mu_y|^2 - |mu_k|^2) / 2, shape (K - 1,)."""
        squares = np.sum(self.means**2, axis=1)
        return 0.5 * (squares[self.target] - np.delete(squares, self.target))

    def ratios(self, axes: list[Array], r: float) -> list[Array]:
        """Return P_k / P_y on the tensor grid of ``axes`` at signal r, one array per k != y."""
        found = []
        for gap, offset in zip(self.gaps, self.offsets, strict=True):
            factors = [np.exp(-r * g * x) for g, x in zip(gap, axes, strict=True)]
            factors[0] = factors[0] * np.exp(r * r * offset)
            found.append(factors[0] if len(factors) == 1 else np.multiply.outer(*factors))
        return found

    def drift(self, axes: list[Array], tau: float) -> list[Array]:
        """Return the components of b on the tensor grid of ``axes``, each of the grid's shape."""
        r = np.exp(tau - HORIZON)
        c = 1.0 + self.noise
        ratios = self.ratios(axes, r)
        share = (c * self.strength * r) / (1.0 + sum(ratios))
        out = []
        for i, x in enumerate(axes):
            pull = sum(gap[i] * ratio for gap, ratio in zip(self.gaps, ratios, strict=True))
            linear = (1.0 - c) * x + c * r * self.means[self.target, i]
            shape = tuple(-1 if j == i else 1 for j in range(len(axes)))
            out.append(pull * share + linear.reshape(shape))
        return out

    def start(self, axes: list[Array]) -> Array:
        """Return the initial density N(0, I) on the tensor grid."""
        bells = [np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi) for x in axes]
        return bells[0] if len(bells) == 1 else np.multiply.outer(*bells)

    def functionals(self, axes: list[Array], density: Array) -> tuple[float, float]:
        """Return entropy and posterior mass at the output by sums over a uniform grid."""
        cell = float(np.prod([x[1] - x[0] for x in axes]))
        # x log|x| is the smooth way across zero: nothing is clipped, nothing renormalised
        size = np.maximum(np.abs(density), 1e-300)
        posterior = 1.0 / (1.0 + sum(self.ratios(axes, 1.0)))
        entropy = -cell * float(np.sum(density * np.log(size)))
        return entropy, cell * float(np.sum(density * posterior))

    def true_error(self, entropy: float, posterior_mass: float) -> float:
        """Return the larger error of the two functionals, not below that of the references."""
        found = max(abs(entropy - self.entropy), abs(posterior_mass - self.posterior_mass))
        return max(found, self.reference_error) if np.isfinite(found) else np.inf

    def check(self) -> float:
        """Return the largest difference between the drift above and the project's own."""
        axes = [np.linspace(low, high, 23) for low, high in self.box]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        worst = 0.0
        for tau in (0.0, 2.2, 4.1, HORIZON):
            ours = self.process.drift(points, tau)
            for i, b in enumerate(self.drift(axes, tau)):
                worst = max(worst, float(np.max(np.abs(b - ours[..., i]))))
        return worst


def cells(box: tuple[tuple[float, float], ...], step: float) -> list[Array]:
    """Return cell centres of width about ``step`` that fill the box, one array per axis."""
    axes = []
    for low, high in box:
        n = max(8, round((high - low) / step))
        axes.append(low + (high - low) * (np.arange(n) + 0.5) / n)
    return axes


_PAIR = np.array([[-1.0], [1.0]])
_TRIANGLE = _ring(2.0, (90.0, 210.0, 330.0))
CASES = {
    case.name: case
    for case in (
        Case(
            "A1", _PAIR, 1, 3.0, "sde", 1.0942411700358, 0.9556945098651344, 5e-14,
            ((-5.6, 7.4),), ((-7.5, 9.0),), "1-D SDE, two components, strength 3",
        ),
        Case(
            "B1", _PAIR, 1, 3.0, "ode", 0.8638965375192595, 0.9839508357932931, 5e-15,
            ((-5.6, 7.4),), ((-7.5, 9.0),), "1-D ODE, two components, strength 3",
        ),
        Case(
            "C", _TRIANGLE, 0, 2.0, "sde", 2.52154862020, 0.98875846964220, 5e-12,
            ((-5.6, 5.6), (-5.6, 8.0)), ((-7.0, 7.0), (-7.0, 9.5)),
            "2-D SDE, three components, strength 2",
        ),
        Case(
            "D", _TRIANGLE, 0, 2.0, "ode", 2.05887527068599, 0.999389786718084, 5e-14,
            ((-5.6, 5.6), (-5.6, 8.0)), ((-7.0, 7.0), (-7.0, 9.5)),
            "2-D ODE, three components, strength 2",
        ),
    )
}  # fmt: skip
