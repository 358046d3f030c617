"""Solutions written down by hand: mixtures on grids or on carried nodes, with a known error."""

from __future__ import annotations

import numpy as np

import fokker_planck as fp
from fokker_planck.characteristic_reading import CharacteristicReading
from fokker_planck.readings import GridReading, TableReading
from fokker_planck.runs import Run

TAUS = np.array([1.0])


def grid_solution(
    law: fp.GaussianMixture, slip: float = 0.0, n: int = 80, angle: float = 0.0, reach: float = 9.0
) -> fp.Solution:
    """Return the law moved by ``slip`` on a turned grid, with the unmoved law as its companion."""
    root = np.linalg.cholesky(law.covariance)
    d = law.dimension
    lower, upper = np.full(d, np.inf), np.full(d, -np.inf)
    turn = np.eye(1)
    if d == 2:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    frame = root @ turn
    for mean, covariance in zip(law.means, law.covariances, strict=True):
        y = np.linalg.solve(frame, mean)
        part = np.linalg.solve(frame, np.linalg.solve(frame, covariance).T)
        spread = reach * np.sqrt(np.diag(part))
        lower, upper = np.minimum(lower, y - spread), np.maximum(upper, y + spread)
    axes = [np.linspace(a, b, n, endpoint=False) for a, b in zip(lower, upper, strict=True)]
    y = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    x = y @ frame.T
    cell = np.prod((upper - lower) / n) * abs(np.linalg.det(frame))
    logs = law.log_density(x - slip)
    true = np.exp(law.log_density(x)) * cell
    points, shape = (x[None, :, 0], None) if d == 1 else (x[None], (n, n))
    run = Run(TAUS, points, np.exp(logs)[None] * cell, logs[None], shape)
    reading = GridReading(run, {"time": true[None]}, np.array([1e-18]))
    return fp.Solution(None, TAUS, "by hand", reading)


def carried_solution(
    law: fp.GaussianMixture, slip: float = 0.0, per_deviation: int = 8
) -> fp.Solution:
    """Return a Gaussian law, moved by ``slip``, on nodes of a standard start carried to it."""
    xi = np.linspace(-9, 9, 18 * per_deviation + 1)
    d = law.dimension
    nodes = np.stack(np.meshgrid(*[xi] * d, indexing="ij"), axis=-1).reshape(-1, d)
    start = np.exp(-0.5 * np.sum(nodes**2, axis=1) - 0.5 * d * np.log(2 * np.pi))
    mass = start / per_deviation**d
    root = np.linalg.cholesky(law.covariances[0])
    x = law.means[0] + nodes @ root.T
    logs = np.log(start) - np.log(np.linalg.det(root))
    shape = None if d == 1 else (xi.size,) * d

    def run(points):
        points = points[:, 0] if d == 1 else points
        return Run(TAUS, points[None], mass[None], logs[None], shape)

    from scipy.special import ndtr

    distribution = ndtr(xi) if d == 1 else np.zeros(0)
    reading = CharacteristicReading(
        run(x + slip),
        run(x + 5 * slip),
        run(x + 21 * slip),
        distribution,
        2 * d * float(ndtr(-9.0)),
        np.zeros((1, x.shape[0])),
        8,
    )
    return fp.Solution(None, TAUS, "by hand", reading)


def table_solution(
    law: fp.GaussianMixture, slip: float = 0.0, n: int = 40, angle: float = 0.0
) -> fp.Solution:
    """Return a Gaussian on cells of three sizes and for three steps, moved in proportion to them.

    Averages over cells, to fourth order; the error in time is of first order.
    """
    d = law.dimension
    turn = np.eye(d)
    if d == 2:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    reach = 8 * np.sqrt(np.linalg.eigvalsh(law.covariances[0]).max())
    rows = []
    for s in range(3):
        cells = n * 2**s
        step = 2 * reach / cells
        axis = -reach + step * (np.arange(cells) + 0.5)
        y = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
        row = []
        for q in range(3):
            x = law.means[0] + y @ turn.T
            at = x - slip / 2**q
            density = np.exp(law.log_density(at))
            # the average over a cell: step^2 / 24 times the Laplacian more
            inverse = np.linalg.inv(law.covariances[0])
            pull = (at - law.means[0]) @ inverse
            bend = np.sum(pull**2, axis=1) - np.trace(inverse)
            mass = density * (1 + step**2 / 24 * bend) * step**d
            logs = np.log(np.maximum(np.abs(mass) / step**d, np.finfo(float).tiny))
            points, shape = (x[None, :, 0], None) if d == 1 else (x[None], (cells,) * d)
            row.append(Run(TAUS, points, mass[None], logs[None], shape))
        rows.append(row)
    return fp.Solution(None, TAUS, "by hand", TableReading(rows, np.array([1e-14])))
