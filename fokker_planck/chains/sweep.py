"""One chain on the line at many strengths: ``chain_sweep(chain, strengths) -> ChainSweep``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.chains.lattice import as_sources, refined, trimmed
from fokker_planck.chains.line import last_noise
from fokker_planck.chains.noisy import GaussianSum, carry_steps, noisy_laws
from fokker_planck.chains.resolution import Resolution
from fokker_planck.chains.sweep_push import pushed_rows
from fokker_planck.estimate import Estimate
from fokker_planck.model import Chain
from fokker_planck.model.checks import real_array, real_number, shown

Array = NDArray[np.float64]
#: exponents of the two resolutions differ by this, and exceed -log(tol) by at least that
APART, SPARE = 2.0, 4.0
#: nodes that a law is read on, times the rate of the posterior there
READ = 0.3
NAMES = ("mass", "mean", "variance", "posterior_mass", "entropy")


@dataclass(frozen=True, eq=False)
class ChainSweep:
    """Output laws of one chain at many constant strengths.

    Attributes
    ----------
    chain : Chain
    strengths : ndarray, shape (n,)
    mass, mean, variance, posterior_mass, entropy : Estimate, shape (n,)
        Errors from two resolutions (kind "refinement"). Where a noise-free last step folds, or
        follows noise, the entropy is not known (inf) or a bracket.
    seconds : float
    """

    chain: Chain
    strengths: Array
    mass: Estimate
    mean: Estimate
    variance: Estimate
    posterior_mass: Estimate
    entropy: Estimate
    seconds: float = field(default=0.0, compare=False)


def chain_sweep(chain: Chain, strengths: ArrayLike, tol: float = 1e-4) -> ChainSweep:
    """Return the output laws of a chain at many strengths, which are stepped together.

    Parameters
    ----------
    chain : Chain
        On the line, of a process that is linear in its strength (ConstantStrength).
    strengths : array_like, shape (n,)
        In place of the strength of the chain's process.
    tol : float
        Wanted error of the confidence.

    Returns
    -------
    ChainSweep

    Raises
    ------
    ValueError
        If the chain does not fit, or a strength is negative.
    SolverError
        If a law needs too many nodes.

    Notes
    -----
    Source: docs/theory.md, N11. Cells of 1 ms and less at ``tol`` 1e-4.
    """
    if not isinstance(chain, Chain) or chain.dimension != 1:
        raise ValueError(f"chain must be a Chain in dimension 1, got {shown(chain)}")
    process: Any = chain.process
    if chain._line is None or chain._line.frozen is None or not hasattr(process, "log_posterior"):
        raise ValueError(
            "chain must have a class of one Gaussian and linear guidance, got "
            f"{shown(chain.process)}"
        )
    eta = np.atleast_1d(real_array("strengths", strengths))
    if eta.ndim != 1 or eta.size == 0 or np.any(eta < 0):
        raise ValueError(f"strengths must be a list of numbers >= 0, got {shown(strengths)}")
    tol = real_number("tol", tol, minimum=0.0, strict=True)
    started = time.perf_counter()
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        before = last_noise(chain, chain.n_steps)
        if before == 0:
            found = pushed_rows(chain, eta, tol)
        else:
            found = _noisy_rows(chain, eta, tol, before)
    estimates = {name: Estimate(*found[name]) for name in NAMES}
    return ChainSweep(chain, eta, **estimates, seconds=time.perf_counter() - started)


def _noisy_rows(chain: Chain, eta: Array, tol: float, before: int) -> dict[str, Any]:
    """Return values and errors of every functional, by rows."""
    exponent = float(np.clip(np.log(1 / tol) + SPARE, 8.0, 34.0))
    laws = [
        noisy_laws(chain, Resolution(e), {before}, strengths=eta)[before]
        for e in (exponent, exponent - APART)
    ]
    steps = range(before, chain.n_steps)
    if len(steps):
        return _after_push(chain, laws, eta, steps)
    return _on_one_lattice(chain, laws[0], laws[1], eta)


def _on_one_lattice(
    chain: Chain, best: GaussianSum, coarse: GaussianSum, eta: Array
) -> dict[str, Any]:
    process: Any = chain.process
    spacing = 0.5 * best.resolution.cell * best.deviation
    spacing = min(spacing, READ / _posterior_rate(process, chain.horizon))
    fine, rough = best.on_lattice(spacing), coarse.on_lattice(spacing)
    row, x, starts = fine.row, fine.points, fine.offset[:-1]
    node = np.rint(x / spacing).astype(np.intp)
    place = node - rough.first[row]
    inside = (place >= 0) & (place < np.diff(rough.offset)[row])
    other = np.zeros_like(fine.values)
    other[inside] = rough.values[(place + rough.offset[row])[inside]]
    mass, gap = fine.values * spacing, np.abs(other - fine.values) * spacing

    def total(f: Array) -> Array:
        return np.asarray(np.add.reduceat(f, starts))

    logs = -np.log(np.maximum(fine.values, np.finfo(float).tiny))
    centred = x - total(mass * x)[row]
    functions = {
        "mass": np.ones_like(x),
        "mean": x,
        "variance": centred**2,
        "posterior_mass": np.exp(process.log_posterior(x, chain.horizon)),
        "entropy": logs,
    }
    ends = np.stack([starts, fine.offset[1:] - 1])
    defect = np.abs(total(mass) - 1) + total(gap)
    out = {}
    for name, f in functions.items():
        products = mass * f
        value = total(products)
        weight = np.abs(f - value[row]) if name != "mass" else f
        strided = [
            np.abs(skip * total(np.where((node - first) % skip == 0, products, 0.0)) - value)
            for skip, first in ((2, 0), (2, 1), (3, 0))
        ]
        tail = 2 * best.lost * (np.max(weight[ends], axis=0) if name != "posterior_mass" else 1)
        # the constant that the influence lacks counts with the defect of the mass
        out[name] = (
            value,
            total(gap * weight) + np.max(strided, axis=0) + tail + defect * np.abs(value),
        )
    return out


def _after_push(chain: Chain, laws: list[GaussianSum], eta: Array, steps: range) -> dict[str, Any]:
    """Return the same after noise-free last steps: means over the law before them."""
    process: Any = chain.process
    found = []
    for closer, law in ((4, laws[0]), (2, laws[0]), (4, laws[1])):
        lattice, _ = trimmed(
            law.on_lattice(law.resolution.cell * law.deviation), law.resolution.cut
        )
        everywhere = np.ones(lattice.values.size, dtype=bool)
        parts = closer * _last_parts(chain, lattice, steps, eta, law)
        sources = (
            refined(lattice, everywhere, parts, law.resolution)
            if parts > 1
            else (as_sources(lattice))
        )
        x, _ = carry_steps(chain, steps, sources.points, eta[sources.row])
        starts = np.searchsorted(sources.row, np.arange(eta.size))
        mass = sources.mass
        mean = np.add.reduceat(mass * x, starts)
        confidence = np.exp(process.log_posterior(x, chain.horizon))
        functions = [np.ones_like(x), x, (x - mean[sources.row]) ** 2, confidence]
        found.append([np.add.reduceat(mass * f, starts) for f in functions])
        largest = [np.maximum.reduceat(np.abs(f), starts) for f in functions]
    out: dict[str, Any] = {}
    for i, name in enumerate(NAMES[:-1]):
        value = found[0][i]
        change = np.abs(found[1][i] - value) + np.abs(found[2][i] - value)
        out[name] = (value, 2 * change + 2 * (laws[0].lost + laws[0].resolution.cut) * largest[i])
    out["entropy"] = (np.full(eta.size, np.nan), np.full(eta.size, np.inf))
    return out


def _last_parts(chain: Chain, lattice: Any, steps: range, eta: Array, law: GaussianSum) -> int:
    """Return how much closer nodes have to be for the posterior after the last steps."""
    process: Any = chain.process
    _, slope = carry_steps(chain, steps, lattice.points, eta[lattice.row])
    rate = _posterior_rate(process, chain.horizon)
    return max(1, int(np.ceil(float(np.abs(slope).max()) * rate * lattice.spacing / 2)))


def _posterior_rate(process: Any, tau: float) -> float:
    """Return the fastest rate at which the posterior changes at a reverse time."""
    t = process.forward_time(tau)
    means, least = process.mixture.means[:, 0], float(process.mixture.variances.min())
    r, v = float(process.schedule.signal(t)), float(process.schedule.variance(t))
    spread = r * r * least + v
    return float(r * np.ptp(means) / spread + 1 / np.sqrt(spread))
