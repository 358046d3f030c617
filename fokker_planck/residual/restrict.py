"""A reading at some of its output times."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from fokker_planck.runs import FarTail, Reading, Run

#: arrays of a reading that do not run over output times
TIMELESS = ("start_distribution",)


def restricted(reading: Reading, indices: list[int]) -> Any:
    """Return the reading at the output times of the given indices."""
    count = reading.best.taus.size
    chosen = np.asarray(indices)

    def part(name: str, value: Any) -> Any:
        if isinstance(value, Run):
            arrays = ("taus", "points", "mass", "log_density")
            return replace(value, **{key: getattr(value, key)[chosen] for key in arrays})
        if isinstance(value, FarTail):
            return FarTail(value.points[chosen], value.log_beyond[chosen])
        if isinstance(value, list):
            return [part(name, item) for item in value]
        if isinstance(value, dict):
            return {key: part(name, item) for key, item in value.items()}
        if isinstance(value, np.ndarray) and value.ndim and name not in TIMELESS:
            return value[chosen] if value.shape[0] == count else value
        return value

    whole: Any = reading
    changes = {f.name: part(f.name, getattr(whole, f.name)) for f in fields(whole) if f.init}
    return replace(whole, **changes)
