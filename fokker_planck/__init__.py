"""Densities: the guided reverse process and its Fokker-Planck equation."""

from fokker_planck.density import Density
from fokker_planck.estimate import Estimate
from fokker_planck.methods.base import SolverError
from fokker_planck.model import (
    ConstantStrength,
    GaussianMixture,
    OrnsteinUhlenbeck,
    Process,
    ReverseProcess,
    reverse_process,
    schedule_named,
    unguided_moments,
)
from fokker_planck.solution import Solution
from fokker_planck.solve import solve
from fokker_planck.storage import load

__all__ = [
    "ConstantStrength",
    "Density",
    "Estimate",
    "GaussianMixture",
    "OrnsteinUhlenbeck",
    "Process",
    "ReverseProcess",
    "Solution",
    "SolverError",
    "load",
    "reverse_process",
    "schedule_named",
    "solve",
    "unguided_moments",
]
