"""Figures: each module has ``compute`` (a plain record) and ``draw`` (a figure from a record)."""

from __future__ import annotations

from proofs_check.figures.style import save_figure

#: name of a figure, which is the name of its module -> what it shows
TITLES = {
    "travel": "The density travelling through reverse time, for several strengths",
    "strength": "Confidence and entropy against strength, density and samples",
    "histogram": "Final density over the histogram of samples, with residuals",
    "fan": "Coupled guided and unguided paths, and what guidance gains on each",
    "plane": "Densities in the plane for several strengths, with contours and component means",
    "plane_time": "A density in the plane over reverse time",
    "verdicts": "Margins of every case, in units of their error",
    "proof_boxes": "A sign over a region, decided by boxes: a proof and a refutation",
    "crossings": "Gains along coupled paths at two step sizes, first crossings marked",
    "hypothesis_map": "Where T1 and T1-Sigma apply as one mean moves, and what falls elsewhere",
    "phase": "Step size against strength for the centre of three: confidence of the chain's law",
}

#: drawn only if named (or stored): they show fixed cases and no run, and some take a minute or two
BY_NAME = ("proof_boxes", "crossings", "hypothesis_map", "phase")

#: the dimension of the models that a figure is for; others are for any
DIMENSIONS = {
    "travel": 1,
    "strength": 1,
    "histogram": 1,
    "fan": 1,
    "plane": 2,
    "plane_time": 2,
}

__all__ = ["BY_NAME", "DIMENSIONS", "TITLES", "save_figure"]
