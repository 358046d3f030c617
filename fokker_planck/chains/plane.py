r"""The law of a chain with noise in the plane: one non-uniform transform per step.

.. math:: \hat p_{k+1}(\xi) = e^{-C_k^2 |\xi|^2/2} \int p_k(x)\, e^{-i \xi \cdot M_k(x)}\,dx

on a lattice as close as the transform of the law needs; docs/theory.md, N11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.chains.line import last_noise
from fokker_planck.chains.plane_push import grid_push, start_push
from fokker_planck.chains.resolution import MARGIN, POLE, Resolution
from fokker_planck.chains.transform import Frame, frame_over, transform, values_of
from fokker_planck.functionals import watched
from fokker_planck.methods.base import SolverError
from fokker_planck.model import Chain
from fokker_planck.readings import GridReading
from fokker_planck.runs import Reading, grid_run

Array = NDArray[np.float64]
#: exponents of the two resolutions differ by this
APART = 3.0
SPARE, LARGEST_EXPONENT = 9.0, 30.0
#: most nodes that are stepped, and that a law is read on
MOST_NODES, MOST_READ = 1 << 20, 1 << 20
#: the highest wave of a law may grow by this in a step before it is looked at again
GROWTH = 1.4


@dataclass(frozen=True)
class PlaneLaw:
    """Point masses whose sum of Gaussians is a law.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
    mass : ndarray, shape (n,)
    deviation : float
    band : float
        Frequency beyond which nothing is left.
    lost : float
    resolution : Resolution
    """

    points: Array
    mass: Array
    deviation: float
    band: float
    lost: float
    resolution: Resolution

    def box(self) -> tuple[Array, Array]:
        """Return the corners of a box that holds the law."""
        reach = self.resolution.reach * self.deviation
        return self.points.min(axis=0) - reach, self.points.max(axis=0) + reach

    def spectrum(self, frame: Frame) -> NDArray[np.complex128]:
        """Return the law's transform at the frequencies of a frame."""
        width = int(np.ceil(self.resolution.exponent / 2.3)) + 4
        first, second = (np.exp(-0.5 * (self.deviation * k) ** 2) for k in frame.waves)
        return transform(self.points, self.mass, frame, width) * np.outer(first, second)


def plane_laws(
    chain: Chain,
    resolution: Resolution,
    wanted: set[int],
    progress: Callable[[int], None] | None = None,
) -> dict[int, PlaneLaw]:
    """Return the laws after the wanted numbers of steps, each the last of which has noise."""
    values, frame, lost = _start(chain, resolution)
    band = np.pi / (MARGIN * frame.spacing)
    begin, out = 0, {}
    for k in range(max(wanted)):
        if chain.noise[k] <= 0:
            continue
        steps = range(begin, k + 1)
        law, spectrum, wide = _step(chain, steps, values, frame, band, lost, resolution)
        begin, lost, band = k + 1, law.lost, law.band
        if k + 1 in wanted:
            out[k + 1] = law
        if k + 1 < max(wanted):
            shape = _shape_for(band, wide)
            values = values_of(spectrum, wide, shape)
            period = wide.spacing * wide.shape[0]
            frame = Frame(wide.origin, period / shape[0], shape)
        if progress is not None:
            progress(k)
    return out


def _start(chain: Chain, resolution: Resolution) -> tuple[Array, Frame, float]:
    law = chain.initial
    deviation = float(np.sqrt(law.variances.min()))
    reach = (resolution.reach + 1) * np.sqrt(law.variances.max())
    spacing = resolution.cell * deviation
    low, high = law.means.min(axis=0) - reach, law.means.max(axis=0) + reach
    if np.prod((high - low) / spacing) > MOST_NODES:
        raise SolverError("chain: too many nodes needed for the start in the plane")
    frame = frame_over(low, high, spacing)
    values = np.exp(law.log_density(frame.points)).reshape(frame.shape)
    return values, frame, float(np.exp(-resolution.exponent) * 1e-2)


