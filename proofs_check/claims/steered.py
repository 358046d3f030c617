"""X3, X4: what fails along a path that the noise can be steered to; no sampling is involved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import fokker_planck as fp
from fokker_planck import GaussianMixture, ReverseProcess
from proofs_check.claims.hypotheses import COMMON, CONSTANT, GRAM, ISOTROPIC, NOISY, OU
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level
from sde_compare.steering import change_of_odds, find_losing_path, steered

Array = NDArray[np.float64]
Method = Literal["DOP853", "Radau"]

CROSSED = GaussianMixture(
    [1 / 3] * 3, [[0.0, 0.0], [-1.0, -1.0], [-1.0, 1.0]], [[1.0, 0.0], [0.0, 0.25]]
)
_SIDE = float(np.sqrt(12.0))
OBLIQUE = GaussianMixture([1 / 3] * 3, [[0.0, 0.0], [-_SIDE, 0.0], [-0.8 * _SIDE, -0.6 * _SIDE]])
#: corners (u, log-ratios) of the unguided path of X4 in the clock u = r^2; straight in between
CORNERS = (
    (0.0, 0.0, 0.0),
    (0.01, -45.0, 45.0),
    (0.325, -45.0, 45.0),
    (0.335, 45.0, -32.3),
    (0.66, 45.0, -32.3),
    (0.67, -42.8, 45.0),
    (0.995, -42.8, 45.0),
    (1.0, 0.0, -38.0),
)


def losing_cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table of X3."""
    strengths = [4.0] if level == "quick" else [4.0, 1.0, 16.0]
    return [
        Case(f"crossed-sde-eta{eta:g}", fp.reverse_process(CROSSED, 0, strength=eta, sampler="sde"))
        for eta in strengths
    ]


def rungs_cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table of X4."""
    process = fp.reverse_process(OBLIQUE, 0, strength=11.0, sampler="sde")
    return [Case("oblique-sde-eta8-to-11", process, {"below": 8.0})]


def evidence(name: str, value: float, error: float, **details: object) -> Evidence:
    """Return the evidence of one steered path."""
    return Evidence(
        name,
        "paths",
        value,
        {"integration": error},
        units="log-odds",
        details=details,
        remedy="another curve",
    )


def gather_losing(item: Case, context: Context) -> Sequence[Evidence]:
    """Search for a curve along which guidance loses confidence."""
    process = item.process
    found = find_losing_path(process, process.with_strength(0))
    name = "rise of log P(y)/(1-P(y)) along a steered path"
    if found is None:
        return [evidence(name, 0.0, float("inf"))]
    curve = {"taus": found.taus.tolist(), "curve": found.curve.tolist()}
    return [evidence(name, found.loss, found.error, method="DOP853", **curve)]


def confirm_losing(item: Case, context: Context, failed: Evidence) -> Witness:
    """Integrate the same curve by an implicit method."""
    process, curve = item.process, dict(failed.details)
    base = process.with_strength(0)
    run = steered(process, base, curve["taus"], curve["curve"], "Radau")
    value, error = change_of_odds(process, run)
    again = evidence(failed.name, value, error, method="Radau")
    return Witness({key: curve[key] for key in ("taus", "curve")}, again)


def corners_curve(base: ReverseProcess, corners: Sequence[Sequence[float]]) -> tuple[Array, Array]:
    """Return times and points of the unguided path with given log-ratios in the clock u = r^2.

    Two rivals in the plane, covariance I: l_k = r <x, v_k> + r^2 (|mu_k|^2 - |mu_y|^2) / 2 plus the
    ratio of weights.
    """
    mixture, y, horizon = base.mixture, base.target, base.horizon
    table = np.asarray(corners)
    first = np.exp(-2 * horizon)
    ramp = np.exp(np.linspace(np.log(first), np.log(table[1, 0]), 13))[1:]
    inner = np.linspace(table[1, 0], 1.0, 61)[1:]
    clock = np.unique(np.concatenate([ramp, inner, table[1:, 0]]).round(12))
    clock = np.concatenate([[first], clock[clock > first]])
    taus = horizon + 0.5 * np.log(clock)
    taus[0], taus[-1] = 0.0, horizon
    wanted = np.stack([np.interp(clock, table[:, 0], column) for column in table.T[1:]], axis=1)
    rivals = [k for k in range(mixture.n_components) if k != y]
    v = mixture.means[y] - mixture.means[rivals]
    square = np.sum(mixture.means**2, axis=1)
    constant = np.log(mixture.weights[y] / mixture.weights[rivals])
    level = clock[:, None] * (square[rivals] - square[y]) / 2 + constant
    points = np.linalg.solve(v, ((wanted - level) / np.sqrt(clock)[:, None]).T).T
    return taus, points


def rung(item: Case, method: Method) -> Evidence:
    """Return the change of the log-odds from the lower strength to the case's, on one noise."""
    process, below = item.process, float(item.options["below"])
    base = process.with_strength(0)
    taus, curve = corners_curve(base, CORNERS)
    ends = [
        change_of_odds(guided, steered(guided, base, taus, curve, method))
        for guided in (process, process.with_strength(below))
    ]
    return evidence(
        f"change of log P(y)/(1-P(y)) from strength {below:g} to {process.strength:g}",
        ends[0][0] - ends[1][0],
        ends[0][1] + ends[1][1],
        method=method,
    )


def gather_rungs(item: Case, context: Context) -> Sequence[Evidence]:
    """Compare two strengths along the curve of docs/theory.md, X4."""
    return [rung(item, "DOP853")]


def confirm_rungs(item: Case, context: Context, failed: Evidence) -> Witness:
    """Integrate the same curve by an implicit method."""
    corners = {"clock_and_log_ratios": [list(corner) for corner in CORNERS]}
    return Witness(corners, rung(item, "Radau"))


X3 = Claim(
    id="X3",
    title="The Euclidean condition suffices (false for anisotropic classes)",
    statement=(
        "With a common covariance and <mu_y - mu_k, mu_y - mu_l> >= 0 for all k, l, no path of the "
        "SDE ends with a lower posterior P(y|x) than the unguided path with the same noise."
    ),
    latex=(
        r"\Sigma_k = \Sigma,\ \langle v_k, v_l\rangle \ge 0 \;\Longrightarrow\; "
        r"P_0(y\,|\,x^{\eta}_T) \ge P_0(y\,|\,x^{0}_T)"
    ),
    status="counterexample",
    hypotheses=(COMMON, GRAM, NOISY),
    cases=losing_cases,
    gather=gather_losing,
    confirm=confirm_losing,
    note=(
        "The witness is a curve that the unguided path follows: noise near it has positive "
        "probability, and the losses near it are as clear."
    ),
)

X4 = Claim(
    id="X4",
    title="More strength, more confidence (false for three components)",
    statement=(
        "With covariance sigma^2 I and <mu_y - mu_k, mu_y - mu_l> > 0 for all k, l, the posterior "
        "P(y|x) along a path of the SDE is nondecreasing in the strength."
    ),
    latex=(
        r"\langle v_k, v_l\rangle > 0,\ \eta\le\eta' \;\Longrightarrow\; "
        r"P_0(y\,|\,x^{\eta}_T) \le P_0(y\,|\,x^{\eta'}_T)"
    ),
    status="counterexample",
    hypotheses=(ISOTROPIC, GRAM, NOISY, CONSTANT, OU),
    cases=rungs_cases,
    gather=gather_rungs,
    confirm=confirm_rungs,
    cost=6.0,
    note="The witness is a steered path; random sampling will practically never meet it.",
)
