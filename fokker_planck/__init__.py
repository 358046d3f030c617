"""Densities: the guided reverse process and its Fokker-Planck equation."""

from fokker_planck.estimate import Estimate
from fokker_planck.model import (
    ConstantStrength,
    GaussianMixture,
    OrnsteinUhlenbeck,
    Process,
    ReverseProcess,
    reverse_process,
    unguided_moments,
)

__all__ = [
    "ConstantStrength",
    "Estimate",
    "GaussianMixture",
    "OrnsteinUhlenbeck",
    "Process",
    "ReverseProcess",
    "reverse_process",
    "unguided_moments",
]
