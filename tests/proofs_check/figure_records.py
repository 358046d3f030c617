"""Small records by hand, in the form that figures are stored in: Gaussians, no solver."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def estimate(value: float, error: float = 1e-9) -> dict[str, Any]:
    return {"value": value, "error": error, "kind": "refinement"}


def gaussian(x, mean: float, deviation: float = 1.0):
    return np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))


def travel() -> dict[str, Any]:
    taus, x = np.linspace(0, 5, 6), np.linspace(-4, 5, 61)
    panels = [
        {
            "noise_level": noise_level,
            "strength": strength,
            "method": "by hand",
            "taus": taus.tolist(),
            "x": x.tolist(),
            "pdf": [gaussian(x, strength * t / 10).tolist() for t in taus],
            "signal": np.exp(taus - 5).tolist(),
            "means": [-1.0, 1.0],
            "target": 1,
            "entropy": estimate(1.4189),
            "posterior_mass": estimate(0.75),
            "mass": estimate(1.0),
        }
        for noise_level in (0.0, 1.0)
        for strength in (0.0, 4.0)
    ]
    return {"panels": panels, "caption": "by hand"}


def strength() -> dict[str, Any]:
    grid = np.linspace(0, 16, 9)
    names = ("posterior_mass", "complement_mass", "entropy")
    curves = []
    for noise_level in (0.0, 1.0):
        lost = 0.25 * np.exp(-grid / (4 + 4 * noise_level))
        values = dict(zip(names, (1 - lost, lost, 0.6 + lost), strict=True))
        points = [
            {"strength": s, **{name: estimate(values[name][k], 0.02) for name in names}}
            for k, s in enumerate(grid.tolist())
            if k % 2 == 0
        ]
        curve = {name: [estimate(v) for v in values[name].tolist()] for name in names}
        curves.append(
            {"noise_level": noise_level, "strength": grid.tolist(), **curve, "points": points}
        )
    settings = {"n_paths": 1000, "n_steps": 10, "rule": "euler", "seed": 0}
    return {"curves": curves, "sampling": settings, "caption": "by hand"}


def histogram() -> dict[str, Any]:
    edges, x = np.linspace(-2, 2, 21), np.linspace(-3, 3, 61)
    p = np.diff([0.5 * (1 + math.erf(e / math.sqrt(2))) for e in edges])
    panels = [
        {
            "noise_level": noise_level,
            "strength": 3.0,
            "edges": edges.tolist(),
            "counts": np.random.default_rng(0).binomial(10_000, p).tolist(),
            "probability": p.tolist(),
            "probability_error": 1e-9,
            "x": x.tolist(),
            "pdf": gaussian(x, 0.0).tolist(),
            "entropy": estimate(1.4189),
        }
        for noise_level in (0.0, 1.0)
    ]
    settings = {"n_paths": 10_000, "n_steps": 10, "rule": "euler", "seed": 0}
    return {"panels": panels, "sampling": settings, "caption": "by hand"}


def fan() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    taus = np.linspace(0, 5, 11)
    paths = rng.standard_normal((10, 1)) + np.cumsum(0.2 * rng.standard_normal((10, 11)), axis=1)
    gain = np.outer(np.linspace(-0.5, 3, 10), (taus / 5) ** 3)
    panels = [
        {
            "noise_level": 1.0,
            "strength": 1.0,
            "model": "by hand",
            "means": [-2.0, 0.0, 2.0],
            "target": 1,
            "taus": taus.tolist(),
            "guided": (paths + 0.1 * gain).tolist(),
            "unguided": paths.tolist(),
            "gain": (gain + shift * (taus / 5) ** 3).tolist(),
            "quantiles": [gain[0].tolist(), gain[-1].tolist()],
            "n_losing": losing,
            "share_losing": estimate(losing / 10, 0.1),
        }
        for shift, losing in ((0.0, 2), (1.0, 0))
    ]
    settings = {"n_paths": 10, "n_steps": 10, "rule": "euler", "seed": 0}
    return {"panels": panels, "sampling": settings, "caption": "by hand"}


def _panels_in_the_plane(keys: list[dict[str, float]]) -> dict[str, Any]:
    x = np.linspace(-4, 4, 33)
    pdf = np.outer(gaussian(x, 1.0), gaussian(x, 0.0, 0.6))
    panels = [
        {
            "noise_level": noise_level,
            "method": "by hand",
            **key,
            "edges": [-4.0, 4.0, -4.0, 4.0],
            "pdf": pdf.tolist(),
            "levels": [0.5 * pdf.max(), 0.1 * pdf.max(), 0.01 * pdf.max()],
            "means": [[0.0, 1.0], [-1.0, -1.0], [1.0, -1.0]],
            "target": [0],
            "entropy": estimate(2.5),
            "mass": estimate(1.0),
            "posterior_mass": estimate(0.75),
        }
        for noise_level in (0.0, 1.0)
        for key in keys
    ]
    return {"panels": panels, "caption": "by hand"}


def plane() -> dict[str, Any]:
    return _panels_in_the_plane([{"strength": s, "tau": 5.0} for s in (0.0, 1.0, 2.0, 4.0)])


def plane_time() -> dict[str, Any]:
    return _panels_in_the_plane([{"strength": 2.0, "tau": t} for t in (0.0, 3.0, 4.0, 4.5, 5.0)])


def verdicts() -> dict[str, Any]:
    def case(verdict: str, margin: float | None, difference: float | None = None):
        return {"id": "c", "verdict": verdict, "margin": margin, "difference": difference}

    claims = [
        ("A", "SUPPORTED", [case("SUPPORTED", 3e4), case("SUPPORTED", 1e16)]),
        ("B", "REFUTED", [case("REFUTED", -40.0), case("VACUOUS", None)]),
        ("C", "INCONCLUSIVE", [case("INCONCLUSIVE", 0.3), case("SUPPORTED", None, 0.2)]),
        ("D", "ERROR", [case("ERROR", None), case("PROVED", 7.0, 0.0)]),
        ("E", "VACUOUS", [case("VACUOUS", None)]),
    ]
    return {
        "claims": [
            {"id": i, "verdict": v, "expected": "SUPPORTED", "as_expected": False, "cases": c}
            for i, v, c in claims
        ],
        "caption": "by hand",
    }


def proof_boxes() -> dict[str, Any]:
    s = np.linspace(0, 2, 9)
    low = np.array([[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.5, 0.5]])
    values = np.outer(np.ones(9), 0.01 + (s - 1) ** 2)
    common = {
        "root": [[0.0, 2.0], [0.0, 1.0]],
        "low": low.tolist(),
        "high": np.add(low, [[1.0], [0.5]]).tolist(),
        "depth": [2, 2, 3, 5],
        "examined": 7,
        "deepest": 5,
        "grid_least": 0.01,
        "values": values.tolist(),
    }
    proof = {"status": "proved", "bound": 1e-3, "witness": None, "value": None, "box": None}
    angle = np.linspace(0, 2 * np.pi, 20)
    refuted = {
        "status": "refuted",
        "bound": None,
        "witness": {"s": 1.001, "q": 0.5},
        "value": -1e-3,
        "box": [[1.0, 1.0 + 2**-8], [0.5 - 2**-9, 0.5 + 2**-9]],
        "zero": [(1.001 + 1e-4 * np.cos(angle)).tolist(), (0.5 + 1e-4 * np.sin(angle)).tolist()],
    }
    return {"panels": [{**common, **proof}, {**common, **refuted}], "caption": "by hand"}


def crossings() -> dict[str, Any]:
    def run(steps: int, slope: float) -> dict[str, Any]:
        taus = np.linspace(0, 6, steps + 1)
        gain = np.outer([slope, 0.5, 2.0, 1.0], np.maximum(taus - 4, 0))
        below = int(np.argmax(gain[0] < -0.1)) if slope < 0 else -1
        return {
            "n_steps": steps,
            "taus": taus.tolist(),
            "gain": gain.tolist(),
            "first": [below, -1, -1, -1],
            "n_crossing": int(below > 0),
            "n_negative": int(below > 0),
        }

    panels = [
        {
            "model": "by hand",
            "strength": 1.0,
            "horizon": 6.0,
            "loss": loss,
            "kind": [kind, "none", "none", "none"],
            "counts": {"none": 3, "real": 0, "artefact": 0, "undecided": 0} | {kind: 1},
            "share_real": estimate(0.25, 0.2),
            "runs": [run(6, -0.4), run(48, fine)],
        }
        for loss, kind, fine in ((0.1, "real", -0.4), (0.0, "artefact", 0.3))
    ]
    settings = {"n_paths": 4, "rule": "euler", "seed": 0}
    return {"sampling": settings, "panels": panels, "caption": "by hand"}


def hypothesis_map() -> dict[str, Any]:
    def cell(a: float, b: float, error: float | None) -> dict[str, Any]:
        if a <= 0:
            status = "proved" if b else "undecided"
            return {"mean": [a, b], "hypothesis": status, "loss": None, "change": None}
        loss = {"value": -0.1, "error": 1e-6} if b >= 0 else None
        change = {"value": 0.01 * b, "error": error}
        return {"mean": [a, b], "hypothesis": "refuted", "loss": loss, "change": change}

    ticks = np.linspace(-2, 2, 5).tolist()
    panels = [
        {
            "name": name,
            "variances": variances,
            "n": 5,
            "cells": [cell(a, b, error) for b in ticks for a in ticks],
        }
        for name, variances, error in (("T1", [1.0, 1.0], 1e-3), ("T1-Sigma", [1.0, 0.25], None))
    ]
    return {
        "weights": [0.2, 0.2, 0.6],
        "second": [-0.5, -0.25],
        "strength": 2.0,
        "horizon": 5.0,
        "edges": [-2.0, 2.0, -2.0, 2.0],
        "panels": panels,
        "caption": "by hand",
    }


def phase() -> dict[str, Any]:
    thetas, steps = np.linspace(0, 15, 6), np.linspace(0.02, 0.5, 5)
    panels = []
    for noise_level, linear, net in ((0.0, 2.16, 5.84), (1.0, 1.08, None)):
        whole = thetas < (net or linear)
        panels.append(
            {
                "noise_level": noise_level,
                "model": "by hand",
                "h": steps.tolist(),
                "theta": thetas.tolist(),
                "confidence": [np.where(whole, 0.9, 0.1).tolist() for _ in steps],
                "error": [[1e-6, 1e-6, 1e-3, None, 1e-5, 1e-5] for _ in steps],
                "linear": {
                    "h": steps.tolist(),
                    "theta": (linear * (1 - noise_level * steps / 2)).tolist(),
                    "error": 1e-9,
                },
                "net": net,
                "seconds": 1.0,
            }
        )
    return {"panels": panels, "caption": "by hand"}


BY_HAND = {
    "travel": travel,
    "strength": strength,
    "histogram": histogram,
    "fan": fan,
    "plane": plane,
    "plane_time": plane_time,
    "verdicts": verdicts,
    "proof_boxes": proof_boxes,
    "crossings": crossings,
    "hypothesis_map": hypothesis_map,
    "phase": phase,
}
