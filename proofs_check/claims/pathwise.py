r"""Pathwise evidence: a rise along coupled paths, at two resolutions of one Brownian path.

At every node of the coarser grid the rise of the finer run is compared with that of the coarser
one on the same path: at strong order one with additive noise their difference estimates the
discretisation error of the finer. What a sum of n steps loses in rounding is n units in the last
place of the states, times the sensitivity of the rise. A path is violating if its rise is
negative beyond that error anywhere, clear if it is nonnegative beyond it everywhere, otherwise
undecided and resolved further.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sde_compare as sc
from fokker_planck import ReverseProcess
from proofs_check.evidence import Evidence
from proofs_check.registry import Context, without_guidance
from sde_compare.replay import replay

Array = NDArray[np.float64]
EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
#: rise(points_a, points_b, tau) -> (rise, sensitivity): smallest rise over rivals, 1 unit of x
Rise = Callable[[Array, Array, Array], tuple[Array, Array]]

RULE, SECOND_RULE = "euler", "exponential"
REFINE = 2
#: Number of paths and of coarse steps; blocks of the engine are whole.
SIZES = {"quick": (8192, 240), "full": (65536, 480)}
DEEPER = (4, 16)  # further resolutions for paths that stay undecided


def log_ratio_rise(process: ReverseProcess, a: Array, b: Array, tau: Array) -> Any:
    """Return the least rise of log P(y)/P(k) over k from b to a, isotropic common covariance.

    It is linear: r <mu_y - mu_k, a - b> / C. Points (m, n, d), times (m,), result (m, n).
    """
    t = np.asarray(process.forward_time(tau))
    r = np.asarray(process.schedule.signal(t))
    mixture = process.mixture
    c = r * r * mixture.covariances[process.target, 0, 0] + process.schedule.variance(t)
    v = _gaps(process)
    factor = (r / c)[:, None]
    if len(v) == 0:  # no rival: nothing can be lost
        return np.zeros(a.shape[:2]), np.zeros_like(factor)
    rises = np.stack([(a - b) @ row for row in v])
    return factor * rises.min(axis=0), factor * np.linalg.norm(v, axis=1).max()


def log_odds_rise(process: ReverseProcess, a: Array, b: Array, tau: Array) -> Any:
    """Return the rise of log P(y)/(1 - P(y)) from b to a at the last time alone.

    Its gradient is a mean of the rows r (mu_y - mu_k) / C, which bounds the sensitivity.
    """
    end = float(tau[-1])
    t = process.forward_time(end)
    r = float(process.schedule.signal(t))
    c = r * r * process.mixture.covariances[process.target, 0, 0]
    c += float(process.schedule.variance(t))
    odds = [process.log_posterior(x[-1], end) - process.log_complement(x[-1], end) for x in (a, b)]
    steep = np.linalg.norm(_gaps(process), axis=1).max(initial=0.0)
    return (odds[0] - odds[1])[None], np.full((1, 1), r * steep / c)


def _gaps(process: ReverseProcess) -> Array:
    used = process.mixture.weights > 0
    used[process.target] = False
    return process.mixture.means[process.target] - process.mixture.means[used]


@dataclass(frozen=True)
class PathTest:
    """What every path says.

    Attributes
    ----------
    value, discretisation, rounding : ndarray, shape (n_paths,)
        The rise where it decides about the path, and its errors there.
    violating, undecided : ndarray of bool, shape (n_paths,)
    paths : CoupledPaths
        The coarser run; ``.refined`` is the finer.
    """

    value: Array
    discretisation: Array
    rounding: Array
    violating: NDArray[np.bool_]
    undecided: NDArray[np.bool_]
    paths: sc.CoupledPaths

    @property
    def worst(self) -> int:
        """The path that decides: the worst violation, else the least clear of all."""
        error = self.discretisation + self.rounding
        if self.violating.any():
            return int(np.argmin(np.where(self.violating, self.value + error, np.inf)))
        return int(np.argmin(self.value / np.maximum(error, TINY)))


def judge(
    rise: Rise, fine: tuple[Array, Array], coarse: tuple[Array, Array], tau: Array, steps: int
) -> tuple[Array, Array, Array]:
    """Return value, discretisation and rounding of every path where the path is decided.

    States are (m, n, d) at common times; ``steps`` is the number of fine steps per node.
    """
    value, sensitivity = rise(*fine, tau)
    gap = np.abs(value - rise(*coarse, tau)[0])
    size = np.maximum(np.abs(fine[0]), np.abs(fine[1])).max(axis=-1)
    done = steps * np.arange(1, len(tau) + 1)
    if value.shape[0] == 1:
        done, size = done[-1:], size[-1:]
    rounding = EPS * done[:, None] * sensitivity * (1 + size)
    upper = value + gap + rounding
    clear = value / np.maximum(gap + rounding, TINY)
    at = np.where(upper.min(axis=0) < 0, upper.argmin(axis=0), clear.argmin(axis=0))
    column = np.arange(value.shape[1])
    return value[at, column], gap[at, column], rounding[at, column]


def coupled_rise(
    guided: ReverseProcess,
    unguided: ReverseProcess,
    rise: Rise,
    context: Context,
    n_paths: int | None = None,
    n_steps: int | None = None,
) -> PathTest:
    """Run both from one start with one noise and judge every path."""
    default = SIZES[context.level]
    n_paths = n_paths or default[0]
    # the Euler rule keeps the order of paths only while its multiplier is positive (T1-discrete)
    narrow = min(1.0, float(guided.mixture.variances.min()))
    rate = (1 + guided.noise_level**2) / narrow
    n_steps = max(n_steps or default[1], int(np.ceil(guided.horizon * rate)))
    grid = np.linspace(0.0, guided.horizon, n_steps + 1)
    paths = sc.couple(
        guided,
        unguided,
        n_paths,
        n_steps,
        seed=context.seed,
        rule=RULE,
        refine=REFINE,
        observables=[],
        times=grid,
        threads=1,
    )
    refined = paths.refined
    assert refined is not None
    tau = paths.times[1:]
    value, gap, rounding = judge(
        rise,
        (refined.states_a[1:], refined.states_b[1:]),
        (paths.states_a[1:], paths.states_b[1:]),
        tau,
        REFINE,
    )
    test = PathTest(value, gap, rounding, *_sort(value, gap, rounding), paths)
    # in a control no resolution tells 0 from 0
    for depth in () if without_guidance(guided) else DEEPER:
        if test.undecided.any():
            test = _deeper(test, rise, depth)
    return replace(test, paths=_light(paths))


def _sort(value: Array, gap: Array, rounding: Array) -> tuple[Any, Any]:
    violating = value + gap + rounding < 0
    return violating, ~violating & ~(value - gap - rounding >= 0)


def _light(paths: sc.CoupledPaths) -> sc.CoupledPaths:
    """Return the run without its stored states."""
    none = np.empty((0, 0, 0))
    fine = paths.refined
    if fine is not None:
        fine = replace(fine, states_a=none, states_b=none)
    return replace(paths, states_a=none, states_b=none, refined=fine)


def resolve(
    paths: sc.CoupledPaths, rise: Rise, chosen: NDArray[np.intp], depth: int, rule: str = RULE
) -> tuple[Array, Array, Array]:
    """Judge chosen paths again at ``depth`` and twice ``depth`` steps per fine step."""
    base = replace(paths.refined or paths, rule=rule)
    coarse, fine = replay(base, chosen, depth), replay(base, chosen, 2 * depth)

    def states(run: Any, stride: int) -> tuple[Array, Array]:
        a, b = (np.moveaxis(path, 1, 0)[stride::stride] for path in (run.path_a, run.path_b))
        return a, b

    return judge(
        rise,
        states(fine, 2 * depth * REFINE),
        states(coarse, depth * REFINE),
        coarse.tau[depth * REFINE :: depth * REFINE],
        2 * depth * REFINE,
    )


def _deeper(test: PathTest, rise: Rise, depth: int) -> PathTest:
    chosen = np.flatnonzero(test.undecided)
    found = resolve(test.paths, rise, chosen, depth)
    columns = (test.value.copy(), test.discretisation.copy(), test.rounding.copy())
    for column, new in zip(columns, found, strict=True):
        column[chosen] = new
    return PathTest(*columns, *_sort(*columns), test.paths)


def path_evidence(name: str, test: PathTest, context: Context, cap: float | None) -> Evidence:
    """Return the evidence of a path test: the worst path, and which share could still violate."""
    n = test.value.size
    worst, confidence = test.worst, 1 - context.share
    bad = int(test.violating.sum())
    suspects = bad + (int(test.undecided.sum()) if cap is None else 0)
    limit = sc.clopper_pearson_limits(suspects, n, confidence, "upper")[1]
    paths = test.paths
    return Evidence(
        name,
        "paths",
        float(test.value[worst]),
        {
            "discretisation": float(test.discretisation[worst]),
            "rounding": float(test.rounding[worst]),
        },
        confidence=None,
        cap=cap,
        units="log-ratio",
        details={
            "n_paths": n,
            "n_steps": [paths.n_steps, paths.n_steps * REFINE],
            "rule": paths.rule,
            "violating": bad,
            "undecided": suspects - bad if cap is None else 0,
            "violating_share_below": limit,
            "confidence": confidence,
            "worst_path": worst,
        },
        remedy="smaller steps for the undecided paths",
    )


def replayed(
    test: PathTest, rise: Rise, path: int, depth: int = 4, rule: str = SECOND_RULE
) -> Evidence:
    """Return the rise of one path again: the same Brownian path, finer steps, another rule."""
    value, gap, rounding = resolve(test.paths, rise, np.array([path]), depth, rule)
    return Evidence(
        f"replay of path {path}, rule {rule}",
        "paths",
        float(value[0]),
        {"discretisation": float(gap[0]), "rounding": float(rounding[0])},
        units="log-ratio",
        details={"rule": rule, "n_steps": test.paths.n_steps * REFINE * 2 * depth},
    )


def rise_of(process: ReverseProcess, kind: str = "log_ratio") -> Rise:
    """Return the rise of a process's log-ratios, or of its log-odds at output."""
    return partial(log_odds_rise if kind == "log_odds" else log_ratio_rise, process)
