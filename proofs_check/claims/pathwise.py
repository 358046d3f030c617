r"""Pathwise evidence: a rise along coupled paths, at two resolutions of one Brownian path.

A path's discretisation error at a node is :math:`\kappa S`. The scale S is the larger of what
halving the steps changed on this path so far and of the root mean square of that change over all
paths at this node: the change on one path at one node can vanish by accident. The factor
:math:`\kappa` is calibrated in the run: chosen paths are replayed at DEPTH times as many steps of
the same Brownian path, and it is the largest true error in units of S found there. A share of
paths may lie above it, which Clopper-Pearson bounds; it counts in the share that could violate.
What a sum of n steps loses in rounding is n units in the last place of the states, times the
sensitivity of the rise.

A path is violating if its rise is negative beyond its error anywhere, clear if it is nonnegative
beyond it everywhere, otherwise undecided and resolved further.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

import sde_compare as sc
from fokker_planck import ReverseProcess
from proofs_check.claims.rises import Rise
from proofs_check.evidence import Evidence
from proofs_check.registry import Context, without_guidance
from sde_compare.path_errors import TINY, error_factor
from sde_compare.path_errors import change_scale as scale

Array = NDArray[np.float64]
EPS = float(np.finfo(float).eps)

RULE, SECOND_RULE = "euler", "exponential"
REFINE = 2
#: Number of paths and of coarse steps; blocks of the engine are whole.
SIZES = {"quick": (8192, 240), "full": (65536, 480)}
CALIBRATED, DEPTH = 1024, 8
DEEPER = (4, 16)  # further resolutions for paths that stay undecided
States = tuple[Array, Array]


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
    factor : float
        The calibrated kappa.
    """

    value: Array
    discretisation: Array
    rounding: Array
    violating: NDArray[np.bool_]
    undecided: NDArray[np.bool_]
    paths: sc.CoupledPaths
    factor: float

    @property
    def worst(self) -> int:
        """The path that decides: the worst violation, else the least clear of all."""
        error = self.discretisation + self.rounding
        if self.violating.any():
            return int(np.argmin(np.where(self.violating, self.value + error, np.inf)))
        return int(np.argmin(self.value / np.maximum(error, TINY)))


def judge(
    rise: Rise, fine: States, coarse: States, tau: Array, steps: int, factor: float
) -> tuple[Array, Array, Array]:
    """Return value, discretisation and rounding of every path where the path is decided.

    States are (m, n, d) at common times; ``steps`` is the number of fine steps per node.
    """
    at = rise.nodes(len(tau))
    value = rise(fine[0][at], fine[1][at], tau[at])
    gap = factor * scale(value, rise(coarse[0][at], coarse[1][at], tau[at]))
    size = np.maximum(np.abs(fine[0][at]), np.abs(fine[1][at])).max(axis=-1)
    done = steps * np.arange(1, len(tau) + 1)[at, None]
    rounding = EPS * done * rise.sensitivity(tau[at]) * (1 + size)
    if rise.at_output:
        value, gap, rounding = value[-1:], gap[-1:], rounding[-1:]
    upper = value + gap + rounding
    clear = value / np.maximum(gap + rounding, TINY)
    row = np.where(upper.min(axis=0) < 0, upper.argmin(axis=0), clear.argmin(axis=0))
    column = np.arange(value.shape[1])
    return value[row, column], gap[row, column], rounding[row, column]