def _shape_for(band: float, frame: Frame) -> tuple[int, int]:
    """Return how many nodes along both axes carry a band over the periods of a frame.

    Both axes keep one spacing: their counts shrink by one factor.
    """
    share = min(1.0, MARGIN * band * frame.spacing / np.pi)
    # a common divisor keeps the spacings equal
    blocks = int(np.gcd(*frame.shape))
    kept = max(1, int(np.ceil(share * blocks / 2))) * 2 if blocks % 2 == 0 else blocks
    kept = min(kept, blocks)
    return frame.shape[0] // blocks * kept, frame.shape[1] // blocks * kept


def _carry(chain: Chain, steps: range, x: Array) -> Array:
    for k in steps:
        x = chain.plane_step(k, x, jacobian=False)[0]
    return x


def _steepness(moved: Array, shape: tuple[int, int], spacing: float, counts: Any) -> float:
    """Return the largest stretching of the step between nodes that count."""
    grid = moved.reshape(*shape, 2)
    used = counts.reshape(shape)
    both = [used[1:] & used[:-1], used[:, 1:] & used[:, :-1]]
    size = [np.linalg.norm(np.diff(grid, axis=a), axis=-1)[both[a]] for a in (0, 1)]
    return float(max(item.max(initial=0.0) for item in size)) / spacing


def _step(
    chain: Chain,
    steps: range,
    values: Array,
    frame: Frame,
    band: float,
    lost: float,
    resolution: Resolution,
) -> tuple[PlaneLaw, NDArray[np.complex128], Frame]:
    """Return the law after noise-free steps and one with noise, its spectrum and frame."""
    deviation = float(chain.noise[steps[-1]])
    highest = np.sqrt(2 * resolution.exponent) / deviation
    moved = _carry(chain, steps, frame.points)
    least = resolution.cut / values.size / frame.spacing**2
    steep = 1.1 * _steepness(moved, frame.shape, frame.spacing, values > least) * np.sqrt(2)
    top = min(highest, GROWTH * band)
    rate = _rate(chain, steps[-1])
    while True:
        # the nodes carry the band of the law and of the wave seen through the step
        parts = int(np.ceil(frame.spacing * (band + steep * top) / (2 * np.pi)))
        parts = max(
            parts, int(np.ceil(frame.spacing * rate * resolution.exponent / (2 * np.pi * POLE)))
        )
        if values.size * parts**2 > MOST_NODES:
            raise SolverError(f"chain: step {steps[-1]} is too steep for its noise in the plane")
        points, mass = frame.points, values.ravel() * frame.spacing**2
        if parts > 1:
            shape = (frame.shape[0] * parts, frame.shape[1] * parts)
            spectrum = np.fft.fft2(values) * frame.spacing**2
            fine = values_of(spectrum, frame, shape)
            closer = Frame(frame.origin, frame.spacing / parts, shape)
            points, mass = closer.points, fine.ravel() * closer.spacing**2
        kept = _worth_it(mass, 10 * resolution.cut)
        image = _carry(chain, steps, points[kept])
        if not np.all(np.isfinite(image)):
            raise SolverError(f"chain: step {steps[-1]} gave no number")
        off = float(np.abs(mass[~kept]).sum())
        law = PlaneLaw(image, mass[kept], deviation, top, lost + off, resolution)
        wide = _square(frame_over(*law.box(), np.pi / (MARGIN * top)))
        if wide.shape[0] * wide.shape[1] > MOST_NODES:
            raise SolverError("chain: the law is too wide for its noise in the plane")
        spectrum = law.spectrum(wide)
        size = np.abs(spectrum) > np.exp(-resolution.exponent)
        waves = [np.abs(k) for k in wide.waves]
        found = max(
            float(waves[0][size.any(axis=1)].max(initial=0.0)),
            float(waves[1][size.any(axis=0)].max(initial=0.0)),
        )
        if found < 0.97 * top or top >= highest:
            law = PlaneLaw(
                image, mass[kept], deviation, min(found * 1.02, top), law.lost, resolution
            )
            return law, spectrum, wide
        top = min(highest, GROWTH * top)


