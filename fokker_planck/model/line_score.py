r"""The guided score on the line at fixed times, with its slope and its relative accuracy.

Where the other components are mirror images of each other about the target's mean 0, the guidance
term vanishes there as a difference of nearly equal posteriors. It is then summed as

.. math:: \sum_k w_k d_k = \sum_k w_k(0) \left[ b_k x + d_k(x)\,
          \mathrm{expm1}(-a_k x - b_k x^2/2) \right],

which keeps its relative accuracy down to the smallest numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model.frozen import FrozenScore, freezes
from fokker_planck.model.guided import GuidedProcess

Array = NDArray[np.float64]
#: exponents up to which the form relative to the centre is used
NEAR = 1.0
EPS = float(np.finfo(float).eps)


class LineScore:
    """Score of a guided 1-D process at reverse times, its slope, and the size of its terms.

    Parameters
    ----------
    process : GuidedProcess
        In dimension one.
    tau : ndarray, shape (n,)
        Reverse times.
    """

    def __init__(self, process: GuidedProcess, tau: Array) -> None:
        self.process = process
        self.tau = tau
        self.frozen = FrozenScore(process, tau) if freezes(process) else None
        self.mirrored = self.frozen is not None and _mirrored(self.frozen)

    def evaluate(self, i: int, x: Array, strength: Any = None) -> tuple[Array, Array, Array]:
        """Return score, slope and the summed size of the score's terms at ``tau[i]``.

        Parameters
        ----------
        i : int
        x : ndarray, shape (..., n)
        strength : ndarray, optional
            In place of the process's own, broadcastable to ``x``.

        Raises
        ------
        ValueError
            If a strength is given for a process that is not linear in it.
        """
        if self.frozen is None:
            if strength is not None:
                raise ValueError("strength must be that of the process for its kind of guidance")
            return self._general(float(self.tau[i]), x)
        frozen = self.frozen
        p, q = float(frozen.intercept[i]), float(frozen.slope[i])
        eta = frozen.strength[i] if strength is None else strength
        guide, bend, rough = self.guidance(i, x)
        size = abs(p) + np.abs(q * x) + np.abs(eta) * rough
        return p + q * x + eta * guide, q + eta * bend, size

    def guidance(self, i: int, x: Array) -> tuple[Array, Array, Array]:
        """Return G = grad log P at ``tau[i]``, its slope, and the size of its terms."""
        frozen = self.frozen
        assert frozen is not None
        if frozen.n_others == 0:
            return np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
        a, b, constant = frozen.gap[i], frozen.gap_slope[i], frozen.constant[i]
        powers = [-(a[k] + 0.5 * b[k] * x) * x for k in range(a.size)]
        gaps = [a[k] + b[k] * x for k in range(a.size)]
        top = np.zeros_like(x)
        for k, power in enumerate(powers):
            np.maximum(top, power + constant[k], out=top)
        own = np.exp(-top)
        total, whole, rough = own.copy(), np.zeros_like(x), np.zeros_like(x)
        slopes = np.zeros_like(x)
        weights = []
        for k, power in enumerate(powers):
            weight = np.exp(power + (constant[k] - top))
            weights.append(weight)
            total += weight
            whole += weight * gaps[k]
            rough += weight * np.abs(gaps[k])
            if b[k]:
                slopes += weight * b[k]
        if self.mirrored:
            near = np.maximum.reduce([np.abs(power) for power in powers]) < NEAR
            if near.any():
                inner, scale = x[near], np.exp(-top[near])
                about = np.zeros_like(inner)
                for k, power in enumerate(powers):
                    part = b[k] * inner + gaps[k][near] * np.expm1(power[near])
                    about += math.exp(constant[k]) * part
                whole[near] = about * scale
                rough[near] = np.abs(whole[near])
        guide = whole / total
        spread = own * guide**2
        for weight, gap in zip(weights, gaps, strict=True):
            spread += weight * (gap - guide) ** 2
        return guide, (slopes - spread) / total, rough / total

    def rate(self, i: int, x: Array) -> Array:
        """Return the largest rate at which posteriors change their logarithms at ``tau[i]``.

        Posteriors have poles at a distance of some 2.5 over it from the line; 0 where the rate is
        not known.
        """
        if self.frozen is None or self.frozen.n_others == 0:
            return np.zeros_like(x)
        a, b = self.frozen.gap[i], self.frozen.gap_slope[i]
        high, low = np.zeros_like(x), np.zeros_like(x)
        for k in range(a.size):
            gap = a[k] + b[k] * x
            np.maximum(high, gap, out=high)
            np.minimum(low, gap, out=low)
        return high - low

    def _general(self, tau: float, x: Array) -> tuple[Array, Array, Array]:
        """Return the same of any process, from its score and the divergence of its drift."""
        process = self.process
        t = process.forward_time(tau)
        c = (1 + process.noise_level**2) * float(process.schedule.diffusivity(t))
        divergence = process.divergence(x, tau) + float(process.schedule.drift_rate(t))
        score = process.score(x, tau)
        size = np.abs(score) + np.abs(process.posterior.target_score(x, t))
        return score, divergence / c, np.asarray(size)


def _mirrored(frozen: FrozenScore) -> bool:
    """Whether guidance vanishes at 0 to the last bit, at every time, by symmetry."""
    if frozen.n_others < 2 or np.any(frozen.intercept) or np.max(frozen.constant) > 700:
        return False
    terms = np.exp(frozen.constant) * frozen.gap
    return all(math.fsum(row) == 0 for row in terms.tolist())
