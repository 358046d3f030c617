"""Sweeps: many densities over the axes of a small TOML file, kept cell by cell.

``read_spec(path)`` reads the file and ``run_sweep(spec, out)`` runs it, or goes on with it.
"""

from __future__ import annotations

from proofs_check.sweep.runner import Sweep, run_sweep
from proofs_check.sweep.spec import Spec, parse_spec, read_spec

__all__ = ["Spec", "Sweep", "parse_spec", "read_spec", "run_sweep"]
