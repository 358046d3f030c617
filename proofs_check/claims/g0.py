r"""G0: the classifier route and the classifier-free route give one score.

The rounding bound comes from the sizes of the terms, :math:`u` being one unit in the last place:
each route adds terms of size :math:`(1+2\eta) S` with :math:`S = \max_k (|x| + r|\mu_k|)/c_k`; and
posteriors computed from exponents of size A are off by :math:`2 u A` relative to themselves,
which moves the mean of the component scores by at most :math:`2 u A \sum_k P_k |s_k - \bar s|`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import fokker_planck as fp
from fokker_planck import GaussianMixture, ReverseProcess
from proofs_check.claims.tables import case, random_cases
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level

Array = NDArray[np.float64]
EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
OPERATIONS = 8  # roundings per term, counted in the longer route
CAP = 1e-6
STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return the case table."""
    plane = GaussianMixture(
        [0.2, 0.5, 0.3],
        [[0.0, 1.0], [-2.0, 0.5], [3.0, -1.0]],
        [[[1.0, 0.3], [0.3, 0.5]], [[0.4, 0.0], [0.0, 2.0]], [[1.0, -0.2], [-0.2, 1.0]]],
    )
    table = [
        case("two", 3, "ode"),
        case("three-extreme", 16, "sde"),
        case("wide-narrow", 8, "sde"),
        Case("plane-sde-eta4", fp.reverse_process(plane, 1, strength=4.0)),
    ]
    if level == "full":
        table += random_cases(40, seed, "G0")
    return table


def points(process: ReverseProcess) -> Array:
    """Return points from the middle to far tails, along every axis and the diagonal, (n, d)."""
    far = np.logspace(-3, 3, 61)
    line = np.concatenate([-far[::-1], [0.0], far, np.linspace(-12, 12, 97)])
    d = process.dimension
    directions = np.vstack([np.eye(d), np.full((1, d), d**-0.5)]) if d > 1 else np.eye(1)
    rays = (line[:, None, None] * directions).reshape(-1, d)
    return np.concatenate([rays, process.mixture.means])


def times(process: ReverseProcess) -> Array:
    """Return reverse times from start to output."""
    return process.horizon * np.array([0.0, 0.3, 0.6, 0.8, 0.95, 1.0])


def rounding(process: ReverseProcess, x: Array, tau: float) -> Array:
    """Return the rounding bound of the difference of the two routes, shape (n,)."""
    t = float(process.forward_time(tau))
    r, v = float(process.schedule.signal(t)), float(process.schedule.variance(t))
    eta = float(process.guidance.strength(t))
    mixture = process.mixture
    used = np.flatnonzero(mixture.weights > 0)
    exponents, scores, sizes = [], [], []
    for k in used:
        spectrum = r * r * mixture.variances[k] + v
        z = (x - r * mixture.means[k]) @ mixture.axes[k]
        reach = np.linalg.norm(x, axis=1) + r * np.linalg.norm(mixture.means[k])
        logs = np.log(spectrum)
        exponents.append(
            mixture.log_weights[k] - 0.5 * (z * z / spectrum).sum(axis=1) - 0.5 * logs.sum()
        )
        scores.append(-(z / spectrum) @ mixture.axes[k].T)
        sizes.append([reach / spectrum.min(), reach**2 / spectrum.min() + np.abs(logs).sum()])
    log_p = np.array(exponents)
    share = np.exp(log_p - log_p.max(axis=0))
    share /= share.sum(axis=0)
    mean = (share[..., None] * np.array(scores)).sum(axis=0)
    spread = (share * np.linalg.norm(np.array(scores) - mean, axis=-1)).sum(axis=0)
    size, exponent = np.array(sizes).max(axis=0)
    exponent = exponent + np.abs(mixture.log_weights[used]).max()
    return np.asarray(OPERATIONS * EPS * ((1 + 2 * eta) * size + eta * 2 * exponent * spread))


