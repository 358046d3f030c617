r"""How much probability can have left a moving parallelogram, measured on a run inside it.

Let h be 0 well inside the box, 1 on its boundary and nonnegative. By Ito's formula up to the time
at which a path first leaves the box (docs/theory.md, N2f)

.. math:: \Pr(\text{left by } \tau) \le \Pr(\text{starts outside}) + \int h\,q_0\,dy
          + \int_0^\tau \int (\beta\cdot\nabla h + \Delta : \nabla\nabla h)^+\, q\,dy\,du,

with q the density of the periodic problem, which is at least that of the paths that have not left
yet. Nothing is assumed of the drift outside. The bound is used for each side of the box with
several ramps h, and the best of them counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from fokker_planck.model import GaussianMixture

Array = NDArray[np.float64]
#: depths of the ramps, as shares of the box
DEPTHS = np.array([0.05, 0.08, 0.12, 0.17])


def start_outside(
    law: GaussianMixture, centre: Array, inverse: Array, lower: Array, length: Array
) -> Array:
    """Return the start's probability beyond the feet of the ramps, shape (2, 2, depths).

    Axis of the box, lower or upper side, ramp; an upper bound on the start's share of N2f.
    """
    mean = (law.means - centre) @ inverse.T
    deviation = np.sqrt(np.einsum("ij,kjl,il->ki", inverse, law.covariances, inverse))
    foot = DEPTHS[:, None, None] * length
    below = ndtr((lower + foot - mean) / deviation)
    above = ndtr((mean - lower - length + foot) / deviation)
    sides = np.stack([below, above])  # side, ramp, component, axis
    return np.moveaxis(np.einsum("k,sdka->sda", law.weights, sides), 2, 0)


class ExitRate:
    """The rate at which paths leave a box, from densities on one of its grids.

    Parameters
    ----------
    lower, length : ndarray, shape (2,)
        The box.
    shape : tuple of int
        Nodes along each axis, the lower end included.
    """

    def __init__(self, lower: Array, length: Array, shape: tuple[int, int]) -> None:
        self.cell = float(np.prod(length / np.array(shape)))
        self.sides: list[tuple[int, int, slice, Array, Array]] = []
        for axis in (0, 1):
            n, size = shape[axis], float(length[axis])
            inward = np.arange(n) * size / n
            for side in (0, 1):
                distance = inward if side == 0 else size - inward
                rows = np.flatnonzero(distance <= DEPTHS.max() * size + size / n)
                width = DEPTHS[:, None] * size
                # h = (climb / width)^2; the node below the foot stands for the piece above it
                climb = width - distance[rows]
                on = climb > -size / n
                bend = np.where(on, 2 / width**2, 0.0)
                slope = bend * np.maximum(climb, 0.0) * (1 if side else -1)
                part = slice(int(rows[0]), int(rows[-1]) + 1)
                self.sides.append((axis, side, part, slope, bend))

    def __call__(self, q: Array, beta: Array, spread: Array) -> Array:
        """Return the rates, shape (2, 2, 2, depths): of |q| and of q; axis, side, ramp.

        That of q itself is no bound; it tells a tail from the noise of the time steps, which
        changes sign.

        Parameters
        ----------
        q : ndarray, shape (n1, n2)
        beta : ndarray, shape (2, n1, n2)
        spread : ndarray, shape (2, 2)
            The diffusivity.
        """
        out = np.empty((2, 2, 2, DEPTHS.size))
        for axis, side, part, slope, bend in self.sides:
            density = q[part] if axis == 0 else q.T[part]
            speed = beta[0, part] if axis == 0 else beta[1].T[part]
            source = slope[:, :, None] * speed + (spread[axis, axis] * bend)[:, :, None]
            both = np.stack([np.abs(density), density])
            gain = np.maximum(source, 0.0, out=source)
            out[:, axis, side] = np.tensordot(both, gain, ((1, 2), (1, 2))) * self.cell
        return out
