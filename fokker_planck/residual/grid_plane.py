r"""The residual of a solution on a tensor grid in the plane, summed over nodes and Gauss times.

With index coordinates u on the grid x = o(tau) + J(tau) u, the density Q = |det J| q obeys

.. math:: \partial_\tau Q + \nabla_u\cdot(\beta Q) - \nabla_u\cdot(\Delta \nabla_u Q) = R, \quad
          \beta = J^{-1}(b - o' - J'u), \quad \Delta = D\,J^{-1}J^{-T} .

Q is the trigonometric polynomial in u through node values that a cutoff takes to zero at the
edge; o, J and Q are polynomials in time on panels (docs/theory.md, N7g).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import ndtr

from fokker_planck.model import Dynamics, GaussianMixture
from fokker_planck.residual.naive import diffusivity_of, naive_drift
from fokker_planck.residual.panels import moments, running
from fokker_planck.runs import Run

Array = NDArray[np.float64]
#: share of the nodes along each axis over which the cutoff falls to zero, on either side
MARGIN = 0.06
#: how far nodes may be from an affine image of the grid, in steps
AFFINE = 1e-6


@dataclass(frozen=True)
class AffineGrid:
    """Origin (m, 2) and steps (m, 2, 2) of a run's grid; steps[:, :, i] belongs to axis i."""

    origin: Array
    steps: Array
    shape: tuple[int, ...]

    @staticmethod
    def of(run: Run) -> AffineGrid | None:
        """Return the grid of a run in the plane, or None where it is not an affine image."""
        assert run.shape is not None
        points = run.points.reshape(run.taus.size, *run.shape, 2)
        n1, n2 = run.shape
        origin = points[:, 0, 0]
        first = (points[:, -1, 0] - origin) / (n1 - 1)
        second = (points[:, 0, -1] - origin) / (n2 - 1)
        steps = np.stack([first, second], axis=2)
        for k in {0, run.taus.size // 2, run.taus.size - 1}:
            grid = origin[k] + index_points(run.shape) @ steps[k].T
            size = np.abs(steps[k]).max()
            if not np.abs(grid - points[k].reshape(-1, 2)).max() <= AFFINE * size:
                return None
        return AffineGrid(origin, steps, run.shape)


def index_points(shape: tuple[int, ...]) -> Array:
    """Return index coordinates of the nodes, shape (n, d), in C order."""
    axes = np.meshgrid(*(np.arange(float(k)) for k in shape), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def cutoff(shape: tuple[int, ...]) -> Array:
    """Return a smooth window on the nodes: 1 inside, 0 at the edge."""

    def one(n: int) -> Array:
        share = np.minimum(np.arange(n), np.arange(n)[::-1]) / (MARGIN * n)
        share = np.clip(share, 1e-9, 1 - 1e-9)
        return np.asarray(1 / (1 + np.exp(np.clip(1 / share - 1 / (1 - share), -700, 700))))

    window = one(shape[0])[:, None] * one(shape[1])
    window[0], window[-1], window[:, 0], window[:, -1] = 0, 0, 0, 0
    return np.asarray(window)


def grid_certificate(process: Dynamics, run: Run, grid: AffineGrid) -> dict[str, Array]:
    """Return the parts of the L1 distance at every output time: start, residual, reported."""
    shape = grid.shape
    u = index_points(shape)
    window = cutoff(shape)
    values = np.sign(run.mass) * np.exp(run.log_density)
    area = np.abs(np.linalg.det(grid.steps))
    nodal = (values * area[:, None]).reshape(-1, *shape) * window
    wave = [2j * np.pi * fft.fftfreq(shape[0])[:, None], 2j * np.pi * fft.rfftfreq(shape[1])]
    for axis in (0, 1):
        if shape[axis] % 2 == 0:
            # the sawtooth has no odd derivative on the nodes
            flat = wave[axis].reshape(-1)
            flat[shape[axis] // 2 if axis == 0 else -1] = 0
    added: dict[int, float] = {}
    for moment in moments(run.taus):
        q, q_t = moment.at(nodal), moment.slope(nodal)
        origin, steps = moment.at(grid.origin), moment.at(grid.steps)
        move, turn = moment.slope(grid.origin), moment.slope(grid.steps)
        inverse = np.linalg.inv(steps)
        drift = naive_drift(process, origin + u @ steps.T, moment.tau)
        beta = (drift - move - u @ turn.T) @ inverse.T
        delta = diffusivity_of(process, moment.tau) * inverse @ inverse.T
        flux = [fft.rfft2(beta[:, i].reshape(shape) * q) for i in (0, 1)]
        symbol = sum(delta[i, j] * wave[i] * wave[j] for i in (0, 1) for j in (0, 1))
        change = wave[0] * flux[0] + wave[1] * flux[1] - symbol * fft.rfft2(q)
        residual = q_t + fft.irfft2(change, shape)
        size = moment.weight * float(np.sum(np.abs(residual)))
        added[moment.panel] = added.get(moment.panel, 0.0) + size
    start = np.exp(process.initial.log_density(run.points[0])).reshape(shape) * area[0]
    first = float(np.sum(np.abs(start - nodal[0]))) + outside(process.initial, grid)
    reported = np.sum(np.abs(run.mass - nodal.reshape(run.mass.shape)), axis=1)
    return {
        "start": np.full(run.taus.size, first),
        "residual": running(run.taus, np.array([added[k] for k in sorted(added)])),
        "reported": reported,
    }


def outside(law: GaussianMixture, grid: AffineGrid) -> float:
    """Return a bound of the initial law's probability outside the grid at the start."""
    inverse = np.linalg.inv(grid.steps[0])
    total = 0.0
    for axis in (0, 1):
        normal = inverse[axis]
        centre = (law.means - grid.origin[0]) @ normal
        deviation = np.sqrt(np.einsum("i,kij,j->k", normal, law.covariances, normal))
        far = grid.shape[axis] - 1 - centre
        total += float(law.weights @ (ndtr(-centre / deviation) + ndtr(-far / deviation)))
    return total
