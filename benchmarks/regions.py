"""How long it takes to decide a sign over a region, and to replay the proof.

python -m benchmarks.regions
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from proofs_check.claims.curvature import concavity, contraction
from sde_compare import regions as rg

POINTS = 10_000_000


def margin() -> tuple[rg.Expr, dict[str, tuple[int, int]]]:
    """Return an inequality that is true with margin 0.003 on a surface, in three variables."""
    t, x, eta = rg.variables("t x eta")
    a = 2 * rg.exp(-t) * x
    f = rg.log(rg.exp((1 + eta) * a) + rg.exp(-a)) - eta * a / 2 - rg.log(2) + rg.number("0.003")
    return f, {"t": (0, 3), "x": (-4, 4), "eta": (0, 5)}


def dip(depth: str) -> tuple[rg.Expr, dict[str, tuple[int, int]]]:
    """Return a difference of drifts above 0.002 but for a dip of width 1e-4 below -depth / 2."""
    x, y = rg.variables("x y")
    drift = rg.number("0.002") + (1 + rg.tanh(3 * x - y)) / 10 + x**2 * rg.exp(-y) / 40
    place = {"x": 0.3171942, "y": 1.2373181}
    floor = rg.number(float(rg.Function(drift, ("x", "y"))(**place)))
    far = ((x - rg.number(place["x"])) ** 2 + (y - rg.number(place["y"])) ** 2) * 10**8
    return drift - (floor + rg.number(depth)) * rg.exp(-far), {"x": (-4, 4), "y": (-4, 4)}


def report(name: str, found: rg.Decision, seconds: float) -> None:
    """Print one line: the decision with its replay, and the replay alone."""
    again = 0.0
    if found.part:
        start = perf_counter()
        rg.replay(rg.proof_of(name, "", [found]))
        again = perf_counter() - start
    what = found.how or found.reason
    print(f"{name:<34} {found.status:<10} {seconds:7.3f} s  (replay {again:6.3f} s)  {what[:60]}")


def main() -> None:
    """Run all."""
    cases = {
        "margin 0.003 in three variables": margin(),
        "dip of depth 1e-2, width 1e-4": dip("1e-2"),
        "dip of depth 1e-9, width 1e-4": dip("1e-9"),
    }
    for name, (f, region) in cases.items():
        start = perf_counter()
        found = rg.decide(f, region)
        report(name, found, perf_counter() - start)
    for k, d in ((2, 1), (3, 2), (5, 2)):
        for decide in (concavity, contraction):
            start = perf_counter()
            found = decide(k, d)
            report(f"{decide.__name__}, K = {k}, d = {d}", found, perf_counter() - start)
    f, region = dip("1e-2")
    rng, least = np.random.default_rng(0), np.inf
    made = rg.Function(f, tuple(region))
    for _ in range(10):
        x, y = rng.uniform(-4, 4, (2, POINTS // 10))
        least = min(least, float(made(x=x, y=y).min()))
    print(f"least of the dip of depth 1e-2 over {POINTS:,} random points: {least:.5f}")


if __name__ == "__main__":
    main()
