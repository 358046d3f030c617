"""How two paths share their randomness: the joint law of the starts and of the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtr

from fokker_planck.model import Dynamics, GaussianMixture, atoms
from fokker_planck.model.checks import one_of, real_array, shown
from sde_compare.engine import Runner, Stepper, Track, block_size, block_start
from sde_compare.reflection import MirrorRunner, check_noise
from sde_compare.rules import check_rule

Array = NDArray[np.float64]
COUPLINGS = ("synchronous", "reflection", "antithetic", "monotone")
BISECTIONS = 64  # beyond these a bracket of doubles has no middle


@dataclass(frozen=True, eq=False)
class Pairing:
    """A coupling, and the two laws that it starts from.

    Attributes
    ----------
    coupling : {"synchronous", "reflection", "antithetic", "monotone"}
    law_a, law_b : GaussianMixture
        The laws of the starting points.
    given : bool
        Whether the laws were given in place of the processes' own.
    """

    coupling: str
    law_a: GaussianMixture
    law_b: GaussianMixture
    given: bool = False

    @property
    def together(self) -> bool:
        """Whether both paths start from one point."""
        return self.coupling != "antithetic" and self.law_a.spec() == self.law_b.spec()

    def content(self) -> list[Any]:
        """Return what random streams depend on beside the processes; empty for the plain case."""
        if self.coupling == "synchronous" and not self.given:
            return []
        return [[self.coupling, self.law_a.spec(), self.law_b.spec()]]

    def tracks(
        self, processes: Sequence[Dynamics], tau: Array, rule: str, stride: int
    ) -> list[Track]:
        """Return the tracks of both processes at one step size."""
        turned = -1.0 if self.coupling == "antithetic" else 1.0
        pair = [
            Track(process, tau, rule, stride, sign)
            for process, sign in zip(processes, (1.0, turned), strict=True)
        ]
        if self.coupling == "reflection":
            check_noise(*pair)
        return pair

    def starts(self, process: Dynamics, rng: Generator) -> tuple[Array, Array]:
        """Draw the starting points of a block, each of shape (n,) in 1-D, else (n, d)."""
        if self.together and not self.given:
            x = block_start(process, rng)
            return x, x
        d = self.law_a.dimension
        z = rng.standard_normal((block_size(d), d))
        u = rng.random(len(z))
        if self.coupling == "monotone":
            return quantiles(self.law_a, z[:, 0]), quantiles(self.law_b, z[:, 0])
        other = (-z, 1.0 - u) if self.coupling == "antithetic" else (z, u)
        return placed(self.law_a, z, u), placed(self.law_b, *other)

    def steppers(self, tracks: Sequence[Track], x: Array, y: Array) -> list[Stepper]:
        """Return what steps the block from its starts, for pairs of tracks."""
        out: list[Stepper] = []
        for first, second in zip(tracks[::2], tracks[1::2], strict=True):
            if self.coupling == "reflection":
                out.append(MirrorRunner(first, second, x, y))
            else:
                out += [Runner(first, x), Runner(second, y)]
        return out


def make_pairing(
    process_a: Dynamics, process_b: Dynamics, rule: str, coupling: str, starts: Any = None
) -> Pairing:
    """Return the pairing of two processes, or refuse it.

    Raises
    ------
    ValueError
        Naming what differs between the processes, or what the coupling does not allow.
    """
    one_of("coupling", coupling, COUPLINGS)
    processes = (process_a, process_b)
    for process in processes:
        check_rule(process, rule)
    for name in ("dimension", "horizon"):
        a, b = getattr(process_a, name), getattr(process_b, name)
        if a != b:
            raise ValueError(f"{name} must be the same for both processes, got {a} and {b}")
    if coupling == "monotone" and process_a.dimension > 1:
        raise ValueError(f"dimension must be 1 for a monotone coupling, got {process_a.dimension}")
    if coupling == "reflection":
        for process in processes:
            if process.deterministic:
                field = "noise_level" if hasattr(process, "noise_level") else "noise"
                raise ValueError(f"{field} must be positive for a reflection coupling, got 0")
    own = (process_a.initial, process_b.initial)
    laws = own if starts is None else _laws(starts, process_a.dimension)
    given = any(law.spec() != mine.spec() for law, mine in zip(laws, own, strict=True))
    if coupling == "synchronous" and not given and own[0].spec() != own[1].spec():
        if starts is None:
            raise ValueError(
                f"initial must be the same for both processes, "
                f"got {shown(own[0])} and {shown(own[1])}"
            )
        given = True
    return Pairing(coupling, *laws, given)


def _laws(starts: Any, dimension: int) -> tuple[GaussianMixture, GaussianMixture]:
    """Return two laws from two laws or points."""
    wanted = f"starts must be two laws or points in dimension {dimension}, got {shown(starts)}"
    try:
        pair = list(starts)
    except TypeError:
        raise ValueError(wanted) from None
    laws = []
    for start in pair:
        if not isinstance(start, GaussianMixture):
            start = atoms(np.atleast_1d(real_array("starts", start))[None], [1.0])
        laws.append(start)
    if len(laws) != 2 or any(law.dimension != dimension for law in laws):
        raise ValueError(wanted)
    return laws[0], laws[1]


def placed(law: GaussianMixture, z: Array, u: Array) -> Array:
    """Return points of a mixture from normals (n, d) and uniforms (n,): u picks the component."""
    edges = np.cumsum(law.weights)
    chosen = np.searchsorted(edges, u * edges[-1], side="right")
    chosen = np.minimum(chosen, law.n_components - 1)
    roots = law.axes * np.sqrt(law.variances)[:, None, :]
    points = law.means[chosen] + np.einsum("nij,nj->ni", roots[chosen], z)
    return np.ascontiguousarray(points[:, 0] if law.dimension == 1 else points)


def quantiles(law: GaussianMixture, z: Array) -> Array:
    r"""Return the quantiles of a 1-D mixture at levels Phi(z), shape (n,).

    The least x with :math:`\sum_k w_k \Phi((x - \mu_k)/\sigma_k) \ge \Phi(z)`, by bisection
    between the least and largest of the components' own quantiles; nondecreasing in z, up to
    rounding. Above the median the upper tails are compared, which keep their digits.
    """
    mean, deviation = law.means[:, 0], np.sqrt(law.variances[:, 0])
    own = mean + deviation * z[:, None]
    low, high = own.min(axis=1), own.max(axis=1)
    if law.n_components == 1:
        return high
    upper = z > 0
    sign = np.where(upper, -1.0, 1.0)
    level = ndtr(sign * z)
    flat = deviation == 0
    scale = np.where(flat, 1.0, deviation)

    def reached(x: Array, closed: bool = True) -> NDArray[np.bool_]:
        """Whether F(x) >= Phi(z); not closed: F(x-)."""
        gap = x[:, None] - mean
        steep = np.where((gap > 0) | ((gap == 0) & closed), np.inf, -np.inf)
        tail = ndtr(sign[:, None] * np.where(flat, steep, gap / scale)) @ law.weights
        return np.where(upper, tail <= level, tail >= level)

    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        enough = reached(middle)
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle)
    places = np.sort(mean[flat])
    near = np.searchsorted(places, high)
    for i in (near - 1, near) if flat.any() else ():  # bisection ends next to a point mass
        at = places[np.clip(i, 0, len(places) - 1)]
        before = reached(at, closed=False)
        beyond = np.where(reached(at), at, np.maximum(high, at))
        high = np.where(before, np.minimum(high, at), beyond)
    return high
