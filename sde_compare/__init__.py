"""Paths of guided samplers: sampling, couplings, and agreement with their densities."""

from sde_compare.couplings import CoupledPaths, couple
from sde_compare.estimators import (
    clopper_pearson,
    clopper_pearson_limits,
    dkw_width,
    empirical_bernstein,
    holm,
    neighbour_entropy,
)
from sde_compare.samplers import Samples, sample

__all__ = [
    "CoupledPaths",
    "Samples",
    "clopper_pearson",
    "clopper_pearson_limits",
    "couple",
    "dkw_width",
    "empirical_bernstein",
    "holm",
    "neighbour_entropy",
    "sample",
]
