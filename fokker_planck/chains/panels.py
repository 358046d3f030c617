r"""Quadrature over the start of a push-forward: panels, halved where an integrand is rough.

The composed map F of a chain without noise folds and jumps; means over its image are integrals
over the start, :math:`\mathrm{E} f(F(x))`, where that does no harm (docs/theory.md, N11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokker_planck.chains.starts import StartLaw
from fokker_planck.model import Chain

Array = NDArray[np.float64]
EPS = float(np.finfo(float).eps)
ORDER = 16
NODES, WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
#: panels of the coarsest mesh, and rounds of halving
MOST_PANELS, MOST_ROUNDS = 1024, 70
#: a panel narrower than this share of its distance from 0 is not halved
LEAST_WIDTH = 1e-13


@dataclass(frozen=True)
class Image:
    """Points carried by a chain: F(x), log|F'(x)|, and the sign of F'."""

    points: Array
    log_slope: Array
    sign: Array


def carried(chain: Chain, steps: range, x: Array, jitter: int | None = None) -> Image:
    """Return the image of points under the noise-free steps.

    Parameters
    ----------
    jitter : int, optional
        Seed of relative perturbations of two units in the last place of every step's terms: what
        changes is what rounding does.
    """
    rng = None if jitter is None else np.random.default_rng(jitter)
    logs, sign = np.zeros_like(x), np.ones_like(x)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore", under="ignore"):
        for k in steps:
            x, slope, size = chain.step(k, x)
            if rng is not None:
                x = x + rng.choice([-2 * EPS, 2 * EPS], x.shape) * size
            # a slope of 0 to rounding: at a fold, which has no probability
            logs += np.log(np.maximum(np.abs(slope), EPS))
            sign *= np.sign(slope)
    return Image(x, logs, sign)


def panel_nodes(left: Array, right: Array) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights, shape (panels, ORDER)."""
    half = 0.5 * (right - left)[:, None]
    return left[:, None] + half * (1 + NODES), half * WEIGHTS


def halves(left: Array, right: Array) -> tuple[Array, Array]:
    """Return the panels cut in two, in order."""
    middle = 0.5 * (left + right)
    return np.stack([left, middle], axis=1).ravel(), np.stack([middle, right], axis=1).ravel()


def adapted(
    start: StartLaw,
    image: Callable[[Array], Image],
    integrands: Callable[[Image, Array], list[Array]],
    tol: float,
) -> tuple[Array, Array]:
    """Return the ends of panels on which 16 points do, or as many as may be had.

    A panel is kept if halving it changes no integral by more than a share of ``tol``.

    Parameters
    ----------
    start : StartLaw
    image : callable
        Of points of the start.
    integrands : callable
        Of an image and log p at its points.
    tol : float
    """

    def integrals(left: Array, right: Array) -> Array:
        x, w = panel_nodes(left, right)
        p, logs = start.density(x.ravel())
        values = integrands(image(x.ravel()), logs)
        with np.errstate(invalid="ignore", over="ignore"):
            products = [np.where(p > 0, p * f, 0.0).reshape(x.shape) * w for f in values]
            return np.array([item.sum(axis=1) for item in products])

    edges = start.edges
    left, right = edges[:-1], edges[1:]
    own = integrals(left, right)
    done: list[tuple[Array, Array]] = []
    kept = 0
    for _ in range(MOST_ROUNDS):
        a, b = halves(left, right)
        parts = integrals(a, b)
        with np.errstate(invalid="ignore"):
            change = np.abs(parts[:, ::2] + parts[:, 1::2] - own).max(axis=0)
        rough = ~(change <= tol / (8 * max(64, kept + left.size)))
        rough &= right - left > LEAST_WIDTH * np.maximum(np.abs(left), np.abs(right))
        room = MOST_PANELS - kept - left.size
        if rough.sum() > room:  # the worst ones, as far as there is room
            order = np.argsort(np.where(np.isnan(change), np.inf, change))
            rough[order[: rough.size - max(room, 0)]] = False
        done.append((left[~rough], right[~rough]))
        kept += int((~rough).sum())
        if not rough.any():
            break
        pairs = np.repeat(rough, 2)
        left, right, own = a[pairs], b[pairs], parts[:, pairs]
    else:
        done.append((left, right))
    left = np.concatenate([item[0] for item in done])
    right = np.concatenate([item[1] for item in done])
    order = np.argsort(left)
    return left[order], right[order]
