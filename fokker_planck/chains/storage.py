"""Readings of chains on disk, in the archive of ``fokker_planck.storage``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fokker_planck.chains.plane_push import PlanePush
from fokker_planck.chains.pushed import PushedReading
from fokker_planck.chains.reading import ChainReading
from fokker_planck.runs import Reading, Run

CHAIN_KINDS = (ChainReading.kind, PushedReading.kind, PlanePush.kind)
PUSHED_ARRAYS = ("starts", "distribution", "sign")
Arrays = dict[str, Any]


def _nested(arrays: Arrays, prefix: str) -> Arrays:
    """Return the arrays whose names begin so, without that."""
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}


def pack_chain(
    reading: Reading,
    arrays: Arrays,
    header: dict[str, Any],
    pack: Callable[[Reading], tuple[Arrays, dict[str, Any]]],
    put_run: Callable[[Arrays, str, Run], None],
) -> bool:
    """Write a reading of a chain to arrays and header; return whether it is one."""
    inner: list[Reading] = []
    if isinstance(reading, ChainReading):
        inner = reading.parts
    elif isinstance(reading, PlanePush):
        inner = [reading.inner]
        header["folded"] = reading.folded
    elif isinstance(reading, PushedReading):
        for level, run in enumerate(reading.runs):
            put_run(arrays, f"run/{level}", run)
        put_run(arrays, "jittered", reading.jittered)
        for name in PUSHED_ARRAYS:
            arrays[name] = getattr(reading, name)
        header |= {"lost": reading.lost, "levels": len(reading.runs)}
    else:
        return False
    other = getattr(reading, "other", None)
    if other is not None:
        arrays["other"] = other
    header["parts"] = []
    for i, part in enumerate(inner):
        found, described = pack(part)
        arrays.update({f"part/{i}/{name}": array for name, array in found.items()})
        header["parts"].append(described)
    return True


def unpack_chain(
    arrays: Arrays,
    header: dict[str, Any],
    unpack: Callable[[Arrays, dict[str, Any]], Reading],
    get_run: Callable[[Arrays, str], Run],
) -> Reading:
    """Return the reading that :func:`pack_chain` wrote."""
    parts = [
        unpack(_nested(arrays, f"part/{i}/"), described)
        for i, described in enumerate(header["parts"])
    ]
    other = arrays.get("other")
    if header["kind"] == ChainReading.kind:
        return ChainReading(parts)
    if header["kind"] == PlanePush.kind:
        inner: Any = parts[0]
        return PlanePush(inner, other, header["folded"])
    return PushedReading(
        [get_run(arrays, f"run/{level}") for level in range(header["levels"])],
        get_run(arrays, "jittered"),
        other,
        header["lost"],
        *(arrays[name] for name in PUSHED_ARRAYS),
    )
