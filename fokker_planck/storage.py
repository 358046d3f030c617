"""Solutions on disk: one compressed NumPy archive, no pickle, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fokker_planck.chains.storage import CHAIN_KINDS, pack_chain, unpack_chain
from fokker_planck.characteristic_reading import CharacteristicReading
from fokker_planck.estimate import Estimate
from fokker_planck.model import Chain, is_plain, process_from_spec
from fokker_planck.readings import READINGS, GridReading, TableReading
from fokker_planck.residual.result import Certified
from fokker_planck.runs import FarTail, Reading, Run
from fokker_planck.solution import Solution

FORMAT = 2
RUN_FIELDS = ("taus", "points", "mass", "log_density")


def _put_run(arrays: dict[str, Any], name: str, run: Run) -> None:
    for field in RUN_FIELDS:
        arrays[f"{name}/{field}"] = getattr(run, field)
    if run.shape is not None:
        arrays[f"{name}/shape"] = np.array(run.shape)


def _get_run(arrays: Any, name: str) -> Run:
    shape = arrays.get(f"{name}/shape")
    run = Run(*(arrays[f"{name}/{field}"] for field in RUN_FIELDS))
    return run if shape is None else replace(run, shape=tuple(int(k) for k in shape))


def _pack(reading: Reading) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a reading as arrays and a header."""
    arrays: dict[str, Any] = {}
    header: dict[str, Any] = {"kind": reading.kind}
    if isinstance(reading, GridReading):
        _put_run(arrays, "best", reading.best)
        arrays["tail"] = reading.tail
        header["companions"] = list(reading.companions)
        header["far"] = reading.far is not None
        if reading.far is not None:
            arrays["far/points"] = reading.far.points
            arrays["far/log_beyond"] = reading.far.log_beyond
        for name, companion in reading.companions.items():
            arrays[f"companion/{name}"] = companion
    elif isinstance(reading, CharacteristicReading):
        _put_run(arrays, "best", reading.best)
        _put_run(arrays, "coarse_time", reading.coarse_time)
        _put_run(arrays, "coarsest_time", reading.coarsest_time)
        arrays["start_distribution"] = reading.start_distribution
        arrays["drift_error"] = reading.drift_error
        header["lost"] = reading.lost
        header["steps"] = reading.steps
    elif isinstance(reading, TableReading):
        arrays["tail"] = reading.tail
        header["shape"] = [len(row) for row in reading.runs]
        header["ratios"] = reading.ratios
        for s, row in enumerate(reading.runs):
            for q, run in enumerate(row):
                _put_run(arrays, f"run/{s}/{q}", run)
    elif not pack_chain(reading, arrays, header, _pack, _put_run):
        raise TypeError(f"cannot save a reading of type {type(reading).__name__}")
    return arrays, header


def _unpack(arrays: Any, header: dict[str, Any]) -> Reading:
    kind = header["kind"]
    if kind in CHAIN_KINDS:
        return unpack_chain(arrays, header, _unpack, _get_run)
    if kind not in READINGS:
        raise ValueError(f"path: unknown reading {kind!r}")
    if kind == GridReading.kind:
        companions = {name: arrays[f"companion/{name}"] for name in header["companions"]}
        far = None
        if header["far"]:
            far = FarTail(arrays["far/points"], arrays["far/log_beyond"])
        return GridReading(_get_run(arrays, "best"), companions, arrays["tail"], far)
    if kind == CharacteristicReading.kind:
        return CharacteristicReading(
            _get_run(arrays, "best"),
            _get_run(arrays, "coarse_time"),
            _get_run(arrays, "coarsest_time"),
            arrays["start_distribution"],
            header["lost"],
            arrays["drift_error"],
            header["steps"],
        )
    runs = [
        [_get_run(arrays, f"run/{s}/{q}") for q in range(n)] for s, n in enumerate(header["shape"])
    ]
    return TableReading(runs, arrays["tail"], header["ratios"])


def _pack_certificate(certificate: Certified | None) -> dict[str, Any] | None:
    """Return a certificate as plain data."""
    if certificate is None:
        return None
    return {
        "l1": np.asarray(certificate.l1).tolist(),
        "kind": certificate.kind,
        "estimates": {name: e.to_dict() for name, e in certificate.estimates.items()},
        "parts": {name: np.asarray(part).tolist() for name, part in certificate.parts.items()},
    }


def _unpack_certificate(data: dict[str, Any] | None) -> Certified | None:
    if data is None:
        return None
    return Certified(
        np.array(data["l1"]),
        data["kind"],
        {name: Estimate.from_dict(e) for name, e in data["estimates"].items()},
        {name: np.array(part) for name, part in data["parts"].items()},
    )


def save(solution: Solution, path: str | os.PathLike[str]) -> None:
    """Write a solution to ``path``: to a temporary name beside it, then renamed.

    Raises
    ------
    ValueError
        If the folder cannot be written to.
    """
    target = Path(path)
    arrays, header = _pack(solution.reading)
    header |= {
        "format": FORMAT,
        "method": solution.method,
        "cost": solution.cost,
        "message": solution.message,
        "process": solution.process.spec() if is_plain(solution.process) else None,
        "certificate": _pack_certificate(solution.certificate),
    }
    if solution.chain is not None:
        header["chain"] = {"tau": solution.chain.tau.tolist(), "rule": solution.chain.rule}
    arrays["taus"] = solution.taus
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise ValueError(f"path: cannot write {target}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(stream, **arrays)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str]) -> Solution:
    """Read a solution written by :meth:`Solution.save`.

    The process comes back where it was built by ``reverse_process`` or ``pair_process`` of named
    parts; a user's own functions cannot be stored, and ``process`` is None then.

    Raises
    ------
    ValueError
        If the file is missing, torn or of another kind.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays["header"].tobytes().decode())
        if header["format"] != FORMAT:
            raise ValueError(f"format {header['format']}")
        spec, steps = header["process"], header.get("chain")
        process = process_from_spec(spec) if spec is not None else None
        return Solution(
            process,
            arrays["taus"],
            header["method"],
            _unpack(arrays, header),
            header["cost"],
            header["message"],
            _unpack_certificate(header["certificate"]),
            None
            if process is None or steps is None
            else Chain(process, np.array(steps["tau"]), steps["rule"]),
        )
    except Exception as error:
        raise ValueError(f"path: cannot read a solution from {path}: {error}") from None


__all__ = ["load", "process_from_spec", "save"]
