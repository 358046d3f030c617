r"""The law of a chain with noise on the line: the Chapman-Kolmogorov operator, step by step.

.. math:: p_{k+1}(y) = \int N(y; M_k(x), C_k^2)\,p_k(x)\,dx
          \approx \sum_j \delta\,p_k(x_j)\,N(y; M_k(x_j), C_k^2) .

The sum is a positive law of its own, whatever the nodes; the trapezoid rule converges
geometrically, since every p_k is a Gaussian convolved with something (docs/theory.md, N11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from fokker_planck.chains.lattice import (
    Laws,
    Sources,
    as_sources,
    refined,
    spread,
    trimmed,
)
from fokker_planck.chains.resolution import Resolution
from fokker_planck.methods.base import SolverError
from fokker_planck.model import Chain, GaussianMixture

Array = NDArray[np.float64]
#: more point masses than this are not stepped
MOST_SOURCES = 1 << 22


@dataclass(frozen=True)
class GaussianSum:
    """A law known as a sum of Gaussians of one deviation, and what is missing from it.

    Parameters
    ----------
    sources : Sources
    deviation : float
    lost : ndarray, shape (rows,)
        Probability left off in the tails so far.
    resolution : Resolution
    """

    sources: Sources
    deviation: float
    lost: Array
    resolution: Resolution

    def on_lattice(self, spacing: float) -> Laws:
        """Return the densities on a lattice."""
        return spread(self.sources, self.deviation, spacing, self.resolution.reach)


def start_laws(law: GaussianMixture, rows: int, resolution: Resolution) -> tuple[Laws, float]:
    """Return the start on a lattice, once per row, and the probability beyond its ends."""
    means, deviations = law.means[:, 0], np.sqrt(law.covariances[:, 0, 0])
    spacing = resolution.cell * float(deviations.min())
    reach = resolution.reach + 1
    low, high = np.min(means - reach * deviations), np.max(means + reach * deviations)
    first, last = int(np.floor(low / spacing)), int(np.ceil(high / spacing))
    if (last - first) * rows > MOST_SOURCES:
        raise SolverError(f"chain: {(last - first) * rows} nodes needed for the start")
    values = np.exp(law.log_density(np.arange(first, last + 1) * spacing))
    beyond = ndtr((first * spacing - means) / deviations)
    beyond = beyond + ndtr((means - last * spacing) / deviations)
    offset = np.arange(rows + 1) * values.size
    laws = Laws(spacing, np.full(rows, first), offset, np.tile(values, rows))
    return laws, float(law.weights @ beyond)


def carry_steps(chain: Chain, steps: range, x: Array, strength: Any = None) -> tuple[Array, Array]:
    """Return the noise-free steps composed at points, and the derivative."""
    slope = np.ones_like(x)
    for k in steps:
        x, bend, _ = chain.step(k, x, strength)
        slope = slope * bend
    return x, slope


def noisy_laws(
    chain: Chain,
    resolution: Resolution,
    wanted: set[int],
    strengths: Array | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[int, GaussianSum]:
    """Return the laws after the wanted numbers of steps, each the last of which has noise.

    Parameters
    ----------
    chain : Chain
        On the line.
    resolution : Resolution
    wanted : set of int
        Numbers of steps made, at least 1.
    strengths : ndarray, shape (rows,), optional
        Constant strengths in place of the process's own: a row each.
    progress : callable, optional
        ``progress(k)`` after step k.

    Raises
    ------
    SolverError
        If the law needs too many nodes or a step leaves the numbers.
    """
    rows = 1 if strengths is None else strengths.size
    laws, beyond = start_laws(chain.initial, rows, resolution)
    lost = np.full(rows, beyond)
    deviation = laws.spacing / resolution.cell
    out = {}
    begin = 0
    for k in range(max(wanted)):
        amplitude = float(chain.noise[k])
        if amplitude <= 0:  # carried on with the next noisy step
            continue
        sources = _sources(chain, range(begin, k + 1), laws, deviation, resolution, strengths)
        begin, deviation = k + 1, amplitude
        found = GaussianSum(sources, deviation, lost, resolution)
        if k + 1 in wanted:
            out[k + 1] = found
        if k + 1 < max(wanted):
            laws, cut = trimmed(found.on_lattice(resolution.cell * deviation), resolution.cut)
            lost = lost + cut
        if progress is not None:
            progress(k)
    return out


def _sources(
    chain: Chain,
    steps: range,
    laws: Laws,
    deviation: float,
    resolution: Resolution,
    strengths: Array | None,
) -> Sources:
    """Return the point masses after the noise-free part of a step."""
    row = laws.row
    eta = None if strengths is None else strengths[row]
    moved, slope = carry_steps(chain, steps, laws.points, eta)
    steepness = np.abs(slope) * deviation / float(chain.noise[steps[-1]])
    counts = laws.values * laws.spacing > 1e-2 * resolution.cut
    least = float(np.exp(-resolution.exponent))
    rate = chain.roughness(steps[-1], laws.points, slope, least) if len(steps) == 1 else 0 * row
    cuts = resolution.parts_of_rate(1.0) * laws.spacing * rate
    steep = ((steepness > resolution.steepest) | (cuts > 1)) & counts
    if not steep.any():
        start = as_sources(laws)
    else:
        needed = resolution.parts(1.1 * float(steepness[counts].max()))
        parts = _rounded(max(needed, int(np.ceil(cuts[counts].max()))))
        if float(steep.sum()) * parts > MOST_SOURCES:
            raise SolverError(
                f"chain: step {steps[-1]} is too steep for its noise, "
                f"{float(steep.sum()) * parts:.1e} nodes needed"
            )
        start = refined(laws, steep, parts, resolution)
        eta = None if strengths is None else strengths[start.row]
        moved, _ = carry_steps(chain, steps, start.points, eta)
    if not np.all(np.isfinite(moved)):
        raise SolverError(f"chain: step {steps[-1]} gave no number")
    return Sources(moved, start.mass, start.row, start.n_rows)


def _rounded(parts: int) -> int:
    """Return a number of parts that many steps share, at least this."""
    parts = max(parts, 2)
    while parts & (parts - 1) and (parts % 3 or (parts // 3) & (parts // 3 - 1)):
        parts += 1
    return parts