def sort(value: Array, gap: Array, rounding: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which paths violate, and which are undecided."""
    violating = value + gap + rounding < 0
    return violating, ~violating & ~(value - gap - rounding >= 0)


def replayed_states(
    paths: sc.CoupledPaths, chosen: NDArray[np.intp], depth: int, rule: str = RULE
) -> States:
    """Return chosen paths at ``depth`` steps per fine step, at the coarse nodes after the start."""
    run = sc.replay(replace(paths.refined or paths, rule=rule), chosen, depth)
    stride = depth * REFINE
    a, b = (np.moveaxis(path, 1, 0)[stride::stride] for path in (run.path_a, run.path_b))
    return a, b


def calibrate(rise: Rise, paths: sc.CoupledPaths, fine: States, coarse: States) -> float:
    """Return kappa: the largest true error on the replayed paths, in units of the scale."""
    tau = paths.times[1:]
    at = rise.nodes(len(tau))
    value, other = (rise(run[0][at], run[1][at], tau[at]) for run in (fine, coarse))
    unit = scale(value, other)
    chosen = np.arange(min(CALIBRATED, value.shape[1]))
    a, b = replayed_states(paths, chosen, DEPTH)
    return error_factor(value[:, chosen], unit[:, chosen], rise(a[at], b[at], tau[at]), DEPTH)


def coupled_rise(
    guided: ReverseProcess,
    unguided: ReverseProcess,
    rise: Rise,
    context: Context,
    n_steps: int | None = None,
    deeper: tuple[int, ...] = DEEPER,
) -> PathTest:
    """Run both from one start with one noise and judge every path."""
    n_paths, default = SIZES[context.level]
    n_paths //= guided.dimension  # a path costs as many times more
    # the Euler rule keeps the order of paths only while its multiplier is positive (T1-discrete)
    at_end = float(np.asarray(guided.forward_time(guided.horizon)))
    least = float(guided.schedule.signal(at_end)) ** 2 * float(guided.mixture.variances.min())
    narrow = min(1.0, least + float(guided.schedule.variance(at_end)))
    times = guided.forward_time(np.linspace(0.0, guided.horizon, 65))
    fastest = float(np.max(guided.schedule.diffusivity(times)))
    rate = (1 + guided.noise_level**2) * fastest / narrow
    n_steps = max(n_steps or default, int(np.ceil(guided.horizon * rate)))
    paths = sc.couple(
        guided,
        unguided,
        n_paths,
        n_steps,
        seed=context.seed,
        rule=RULE,
        refine=REFINE,
        observables=[],
        times=np.linspace(0.0, guided.horizon, n_steps + 1),
        threads=1,
    )
    refined = paths.refined
    assert refined is not None
    fine = (refined.states_a[1:], refined.states_b[1:])
    coarse = (paths.states_a[1:], paths.states_b[1:])
    control = without_guidance(guided)
    factor = 1.0 if control else calibrate(rise, paths, fine, coarse)
    found = judge(rise, fine, coarse, paths.times[1:], REFINE, factor)
    test = PathTest(*found, *sort(*found), _light(paths), factor)
    for depth in () if control else deeper:  # in a control no resolution tells 0 from 0
        if test.undecided.any():
            test = _deeper(test, rise, depth)
    return test


def _light(paths: sc.CoupledPaths) -> sc.CoupledPaths:
    """Return the run without its stored states."""
    none = np.empty((0, 0, 0))
    fine = paths.refined
    if fine is not None:
        fine = replace(fine, states_a=none, states_b=none)
    return replace(paths, states_a=none, states_b=none, refined=fine)


def resolve(
    test: PathTest, rise: Rise, chosen: NDArray[np.intp], depth: int, rule: str = RULE
) -> tuple[Array, Array, Array]:
    """Judge chosen paths again at ``depth`` and twice ``depth`` steps per fine step."""
    paths = test.paths
    coarse, fine = (replayed_states(paths, chosen, n, rule) for n in (depth, 2 * depth))
    return judge(rise, fine, coarse, paths.times[1:], 2 * depth * REFINE, test.factor)


def _deeper(test: PathTest, rise: Rise, depth: int) -> PathTest:
    chosen = np.flatnonzero(test.undecided)
    found = resolve(test, rise, chosen, depth)
    columns = (test.value.copy(), test.discretisation.copy(), test.rounding.copy())
    for column, new in zip(columns, found, strict=True):
        column[chosen] = new
    return PathTest(*columns, *sort(*columns), test.paths, test.factor)


def path_evidence(name: str, test: PathTest, context: Context, cap: float | None) -> Evidence:
    """Return the evidence of a path test: the worst path, and which share could still violate.

    A path that violates is seen to, or is undecided, or has an error above its bar. The share is
    bounded by the sum of the limits for the first two together and for the third.
    """
    n, worst, confidence = test.value.size, test.worst, 1 - context.share
    bad = int(test.violating.sum())
    open_ = int(test.undecided.sum()) if cap is None else 0
    limit = sc.clopper_pearson_limits(bad + open_, n, confidence, "upper")[1]
    above, statements = 0.0, 1
    if cap is None:
        above = sc.clopper_pearson_limits(0, min(CALIBRATED, n), confidence, "upper")[1]
        statements = 2
    paths = test.paths
    details = {
        "n_paths": n,
        "n_steps": [paths.n_steps, paths.n_steps * REFINE],
        "rule": paths.rule,
        "violating": bad,
        "undecided": open_,
        "violating_share_below": min(1.0, limit + above),
        "seen_or_undecided_share_below": limit,
        "confidence": 1 - statements * context.share,
        "worst_path": worst,
    }
    if cap is None:
        details["error_factor"] = test.factor
        details["calibrated_paths"] = min(CALIBRATED, n)
        details["error_factor_exceeded_by_below"] = above
    return Evidence(
        name,
        "paths",
        float(test.value[worst]),
        {
            "discretisation": float(test.discretisation[worst]),
            "rounding": float(test.rounding[worst]),
        },
        cap=cap,
        units="log-ratio",
        details=details,
        remedy="smaller steps for the undecided paths",
    )


def replayed(
    test: PathTest, rise: Rise, path: int, depth: int = 4, rule: str = SECOND_RULE
) -> Evidence:
    """Return the rise of one path again: the same Brownian path, finer steps, another rule."""
    value, gap, rounding = resolve(test, rise, np.array([path]), depth, rule)
    steps = test.paths.n_steps * REFINE * 2 * depth
    return Evidence(
        f"replay of path {path}",
        "paths",
        float(value[0]),
        {"discretisation": float(gap[0]), "rounding": float(rounding[0])},
        units="log-ratio",
        details={"method": f"replay by the {rule} rule", "rule": rule, "n_steps": steps},
    )
