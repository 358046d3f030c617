"""What a user hands in, checked: two processes, a region, starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from fokker_planck.model import GaussianMixture, atoms
from fokker_planck.model.checks import real_array, shown
from sde_compare.comparison.described import Described, described
from sde_compare.comparison.start import Laws
from sde_compare.comparison.system import StepMap
from sde_compare.regions import Region


def checked_pair(lower: Any, upper: Any) -> tuple[Described, Described]:
    """Return two processes that fit each other, with their expressions."""
    for field_, process in (("lower", lower), ("upper", upper)):
        if not all(hasattr(process, name) for name in ("dimension", "horizon", "initial")):
            raise ValueError(f"{field_} must be a process, got {shown(process)}")
    for name in ("dimension", "horizon"):
        p, q = getattr(lower, name), getattr(upper, name)
        if p != q:
            raise ValueError(f"{name} must be the same for both processes, got {p} and {q}")
    if isinstance(lower, StepMap) != isinstance(upper, StepMap):
        raise ValueError(f"upper must be a step map if lower is one, got {shown(upper)}")
    given = [p for p in (lower, upper) if hasattr(p, "terms")]
    names = given[0].names if given else None
    time = given[0].time if given else "tau"
    a, b = described(lower, names, time), described(upper, names, time)
    if (a.names, a.time) != (b.names, b.time):
        raise ValueError(
            f"names must be the same for both, got {(*a.names, a.time)} and {(*b.names, b.time)}"
        )
    return a, b


def checked_region(given: Any, names: tuple[str, ...], time: str, horizon: float) -> Region:
    """Return ranges for all coordinates and the whole time interval."""
    own = Region(given).ranges if given else {}
    if extra := [n for n in own if n not in names]:
        raise ValueError(
            f"region must bound coordinates {names} (time is 0..{horizon:g}), got {extra[0]!r}"
        )
    full: dict[str, Any] = {n: own.get(n, ("-inf", "inf")) for n in names}
    return Region({**full, time: (0, horizon)})


def checked_laws(starts: Any, lower: Any, upper: Any) -> Laws:
    """Return the laws of the starts."""
    if starts is None:
        return lower.initial, upper.initial
    wanted = (
        f"starts must be two laws or points in dimension {lower.dimension}, got {shown(starts)}"
    )
    try:
        pair = list(starts)
    except TypeError:
        raise ValueError(wanted) from None
    laws = [
        s
        if isinstance(s, GaussianMixture)
        else atoms(np.atleast_1d(real_array("starts", s))[None], [1.0])
        for s in pair
    ]
    if len(laws) != 2 or any(law.dimension != lower.dimension for law in laws):
        raise ValueError(wanted)
    return laws[0], laws[1]
