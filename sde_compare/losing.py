r"""A path on which guidance loses confidence, built from the sign of the kernel.

With a common covariance and the SDE the rise of :math:`\ell_l` along a pair of paths is

.. math:: 2 \eta \int r_s\, e^{-s} \sum_k P_s(k|x^\eta)\,
   \langle v_k, \Sigma_s^{-2} v_l \rangle\, ds

at the output (docs/theory.md, T1-Sigma). The noise can hold the unguided path where P(k) is nearly
1 for the k that makes the integrand least, level by level, and then take it, in the last instant,
to where l is the only rival. Far from the means P is that sharp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sde_compare.steering import LosingPath, change_of_odds, steered

if TYPE_CHECKING:
    from fokker_planck import ReverseProcess

N_RAYS, RADII = 48, (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
#: a jump takes this part of the horizon
JUMP = 1e-6
#: levels at which the curve may change its place, beside those where a kernel changes its sign
N_LEVELS = 8
SCAN = 400
#: at the end the other rivals weigh at most this much beside l
OTHERS = 1e-6


def candidates(process: ReverseProcess) -> Any:
    """Return points on rays from the target's mean, nearest first, shape (n, 2)."""
    angle = np.linspace(0, 2 * np.pi, N_RAYS, endpoint=False)
    rays = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    own = process.mixture.means[process.target]
    return own + np.concatenate([radius * rays for radius in RADII])


def kernels(process: ReverseProcess, s: float, rival: int) -> Any:
    """Return <v_k, Sigma_s^-2 v_l> for every component k."""
    mixture = process.mixture
    own = mixture.covariances[process.target]
    fade = np.exp(-2 * s)
    inverse = np.linalg.inv(fade * own + (1 - fade) * np.eye(len(own)))
    v = mixture.means[process.target] - mixture.means
    return v @ inverse @ inverse @ v[rival]


def shares(process: ReverseProcess, points: Any, tau: float) -> Any:
    """Return the posterior masses of all components at points, shape (k, n)."""
    relative = -process.log_ratios(points, tau)
    weights = np.exp(relative - relative.max(axis=0))
    return weights / weights.sum(axis=0)


def legs(process: ReverseProcess, rival: int, points: Any) -> tuple[list[float], list[Any]]:
    """Return times and corners of the curve up to its last jump."""
    horizon = process.horizon
    # uniform in exp(-2 s), the clock in which the kernels vary
    clock = np.linspace(np.exp(-2 * horizon), 1.0, SCAN + 1)
    least = np.array([kernels(process, -0.5 * np.log(u), rival).min() for u in clock])
    turns = clock[1:][np.diff(np.sign(least)) != 0]
    edges = np.union1d(np.linspace(clock[0], 1.0, N_LEVELS + 1), turns)
    taus = horizon + 0.5 * np.log(edges)
    held = []
    for u in 0.5 * (edges[1:] + edges[:-1]):
        s = -0.5 * np.log(u)
        rate = kernels(process, s, rival) @ shares(process, points, horizon - s)
        held.append(int(np.argmin(rate)))
    times, corners = [0.0], [points[held[0]]]
    for tau, before, after in zip(taus[1:-1], held, held[1:], strict=False):
        if after != before:
            times += [float(tau), float(tau) + JUMP * horizon]
            corners += [points[before], points[after]]
    return times, corners


def losing_path(process: ReverseProcess) -> LosingPath | None:
    """Return a curve along which the SDE ends with less confidence than the unguided one.

    Parameters
    ----------
    process : ReverseProcess
        In the plane, with one covariance and noise level 1.

    Returns
    -------
    LosingPath or None
        Integrated with its error; None if neither rival gives a loss beyond the error.
    """
    base, horizon, own = process.with_strength(0.0), process.horizon, process.target
    points = candidates(process)
    final = shares(process, points, horizon)
    for rival in range(process.mixture.n_components):
        others = [k for k in range(process.mixture.n_components) if k not in (rival, own)]
        if rival == own or not others:
            continue
        times, corners = legs(process, rival, points)
        rest = (final[others].sum(axis=0) + final[own]) / final[rival].clip(1e-300)
        clear = np.flatnonzero(rest < OTHERS)
        last = points[clear[0] if clear.size else int(np.argmin(rest))]
        taus = np.array([*times, (1 - JUMP) * horizon, horizon])
        curve = np.stack([*corners, corners[-1], last])
        value, error = change_of_odds(process, steered(process, base, taus, curve))
        if value + error < 0:
            return LosingPath(taus, curve, value, error)
    return None
