r"""Laws on quadrature nodes: diffusion turns them into Gaussian mixtures.

A law with density q is replaced by masses at nodes. At forward time t both are convolved with
Gaussian noise of standard deviation :math:`\sigma = \sqrt{v}/r` in data coordinates, and the L1
distance of the two has a bound that falls geometrically once the spacing is below
:math:`\sigma` (docs/theory.md, Q1 to Q3).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, roots_legendre

from fokker_planck.model.checks import one_of, real_number, shown, whole_number
from fokker_planck.model.mixture import GaussianMixture
from fokker_planck.model.schedule import Schedule

Array = NDArray[np.float64]
LAWS = ("logistic", "laplace", "uniform")
#: nodes reach out to where the tail is e to minus this
TAIL = 34.0
MOST_NODES = 20_000
EPS = float(np.finfo(float).eps)


def _least(exponent: Callable[[float], float], high: float) -> float:
    """Return the least value of a bound's logarithm over (0, high)."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda u: exponent(float(np.exp(u))),
        bounds=(float(np.log(high)) - 25.0, float(np.log(high)) - 1e-9),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(found.fun)


def _panel(slope: float, half: float, n: int, noise: float) -> float:
    r"""Return the L1 error of n-point Gauss-Legendre on one panel, after convolution.

    The density is :math:`\tfrac12 e^{-\kappa y}` on [0, 2h]. On the Bernstein ellipse with
    semi-axes a and b, at real part u, its product with the Gaussian around x is at most
    :math:`A(u)\,\varphi_\sigma(x - u)` with
    :math:`\log 2A = -\kappa u + (bh)^2 [1 - (u/h - 1)^2/a^2] / 2\sigma^2`. The integral over x of
    the largest such product is bounded by a sum over cells of u, each with its largest A, and
    the rule errs by :math:`\frac{64}{15} \frac{M h}{\rho^{2n} (1 - \rho^{-2})}` where M bounds
    the integrand (Trefethen, Approximation Theory and Approximation Practice, Theorem 19.3).
    """

    def exponent(log_rho: float) -> float:
        a, b = float(np.cosh(log_rho)), float(np.sinh(log_rho))
        cells = int(min(np.ceil(2 * a * half / noise), 2000.0)) + 1
        edges = half * (1 + a * np.linspace(-1.0, 1.0, cells + 1))
        spread = 0.5 * (b * half / noise) ** 2
        vertex = half * (1 - slope * half * a * a / (2 * spread)) if slope else half
        u = np.clip(vertex, edges[:-1], edges[1:])
        size = logsumexp(spread * (1 - ((u / half - 1) / a) ** 2) - slope * u)
        width = np.log1p((edges[1] - edges[0]) / (np.sqrt(2 * np.pi) * noise))
        rate = -2 * n * log_rho - np.log(-np.expm1(-2 * log_rho))
        return float(np.log(32 / 15) + np.log(half) + size + width + rate)

    return float(np.exp(min(_least(exponent, 5.0), 0.7)))


def _logistic_error(spacing: float, noise: float) -> float:
    r"""Return the L1 error of the trapezoid rule for the unit logistic law, after convolution.

    By Poisson summation the error is the sum over k != 0 of q e^{2 pi i k y/h} convolved with the
    Gaussian; with the contour moved by a < pi, each term is at most
    :math:`e^{-2\pi k a/h + a^2/2\sigma^2} \int |q(y + ia)| dy`, and that integral is a / sin a.
    """

    def exponent(a: float) -> float:
        rate = 2 * np.pi * a / spacing
        size = 0.5 * (a / noise) ** 2 + np.log(a / np.sin(a))
        return float(np.log(2) - rate - np.log(-np.expm1(-rate)) + size)

    return float(np.exp(min(_least(exponent, np.pi * (1 - 1e-9)), 0.7)))


class QuadratureLaw(GaussianMixture):
    """A one-dimensional law on quadrature nodes, with the error of its diffused density.

    Build it with :func:`quadrature_law`.

    Parameters
    ----------
    name : {"logistic", "laplace", "uniform"}
    location, scale : float
        Centre, and the scale s of the density: e^{-y/s} / (s (1 + e^{-y/s})^2),
        e^{-|y|/s} / 2s, or 1/2s on [-s, s].
    n : int
        Number of nodes; even for the Laplace law.
    """

    def __init__(self, name: str, location: float, scale: float, n: int) -> None:
        self.law, self.location, self.scale = name, location, scale
        nodes, weights, self.loss = _nodes(name, n)
        super().__init__(weights, location + scale * nodes, np.zeros((1, 1)), atoms=True)

    def l1_error(self, schedule: Schedule, t: float) -> float:
        """Return a bound on the L1 distance between the law diffused to time t and its nodes'.

        At most 2, which every two laws keep to; rounding of the weights is included.

        Raises
        ------
        ValueError
            If there is no noise at time t.
        """
        noise = float(np.sqrt(schedule.variance(t)) / schedule.signal(t))
        return self.error_at_noise(noise)

    def error_at_noise(self, noise: float) -> float:
        """Return the same for Gaussian noise of a standard deviation in data coordinates."""
        noise = real_number("noise", noise, minimum=0.0, strict=True) / self.scale
        return min(_rule_error(self.law, self.n_components, noise) + self.loss, 2.0)


