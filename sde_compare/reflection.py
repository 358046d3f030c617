"""The reflection coupling of two chains with one noise, and when two linear ones meet."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf

from fokker_planck.model.checks import real_array, real_number, shown
from sde_compare.engine import Track

Array = NDArray[np.float64]


class MirrorRunner:
    r"""Two states of one block, the second driven by the first one's noise in a mirror.

    From step means :math:`m^a, m^b` and the common noise C, with :math:`z = (m^a - m^b)/C`,

    .. math:: x^a = m^a + C\xi, \qquad
              x^b = \begin{cases} x^a & \text{with probability }
              1 \wedge \varphi(\xi + z)/\varphi(\xi), \\
              m^b + C\,(\xi - 2\,(e\cdot\xi)\,e), \; e = z/|z| & \text{otherwise.} \end{cases}

    Both marginals are exact and no coupling of the two steps meets more often. The choice is made
    by an exponential clock E: they meet where :math:`E \ge \xi\cdot z + |z|^2/2`.

    Parameters
    ----------
    first, second : Track
        With the same noise in every step.
    x, y : ndarray, shape (n,) in 1-D, else (n, d)
        The starting points.

    Source: Lindvall and Rogers (1986), Bou-Rabee, Eberle and Zimmer (2020); docs/theory.md, C6.
    """

    noisy = timed = True

    def __init__(self, first: Track, second: Track, x: Array, y: Array) -> None:
        self.first, self.second = first.start(x), second.start(y)
        self.table, self.stride = first.table, first.stride

    @property
    def states(self) -> tuple[Array, Array]:
        """The current points of both."""
        return self.first.x, self.second.x

    def feed(self, j: int, xi: Array, clock: Array) -> None:
        """Take normals and clocks of fine step ``j``; step when the stride is full."""
        gathered = self.first.gather(j, xi)
        if gathered is None:
            return
        k = j // self.stride
        self.first.advance(k)
        self.second.advance(k)
        noise = float(self.table.noise[k])
        if noise == 0:
            return
        x, y = self.states
        mirrored, meet = reflected(gathered, (x - y) / noise, clock)
        mirrored *= noise
        y += mirrored
        self.first.add_noise(k, gathered)
        np.copyto(y, x, where=meet if x.ndim == 1 else meet[:, None])


def reflected(xi: Array, z: Array, clock: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the mirror image of normals across the plane normal to z, and which pairs meet.

    Parameters
    ----------
    xi, z : ndarray, shape (n,) or (n, d)
        Normals of the first chain; difference of the step means in units of the noise.
    clock : ndarray, shape (n,)
        Standard exponential, independent of ``xi``.

    Returns
    -------
    tuple of ndarray, shape of ``xi`` and (n,)
    """
    if xi.ndim == 1:  # the mirror of the line
        return -xi, clock >= z * (xi + 0.5 * z)
    along, square = np.einsum("nd,nd->n", xi, z), np.einsum("nd,nd->n", z, z)
    share = np.divide(2 * along, square, out=np.zeros_like(along), where=square > 0)
    return xi - share[:, None] * z, clock >= along + 0.5 * square


def check_noise(first: Track, second: Track) -> None:
    """Refuse two tracks whose noise differs by more than rounding, or never moves.

    Raises
    ------
    ValueError
        Naming both noises where they differ first.
    """
    a, b = first.table.noise, second.table.noise
    differs = np.abs(a - b) > 4 * np.spacing(np.maximum(a, b))
    if differs.any():
        k = int(np.argmax(differs))
        raise ValueError(
            "noise must be the same for both processes of a reflection coupling, "
            f"got {a[k]:.6g} and {b[k]:.6g} in step {k + 1}"
        )
    if not a.any():
        raise ValueError("noise must be positive for a reflection coupling, got 0 in every step")


def ou_unmet(distance: float, rate: float, noise: float, tau: ArrayLike) -> Array:
    r"""Return the probability that two mirrored Ornstein-Uhlenbeck paths have not met by tau.

    For :math:`dX = -aX\,d\tau + \sigma\,dB`, in any dimension, the distance obeys
    :math:`d\Delta = -a\Delta\,d\tau + 2\sigma\,dW` until it vanishes, so

    .. math:: \Pr(T > \tau) = \operatorname{erf}\Big(
              \frac{|\Delta_0|\,e^{-a\tau}}{2\sqrt2\,\sigma\,s}\Big), \qquad
              s^2 = \frac{1 - e^{-2a\tau}}{2a} .

    It is the total variation distance of the two laws, and holds for the chain of exact steps.

    Parameters
    ----------
    distance : float
        |Delta_0|.
    rate : float
        a, of either sign; 0 is Brownian motion.
    noise : float
        sigma > 0.
    tau : array_like
        Times >= 0.

    Source: docs/theory.md, C6.
    """
    rate = real_number("rate", rate)
    noise = real_number("noise", noise, minimum=0.0, strict=True)
    times = real_array("tau", tau)
    if np.any(times < 0):
        raise ValueError(f"tau must be nonnegative, got {shown(tau)}")
    spread = times if rate == 0 else -np.expm1(-2 * rate * times) / (2 * rate)
    return _unmet(distance, np.exp(-rate * times), noise * np.sqrt(spread))


def chain_unmet(distance: float, linear: ArrayLike, noise: ArrayLike) -> Array:
    r"""Return the probability that two mirrored linear chains have not met after 0..n steps.

    For steps :math:`x' = A_k x + b_k + C_k \xi` with numbers A and C, in any dimension,

    .. math:: \Pr(T > n) = \operatorname{erf}\Big( \frac{|\Delta_0|\,|q_n|}{2\sqrt{2 V_n}} \Big),
              \qquad q_n = \prod_k A_k, \quad V_n = \sum_k C_k^2 \prod_{j > k} A_j^2 .

    Parameters
    ----------
    distance : float
        |Delta_0|.
    linear, noise : array_like, shape (n,)
        A and C.

    Returns
    -------
    ndarray, shape (n + 1,)

    Source: docs/theory.md, C6.
    """
    a, c = np.broadcast_arrays(real_array("linear", linear), real_array("noise", noise))
    product, variance = np.ones(a.size + 1), np.zeros(a.size + 1)
    for k in range(a.size):
        product[k + 1] = a[k] * product[k]
        variance[k + 1] = a[k] ** 2 * variance[k] + c[k] ** 2
    return _unmet(distance, np.abs(product), np.sqrt(variance))


def _unmet(distance: float, shrunk: Array, spread: Array) -> Array:
    distance = real_number("distance", distance, minimum=0.0)
    top, bottom = distance * shrunk, 2 * np.sqrt(2) * spread
    never = np.where(top > 0, np.inf, 0.0)  # no noise yet
    return np.asarray(erf(np.divide(top, bottom, out=never, where=bottom > 0)))
