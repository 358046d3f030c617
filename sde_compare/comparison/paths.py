"""The conclusion of a comparison theorem, tested on coupled paths; no hypothesis enters here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics, GaussianMixture
from sde_compare.comparison.described import Described
from sde_compare.comparison.own_paths import EPS, Laws, euler, iterated
from sde_compare.couplings import CoupledPaths, couple
from sde_compare.crossings import crossings
from sde_compare.estimators import clopper_pearson_limits
from sde_compare.regions import Region

CONFIDENCE = 0.99
#: stands for infinite or undefined gaps, far from overflow
HUGE = 1e100


@dataclass(frozen=True)
class Conclusion:
    """What coupled paths say.

    Attributes
    ----------
    statement : str
    n_paths : int
        Paths that were run.
    left : int
        Of these, the paths that left the region or started outside: nothing is claimed of them,
        and they are not judged.
    n_steps : tuple of int
        The resolutions.
    real, artefact, undecided : int
        Judged paths on which the order is violated, by kind; see :func:`sde_compare.crossings`.
    limit : float
        Upper confidence limit (Clopper-Pearson) for the share of violating paths among those that
        stay in the region, undecided ones counted as violating; 1 if none was judged.
    confidence : float
    """

    statement: str
    n_paths: int
    left: int
    n_steps: tuple[int, ...]
    real: int
    artefact: int
    undecided: int
    limit: float
    confidence: float = CONFIDENCE

    @property
    def judged(self) -> int:
        """Paths that stayed in the region."""
        return self.n_paths - self.left

    def __str__(self) -> str:
        steps = " and ".join(map(str, self.n_steps))
        left = f", {self.left} left the region and are not judged" if self.left else ""
        return (
            f"{self.statement}: {self.n_paths} paths at {steps} steps{left}; "
            f"real {self.real}, artefact {self.artefact}, undecided {self.undecided}; "
            f"share of violating paths below {self.limit:.3g} "
            f"(confidence {100 * self.confidence:g} %)"
        )


def inside_of(region: Region | None, names: tuple[str, ...]) -> Any:
    """Return ``inside(x)`` for points (n, d); nan is outside."""
    if region is None:
        return lambda x: np.isfinite(x).all(axis=-1)
    low, high = (np.array(ends) for ends in Region({n: region.ranges[n] for n in names}).outer())
    return lambda x: ((x >= low) & (x <= high)).all(axis=-1)


def is_whole(region: Region, names: tuple[str, ...]) -> bool:
    """Whether a region bounds no coordinate."""
    return all(np.isinf(end) for n in names for end in map(float, region.ranges[n]))


def counted(
    statement: str,
    kind: NDArray[np.str_],
    stay: NDArray[np.bool_],
    n_steps: tuple[int, ...],
) -> Conclusion:
    """Return the conclusion from the kinds of all paths and whether they stayed."""
    count = {k: int(np.sum(stay & (kind == k))) for k in ("real", "artefact", "undecided")}
    judged, limit = int(stay.sum()), 1.0
    if judged:
        limit = clopper_pearson_limits(
            count["real"] + count["undecided"], judged, CONFIDENCE, "upper"
        )[1]
    return Conclusion(statement, len(stay), len(stay) - judged, n_steps, **count, limit=limit)


def conclude(
    statement: str,
    lower: Described,
    upper: Described,
    laws: Laws,
    gap: Any,
    region: Region,
    *,
    discrete: bool,
    n_paths: int,
    n_steps: int,
    refine: int,
    seed: int,
    rule: str,
    threads: int | None,
) -> Conclusion:
    """Run both processes with one noise and judge the sign of the gap on every path."""
    names = lower.names
    bounds = None if is_whole(region, names) else region
    inside = inside_of(bounds, names)
    if lower.discrete:
        steps = lower.process.n_steps
        kind, stay = iterated((lower, upper), laws, gap, inside, n_paths, steps, seed)
        return counted(statement, kind, stay, (steps,))
    if not (isinstance(lower.process, Dynamics) and isinstance(upper.process, Dynamics)):
        kind, stay = euler((lower, upper), laws, gap, inside, n_paths, n_steps, seed)
        return counted(statement, kind, stay, (n_steps, 2 * n_steps, 4 * n_steps))

    def within(x: Any, y: Any, tau: float) -> Any:
        columns = [np.asarray(z).reshape(-1, len(names)) for z in (x, y)]
        return np.where(inside(columns[0]) & inside(columns[1]), 1.0, -1.0)

    def measured(x: Any, y: Any, tau: float) -> Any:
        # paths that run off to infinity, outside the region, are not judged
        with np.errstate(all="ignore"):
            return np.nan_to_num(gap(x, y, tau), nan=-HUGE, posinf=HUGE, neginf=-HUGE)

    def cushioned(x: Any, y: Any, tau: float) -> Any:
        size = np.maximum(np.abs(x), np.abs(y))
        size = size if size.ndim == 1 else size.max(axis=1)
        steps_done = 1 + tau / lower.process.horizon * n_steps
        return measured(x, y, tau) + 8 * EPS * steps_done * (1 + np.minimum(size, HUGE))

    run = couple(
        lower.process,
        upper.process,
        n_paths,
        n_steps,
        seed=seed,
        rule=rule,
        starts=_starts(lower, upper, laws),
        refine=1 if discrete else refine,
        observables={"gap": measured, "inside": within, "cushioned": cushioned},
        times=[0.0],
        threads=threads,
    )
    stay = inside(run.states_a[0]) & inside(run.states_b[0])
    for one in (run, run.refined):
        if one is not None:
            stay &= one.minimum["inside"] > 0
    lost = any(
        (np.abs(one.minimum["gap"]) >= HUGE).any() for one in (run, run.refined) if one is not None
    )
    if lost and lower.terms is not None and upper.terms is not None and not discrete:
        # a drift that is not defined outside the region: paths are judged by themselves
        kind, stay = euler((lower, upper), laws, gap, inside, n_paths, n_steps, seed)
        return counted(statement, kind, stay, (n_steps, 2 * n_steps, 4 * n_steps))
    if not discrete:
        return counted(statement, crossings(run, "gap").kind, stay, (n_steps, refine * n_steps))
    return counted(statement, _exact_kind(run), stay, (n_steps,))


def _exact_kind(run: CoupledPaths) -> NDArray[np.str_]:
    """Return kinds for the statement about the scheme itself: only rounding is in doubt."""
    seen, surely = run.minimum["gap"] < 0, run.minimum["cushioned"] < 0
    return np.where(surely, "real", np.where(seen, "undecided", "none"))


def _starts(
    lower: Described, upper: Described, laws: Laws
) -> tuple[GaussianMixture, GaussianMixture] | None:
    own = (lower.process.initial, upper.process.initial)
    same = own[0].spec() == own[1].spec()
    if same and all(a.spec() == b.spec() for a, b in zip(own, laws, strict=True)):
        return None
    return laws
