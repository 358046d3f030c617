"""Figures: each module has ``compute`` (a plain record) and ``draw`` (a figure from a record)."""

from __future__ import annotations

from proofs_check.figures.style import save_figure

#: name of a figure, which is the name of its module -> what it shows
TITLES = {
    "travel": "The density travelling through reverse time, for several strengths",
    "strength": "Confidence and entropy against strength, density and samples",
    "histogram": "Final density over the histogram of samples, with residuals",
    "fan": "Coupled guided and unguided paths, and what guidance gains on each",
    "verdicts": "Margins of every case, in units of their error",
}

__all__ = ["TITLES", "save_figure"]