def _rule_error(name: str, n: int, noise: float) -> float:
    """Return the L1 error of the rule for the law of unit scale, without tails and rounding."""
    if name == "uniform":
        return _panel(0.0, 1.0, n, noise)
    if name == "laplace":
        return 2 * _panel(1.0, 0.5 * TAIL, n // 2, noise)
    return _logistic_error(2 * TAIL / (n - 1), noise)


def _nodes(name: str, n: int) -> tuple[Array, Array, float]:
    """Return nodes and weights of the law of unit scale, and what tails and rounding cost."""
    if name == "uniform":
        y, w = roots_legendre(n)
        return y, w / w.sum(), 4 * n * EPS
    if name == "laplace":
        y, w = roots_legendre(n // 2)
        y, w = 0.5 * TAIL * (1 + y), 0.25 * TAIL * w
        nodes, weights = np.concatenate([-y[::-1], y]), np.tile(w * np.exp(-y), 2)
        weights[: n // 2] = weights[: n // 2][::-1]
        tail = np.exp(-TAIL)
    else:
        nodes = np.linspace(-TAIL, TAIL, n)
        spacing = nodes[1] - nodes[0]
        weights = spacing * np.exp(-np.abs(nodes)) / (1 + np.exp(-np.abs(nodes))) ** 2
        tail = 2 * (1 + spacing) * np.exp(-TAIL)
    total = float(weights.sum())
    # scaling the weights to 1 moves as much mass as they lacked
    return nodes, weights / total, float(tail + abs(1 - total) + 4 * n * EPS)


def quadrature_law(
    name: str,
    location: float = 0.0,
    scale: float = 1.0,
    *,
    n: int | None = None,
    schedule: Schedule | None = None,
    stop: float | None = None,
    tol: float = 1e-10,
) -> QuadratureLaw:
    """Return a logistic, Laplace or uniform law on quadrature nodes.

    The rules are the trapezoid rule (logistic), Gauss-Legendre on either side of the centre
    (Laplace) and Gauss-Legendre (uniform).

    Parameters
    ----------
    name : {"logistic", "laplace", "uniform"}
    location, scale : float
        See :class:`QuadratureLaw`; the uniform law lives on location +- scale.
    n : int, optional
        Number of nodes.
    schedule, stop : optional
        In place of ``n``: as many nodes as keep the L1 error within ``tol`` at forward times
        from ``stop`` on.
    tol : float
        That error.

    Raises
    ------
    ValueError
        If a field is out of range, or more than 20 000 nodes were needed.
    """
    name = one_of("name", name, LAWS)
    location = real_number("location", location)
    scale = real_number("scale", scale, minimum=1e-6, maximum=1e4)
    if n is not None:
        if schedule is not None or stop is not None:
            raise ValueError(f"n and stop exclude each other, got {n} and {shown(stop)}")
        n = whole_number("n", n, minimum=4, maximum=MOST_NODES)
        if name == "laplace" and n % 2:
            raise ValueError(f"n must be even for the laplace law, got {n}")
        return QuadratureLaw(name, location, scale, n)
    if schedule is None or stop is None:
        raise ValueError("n must be given, or schedule and stop, got nothing")
    stop = real_number("stop", stop, minimum=0.0, strict=True)
    tol = real_number("tol", tol, minimum=1e-13, maximum=1.0)
    noise = float(np.sqrt(schedule.variance(stop)) / schedule.signal(stop)) / scale
    count = 8.0
    while _rule_error(name, 2 * round(count), noise) > 0.5 * tol:
        count *= 1.1
        if 2 * count > MOST_NODES:
            raise ValueError(f"stop must be larger for {MOST_NODES} nodes to do, got {stop:g}")
    return QuadratureLaw(name, location, scale, 2 * round(count))


def product_law(first: GaussianMixture, second: GaussianMixture) -> GaussianMixture:
    """Return the law in the plane of two independent coordinates.

    If l1 and l2 bound the L1 errors of the two diffused laws, l1 + l2 bounds that of the product.

    Raises
    ------
    ValueError
        If a law is not one-dimensional.
    """
    for name, law in (("first", first), ("second", second)):
        if not isinstance(law, GaussianMixture) or law.dimension != 1:
            raise ValueError(f"{name} must be a law of dimension 1, got {shown(law)}")
    weights = np.outer(first.weights, second.weights).ravel()
    means = np.stack(np.meshgrid(first.means[:, 0], second.means[:, 0], indexing="ij"), axis=-1)
    spread = np.zeros((first.n_components, second.n_components, 2, 2))
    spread[..., 0, 0] = first.covariances[:, 0, 0][:, None]
    spread[..., 1, 1] = second.covariances[:, 0, 0][None, :]
    return GaussianMixture(
        weights, means.reshape(-1, 2), spread.reshape(-1, 2, 2), atoms=not np.all(spread > 0)
    )