def _worth_it(mass: Array, least: float) -> NDArray[np.bool_]:
    """Return which masses to keep: all but the smallest ones that sum to ``least``.

    Noise far out would widen the box of the next law, and that of the one after it.
    """
    size = np.abs(mass)
    order = np.argsort(size)
    kept = np.ones(mass.size, dtype=bool)
    kept[order[np.cumsum(size[order]) <= least]] = False
    return kept


def _square(frame: Frame) -> Frame:
    """Return a frame that holds another and whose counts have a large common divisor."""
    block = 16 if max(frame.shape) <= 512 else 32
    unit = [-(-n // block) * block for n in frame.shape]
    extra = 0.5 * frame.spacing * (np.array(unit) - np.array(frame.shape))
    return Frame(frame.origin - extra, frame.spacing, (unit[0], unit[1]))


def _rate(chain: Chain, k: int) -> float:
    """Return the fastest rate at which posteriors change their logarithms at a step."""
    process: Any = chain.process
    mixture = getattr(process, "mixture", None)
    if mixture is None or getattr(process, "strength", 1.0) == 0:
        return 0.0
    t = process.forward_time(float(chain.tau[k]))
    r, v = float(process.schedule.signal(t)), float(process.schedule.variance(t))
    spread = r * r * float(mixture.variances.min()) + v
    means = mixture.means[mixture.weights > 0]
    widest = np.linalg.norm(means[:, None] - means, axis=-1).max()
    return r * float(widest) / spread


def grid_reading(
    chain: Chain, best: PlaneLaw, coarse: PlaneLaw, tau: float, tol: float
) -> GridReading:
    """Return the reading of a law on one lattice for both resolutions."""
    corners = [law.box() for law in (best, coarse)]
    low = np.minimum(corners[0][0], corners[1][0])
    high = np.maximum(corners[0][1], corners[1][1])
    frame = frame_over(low, high, np.pi / (MARGIN * max(best.band, coarse.band)))
    spectra = [law.spectrum(frame) for law in (best, coarse)]
    reading, closer = None, 2
    while True:
        shape = (frame.shape[0] * closer, frame.shape[1] * closer)
        if reading is not None and shape[0] * shape[1] > MOST_READ:
            break
        fine = Frame(frame.origin, frame.spacing / closer, shape)
        area = fine.spacing**2
        found, other = (values_of(spectrum, frame, shape).reshape(1, -1) for spectrum in spectra)
        run = grid_run(np.array([tau]), fine.points[None], found, np.full(found.shape, area), shape)
        reading = GridReading(run, {"resolution": other * area}, np.array([best.lost]))
        parts = [reading.read(item)[1]["quadrature"] for item in watched(chain.process)]
        if max(float(part[0]) for part in parts) <= 0.1 * tol:
            break
        closer *= 2
    return reading


def plane_readings(
    chain: Chain, nodes: list[int], tol: float, progress: Callable[[int], None] | None = None
) -> tuple[list[Reading], dict[str, Any]]:
    """Return the law at nodes of a chain in the plane, and what it cost."""
    wanted = {last_noise(chain, node) for node in nodes} - {0}
    exponent = float(np.clip(np.log(1 / tol) + SPARE, 12.0, LARGEST_EXPONENT))
    best: dict[int, PlaneLaw] = {}
    coarse: dict[int, PlaneLaw] = {}
    if wanted:
        best = plane_laws(chain, Resolution(exponent), wanted, progress)
        coarse = plane_laws(chain, Resolution(exponent - APART), wanted)
    readings: list[Reading] = []
    for node in nodes:
        before, tau = last_noise(chain, node), float(chain.tau[node])
        steps = range(before, node)
        if before == 0:
            readings.append(start_push(chain, steps, tau, tol))
        elif before == node:
            readings.append(grid_reading(chain, best[node], coarse[node], tau, tol))
        else:
            here = float(chain.tau[before])
            law = grid_reading(chain, best[before], coarse[before], here, tol)
            readings.append(grid_push(chain, steps, law, tau))
    sizes = [reading.best.mass.size for reading in readings]
    return readings, {"steps": chain.n_steps, "nodes": max(sizes)}