def score(process: ReverseProcess, x: Array, tau: float, route: str) -> Array:
    """Return the score of one route at points (n, d)."""
    flat = x[:, 0] if process.dimension == 1 else x
    return process.score(flat, tau, route=route).reshape(x.shape)


def gather(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the largest difference of the two routes, in units of its rounding bound."""
    process, x = item.process, points(item.process)
    worst: tuple[float, float, float, float, list[float]] | None = None
    for tau in times(process):
        gap = np.linalg.norm(
            score(process, x, tau, "classifier") - score(process, x, tau, "classifier-free"),
            axis=1,
        )
        bound = rounding(process, x, float(tau))
        ratio = np.where(np.isnan(gap), np.inf, gap / np.maximum(bound, TINY))
        i = int(np.argmax(ratio))
        if worst is None or ratio[i] > worst[0]:
            worst = (float(ratio[i]), float(gap[i]), float(bound[i]), float(tau), x[i].tolist())
    assert worst is not None
    _, gap_, bound_, tau_, x_ = worst
    return [
        Evidence(
            "classifier route - classifier-free route",
            "identity",
            gap_,
            {"rounding": bound_},
            kind="bound",
            cap=CAP,
            units="score",
            details={"x": x_, "tau": tau_, "n_points": len(x) * len(times(process))},
            remedy="a wider number format",
        )
    ]


def differenced(process: ReverseProcess, x: Array, tau: float, step: float) -> Array:
    """Return the gradient of (1+eta) log p_t(x|y) - eta log p_t(x) by differences, shape (d,)."""
    t = float(process.forward_time(tau))
    r, v = float(process.schedule.signal(t)), float(process.schedule.variance(t))
    eta, d = float(process.guidance.strength(t)), process.dimension
    mixture = process.mixture
    law = GaussianMixture(
        mixture.weights, r * mixture.means, r * r * mixture.covariances + v * np.eye(d)
    )
    own = law.component(process.target)
    out = np.zeros(d)
    for axis in range(d):
        for j, weight in enumerate(STENCIL, start=1):
            ends = x + j * step * np.array([[1.0], [-1.0]]) * np.eye(d)[axis]
            f = (1 + eta) * own.log_density(ends) - eta * law.log_density(ends)
            out[axis] += weight * float(f[0] - f[1]) / step
    return out


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Compare both routes with differenced log-densities, which use the code of neither."""
    process, x, tau = item.process, np.array([failed.details["x"]]), float(failed.details["tau"])
    coarse, fine = (differenced(process, x[0], tau, step) for step in (2e-2, 1e-2))
    gaps = {
        route: float(np.linalg.norm(score(process, x, tau, route)[0] - fine))
        for route in ("classifier", "classifier-free")
    }
    t = process.forward_time(tau)
    size = float(rounding(process, x, tau)[0]) + EPS * (1 + 2 * process.strength) * float(
        np.abs(process.mixture.log_density(x)).max() + 1
    )
    second = Evidence(
        "the farther route - differenced log-densities",
        "identity",
        max(gaps.values()),
        {
            "step of the differences": float(np.linalg.norm(fine - coarse)),
            "rounding": size / 1e-2,
        },
        cap=np.inf,
        units="score",
        details={**gaps, "t": float(t)},
    )
    return Witness({"x": failed.details["x"], "tau": tau, "gap": failed.value}, second)


CLAIM = Claim(
    id="G0",
    title="Two routes, one score",
    statement=(
        "The conditional score plus eta times the classifier's gradient equals (1 + eta) times "
        "the conditional score minus eta times the unconditional one."
    ),
    latex=(
        r"\nabla\log p_t(x|y) + \eta\nabla\log P_t(y|x) = "
        r"(1+\eta)\nabla\log p_t(x|y) - \eta\nabla\log p_t(x)"
    ),
    status="theorem",
    hypotheses=(),
    cases=cases,
    gather=gather,
    confirm=confirm,
    equality=True,
)
