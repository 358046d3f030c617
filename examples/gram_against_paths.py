"""Random mixtures: the exact Gram decision of T1 against a brute-force test on paths.

    python examples/gram_against_paths.py            # 1000 mixtures, some minutes
    python examples/gram_against_paths.py 60

Where the condition is proved, no path of the Euler chain may lose confidence, ODE and SDE: T1 holds
for the chain itself, so that only rounding is in doubt. Where it is refuted, a losing path is
searched for: steered noise for the SDE, starting points for the ODE. Not finding one refutes
nothing: the condition is sufficient, not necessary.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

import fokker_planck as fp
import sde_compare as sc
from fokker_planck.model import content_seed
from proofs_check.claims.hypotheses import exact_gram
from sde_compare.steering import find_losing_path, log_odds

N_PATHS, N_STEPS, STARTS = 4096, 64, 600
EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Outcome:
    """One mixture: whether the condition holds, and the worst rise (proved) or loss (refuted)."""

    holds: bool
    components: int
    dimension: int
    ode: float
    sde: float


def draw(rng: np.random.Generator, holds: bool) -> fp.ReverseProcess:
    """Draw a mixture (2 to 5 components, d = 1 or 2) until the condition is as wanted.

    Neighbouring means 0.1 to 8 apart, weights at least 0.01, strength 0.1 to 16, horizon 1 to 8.
    """
    while True:
        k, d = int(rng.integers(3 if holds else 2, 6)), int(rng.integers(1, 3))
        steps = np.exp(rng.uniform(np.log(0.1), np.log(8.0), (k, 1)))
        way = rng.standard_normal((k, d))
        means = np.cumsum(steps * way / np.linalg.norm(way, axis=1, keepdims=True), axis=0)
        weights = 0.01 + (1 - 0.01 * k) * rng.dirichlet(np.ones(k))
        process = fp.reverse_process(
            fp.GaussianMixture(weights / weights.sum(), means - means.mean(axis=0)),
            int(rng.integers(k)),
            strength=float(np.exp(rng.uniform(np.log(0.1), np.log(16.0)))),
            sampler="sde",
            horizon=float(rng.uniform(1, 8)),
        )
        if (min(exact_gram(process).values()) >= 0) == holds:
            return process


def least_rise(process: fp.ReverseProcess, seed: int) -> float:
    """Return the least rise of log P(y)/P(k) over chain, paths and k, and rounding on top."""
    n = max(N_STEPS, int(np.ceil(process.horizon * 2)))
    run = sc.couple(process, process.with_strength(0), N_PATHS, n, seed=seed, threads=1)
    y, means = process.target, process.mixture.means
    steep = np.linalg.norm(means[y] - means, axis=1).max()
    far = max(np.abs(run.points_a).max(), np.abs(run.points_b).max(), np.abs(means).max(), 6.0)
    return float(run.minimum["log_ratio"].min() + 16 * EPS * n * steep * (1 + far))


def ode_loss(process: fp.ReverseProcess) -> float:
    """Return a confirmed loss of log P(y)/(1 - P(y)) of the ODE from one start, 0 if none."""
    d, zero = process.dimension, process.with_strength(0)
    rng = np.random.default_rng(content_seed("starts", process.spec()))
    starts = 2 * rng.standard_normal((STARTS, d))

    def ends(p: fp.ReverseProcess, x: np.ndarray, tol: float) -> np.ndarray:
        def f(s: float, v: np.ndarray) -> np.ndarray:
            points = v.reshape(x.shape)
            flat = points[:, 0] if d == 1 else points
            return np.asarray(p.drift(flat, s)).ravel()

        return solve_ivp(f, (0, p.horizon), x.ravel(), rtol=tol, atol=tol).y[:, -1].reshape(x.shape)

    gap = log_odds(process, ends(process, starts, 1e-5))
    gap = gap - log_odds(process, ends(zero, starts, 1e-5))
    worst = starts[[int(np.argmin(gap))]]
    change, sizes = [], []
    for tol in (1e-8, 1e-10):
        a, b = (log_odds(process, ends(p, worst, tol))[0] for p in (process, zero))
        change.append(float(a - b))
        sizes += [abs(float(a)), abs(float(b))]
    # ten times what a hundredfold tolerance changed, and the rounding of log-odds of this size
    doubt = 10 * abs(change[1] - change[0]) + 64 * EPS * (1 + max(sizes))
    surely = change[1] + doubt < 0
    return change[1] if surely else 0.0


def examine(process: fp.ReverseProcess, holds: bool) -> Outcome:
    """Test one mixture."""
    shape = (holds, process.mixture.n_components, process.dimension)
    ode = process.with_noise_level(0)
    if holds:
        return Outcome(*shape, least_rise(ode, 0), least_rise(process, 0))
    lost = find_losing_path(process, process.with_strength(0), candidates=200)
    return Outcome(*shape, ode_loss(ode), lost.loss if lost else 0.0)


def study(n: int, seed: int = 0) -> list[Outcome]:
    """Examine n mixtures, two in five with the condition true and three components or more."""
    rng = np.random.default_rng(content_seed("gram against paths", seed))
    kinds = [i % 5 < 2 for i in range(n)]
    return [examine(draw(rng, holds), holds) for holds in kinds]


def main(n: int) -> None:
    """Print what was found."""
    found = study(n)
    true = [o for o in found if o.holds]
    false = [o for o in found if not o.holds]
    print(f"{n} mixtures: condition proved in {len(true)} (all with three components or more), ")
    print(f"refuted in {len(false)}")
    for name in ("ode", "sde"):
        bad = sum(getattr(o, name) < 0 for o in true)
        print(f"  proved, {name}: {bad} mixtures with a path that loses ({N_PATHS} paths each)")
    for name in ("ode", "sde"):
        lost = sum(getattr(o, name) < 0 for o in false)
        low, high = sc.clopper_pearson_limits(lost, len(false), 0.99)
        print(f"  refuted, {name}: a losing path was found in {lost} of {len(false)}")
        print(f"    share {lost / len(false):.3f}, 99 % interval [{low:.3f}, {high:.3f}]")
        by = Counter((o.dimension, o.components) for o in false if getattr(o, name) < 0)
        of = Counter((o.dimension, o.components) for o in false)
        parts = [f"d={d} K={k}: {by[d, k]}/{count}" for (d, k), count in sorted(of.items())]
        print("    " + ", ".join(parts))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
