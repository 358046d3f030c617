"""The law of a chain on the line at some of its nodes, with errors (docs/theory.md, N11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.chains.noisy import GaussianSum, noisy_laws
from fokker_planck.chains.panels import Image, adapted, carried, halves, panel_nodes
from fokker_planck.chains.pushed import PushedReading, pushed_reading
from fokker_planck.chains.resolution import Resolution
from fokker_planck.chains.starts import MixtureStart, StartLaw, SumStart
from fokker_planck.functionals import watched
from fokker_planck.model import Chain
from fokker_planck.readings import GridReading
from fokker_planck.runs import Reading, grid_run

Array = NDArray[np.float64]
#: exponents of the two resolutions differ by this: the coarser one's error is some e^3 larger
APART = 3.0
LARGEST_EXPONENT, SPARE = 34.0, 8.0
#: the nodes that a law is read on are so many times closer than those that carry it, or more
CLOSER, CLOSEST = 2, 64
#: probability left off at the ends of a start, as a share of the tolerance
TAIL, LEAST_TAIL = 1e-7, 1e-18


def last_noise(chain: Chain, node: int) -> int:
    """Return how many steps there are up to the last noisy one before a node: 0 if none."""
    noisy = np.flatnonzero(chain.noise[:node] > 0)
    return int(noisy[-1]) + 1 if noisy.size else 0


def line_readings(
    chain: Chain, nodes: list[int], tol: float, progress: Callable[[int], None] | None = None
) -> tuple[list[Reading], dict[str, Any]]:
    """Return the law at nodes of a chain on the line, and what it cost."""
    wanted = {last_noise(chain, node) for node in nodes} - {0}
    exponent = float(np.clip(np.log(1 / tol) + SPARE, 12.0, LARGEST_EXPONENT))
    best = coarse = {}
    if wanted:
        best = noisy_laws(chain, Resolution(exponent), wanted, progress=progress)
        coarse = noisy_laws(chain, Resolution(exponent - APART), wanted)
    readings: list[Reading] = []
    for node in nodes:
        before = last_noise(chain, node)
        tau = float(chain.tau[node])
        if before == node and node > 0:
            readings.append(grid_reading(chain, best[node], coarse[node], tau, tol))
            continue
        start: StartLaw
        other: StartLaw | None = None
        if before:
            start, other = SumStart(best[before]), SumStart(coarse[before])
        else:
            start = MixtureStart(chain.initial, max(TAIL * tol, LEAST_TAIL))
        readings.append(push(chain, range(before, node), start, other, tau, tol))
    sizes = [reading.best.mass.size for reading in readings]
    return readings, {"steps": chain.n_steps, "nodes": max(sizes)}


def grid_reading(
    chain: Chain, best: GaussianSum, coarse: GaussianSum, tau: float, tol: float
) -> GridReading:
    """Return the reading of a law on a lattice, with nodes as close as the functionals need."""
    reading = None
    closer = CLOSER
    while closer <= CLOSEST:
        spacing = best.resolution.cell * best.deviation / closer
        fine, rough = (law.on_lattice(spacing) for law in (best, coarse))
        x, values = fine.one(0)
        companion = np.zeros_like(values)
        shift = int(rough.first[0] - fine.first[0])
        _, found = rough.one(0)
        begin, end = max(shift, 0), min(shift + found.size, values.size)
        companion[begin:end] = found[begin - shift : end - shift]
        run = grid_run(np.array([tau]), x[None], values[None], np.full((1, x.size), spacing))
        reading = GridReading(run, {"resolution": companion[None] * spacing}, best.lost)
        seen = [reading.read(functional)[1]["quadrature"] for functional in watched(chain.process)]
        if max(float(part[0]) for part in seen) <= 0.1 * tol:
            break
        closer *= 2
    assert reading is not None
    return reading


def push(
    chain: Chain, steps: range, start: StartLaw, other: StartLaw | None, tau: float, tol: float
) -> PushedReading:
    """Return the push-forward of a law under noise-free steps."""
    log_posterior = getattr(chain.process, "log_posterior", None)

    def image(x: Array) -> Image:
        return carried(chain, steps, x)

    def integrands(found: Image, log_p: Array) -> list[Array]:
        x = found.points
        out = [x, x * x, found.log_slope - log_p]
        if log_posterior is not None:
            out.append(np.exp(log_posterior(x, tau)))
        return out

    mesh = adapted(start, image, integrands, tol)
    left, right = mesh
    images = []
    x = np.empty(0)
    for level in range(3):
        if level:
            left, right = halves(left, right)
        x = panel_nodes(left, right)[0].ravel()
        images.append(image(x))
    return pushed_reading(start, other, mesh, images, carried(chain, steps, x, 1), tau)


def contraction(chain: Chain) -> float:
    """Return the least spread of the law without noise over that of its start."""
    start = MixtureStart(chain.initial, 1e-6)
    x, w = panel_nodes(start.edges[:-1], start.edges[1:])
    points, weights = x.ravel(), w.ravel()
    weights = weights * start.density(points)[0]
    weights /= weights.sum()
    widths = []
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(-1, chain.n_steps):
            if k >= 0:
                points = chain.step(k, points)[0]
            mean = float(weights @ points)
            widths.append(float(np.sqrt(weights @ (points - mean) ** 2)))
    least = float(np.nanmin(widths))
    return least / widths[0]
