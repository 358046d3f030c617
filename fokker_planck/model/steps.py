"""Step rules: the coefficients of one step of a sampler, for a whole grid of times at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import one_of, real_array, shown, whole_number
from fokker_planck.model.dynamics import Dynamics
from fokker_planck.model.guided import GuidedProcess

Array = NDArray[np.float64]
#: rules of one score evaluation per step
RULES = ("euler", "exponential", "ddim", "ddpm")
#: ... and with Heun's, of two, for processes without noise
CHAIN_RULES = (*RULES, "heun")


@dataclass(frozen=True)
class StepTable:
    r"""One step of every rule is :math:`x' = A x + B\,s + C\,\xi`, with s frozen at its start.

    For a process of the user's own s is the drift, A = 1 and B = h; otherwise it is the guided
    score.

    Attributes
    ----------
    tau : ndarray, shape (n + 1,)
        Reverse times, from 0 to the horizon.
    linear, score, noise : ndarray, shape (n,)
        A, B and C >= 0.
    """

    tau: Array
    linear: Array
    score: Array
    noise: Array


def check_rule(process: Dynamics, rule: str, rules: tuple[str, ...] = RULES) -> str:
    """Return ``rule`` if it is one of ``rules`` and made for this process.

    Raises
    ------
    ValueError
        If it is unknown, or the process has no score or the wrong noise level for it.
    """
    one_of("rule", rule, rules)
    if rule == "heun":
        if not process.deterministic:
            level = getattr(process, "noise_level", None)
            got = "noise" if level is None else f"noise_level {level:g}"
            raise ValueError(f"rule 'heun' needs the ODE sampler (noise_level 0), got {got}")
    elif not isinstance(process, GuidedProcess):
        if rule != "euler":
            raise ValueError(f"rule must be euler for a process without a score, got {rule!r}")
    elif rule == "ddim" and not process.deterministic:
        raise ValueError(
            f"rule 'ddim' needs the ODE sampler (noise_level 0), "
            f"got noise_level {process.noise_level:g}"
        )
    elif rule == "ddpm" and process.noise_level != 1:
        raise ValueError(
            f"rule 'ddpm' needs the SDE sampler (noise_level 1), "
            f"got noise_level {process.noise_level:g}"
        )
    return rule


def time_nodes(process: Dynamics, n_steps: int, time_grid: ArrayLike | None = None) -> Array:
    """Return the n_steps + 1 reverse times of a run: given, or equally spaced.

    Raises
    ------
    ValueError
        If ``n_steps`` is not a whole number >= 1, or the grid does not rise from 0 to the horizon
        in that many steps.
    """
    n_steps = whole_number("n_steps", n_steps, minimum=1)
    if time_grid is None:
        return np.linspace(0.0, process.horizon, n_steps + 1)
    tau = real_array("time_grid", time_grid)
    if tau.shape != (n_steps + 1,):
        raise ValueError(f"time_grid must have shape ({n_steps + 1},), got {tau.shape}")
    if tau[0] != 0 or abs(tau[-1] / process.horizon - 1) > 1e-12 or np.any(np.diff(tau) <= 0):
        raise ValueError(
            f"time_grid must rise from 0 to {process.horizon:g}, got {shown(time_grid)}"
        )
    tau[-1] = process.horizon
    return tau


def step_table(process: Dynamics, tau: Array, rule: str) -> StepTable:
    r"""Return the coefficients of a rule on a grid of reverse times.

    With r = signal and v = variance of the schedule (Ornstein-Uhlenbeck: e^{-t}, 1 - r^2), primes
    at the end of the step, h its length, f and D its drift rate and diffusivity. With early
    stopping v' > 0 at the end, so that the last step of ddpm adds noise too. Where the strength
    jumps inside a step, the value at the step's start counts: put nodes on the jumps.

    ============  ==========  =======================================  ============================
    rule          A           B                                        C
    ============  ==========  =======================================  ============================
    euler         1 - f h     (1 + lambda^2) D h                       lambda sqrt(2 D h)
    exponential   r'/r        (1 + lambda^2) int (r'/r) D              lambda sqrt(v (r'/r)^2 - v')
    ddim          r'/r        v r'/r - sqrt(v v')                      0
    ddpm          r'/r        (v - a v') r'/r, with a = (r/r')^2       sqrt((v - a v') v'/v)
    ============  ==========  =======================================  ============================

    Heun's rule has the table of Euler's, which is its first stage.
    Source: docs/theory.md, T1-discrete; Song et al. (ddim), Ho et al. (ddpm, posterior variance).
    """
    h = np.diff(tau)
    if not isinstance(process, GuidedProcess):
        noise = np.array([float(process.noise(s)) for s in tau[:-1]]) * np.sqrt(h)
        return StepTable(tau, np.ones_like(h), h, noise)
    schedule, level = process.schedule, process.noise_level
    t = np.asarray(process.forward_time(tau))
    if rule in ("euler", "heun"):
        rate = schedule.diffusivity(t[:-1])
        linear = 1 - schedule.drift_rate(t[:-1]) * h
        return StepTable(tau, linear, (1 + level**2) * rate * h, level * np.sqrt(2 * rate * h))
    r, v = schedule.signal(t), schedule.variance(t)
    growth = r[1:] / r[:-1]
    v, v_end = v[:-1], v[1:]
    fresh = np.maximum(v - v_end / growth**2, 0.0)  # variance that the forward step adds
    if rule == "exponential":
        closed = getattr(schedule, "score_weight", None)
        if closed is not None:
            score = (1 + level**2) * closed(t[:-1], t[1:])
        else:
            node, weight = np.polynomial.legendre.leggauss(16)
            inside = t[:-1, None] - 0.5 * h[:, None] * (1 + node)
            integrand = schedule.diffusivity(inside) * r[1:, None] / schedule.signal(inside)
            score = (1 + level**2) * 0.5 * h * (integrand @ weight)
        return StepTable(tau, growth, score, level * growth * np.sqrt(fresh))
    if rule == "ddim":
        return StepTable(tau, growth, v * growth - np.sqrt(v * v_end), np.zeros_like(h))
    return StepTable(tau, growth, fresh * growth, np.sqrt(fresh * v_end / v))
