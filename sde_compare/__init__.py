"""Paths of guided samplers: sampling, couplings, and agreement with their densities."""

from sde_compare.agreement import Agreement, agreement, combine
from sde_compare.checks import Check
from sde_compare.couplings import CoupledPaths, couple
from sde_compare.crossings import Crossings, crossings
from sde_compare.estimators import (
    clopper_pearson,
    clopper_pearson_limits,
    dkw_width,
    empirical_bernstein,
    holm,
    neighbour_entropy,
)
from sde_compare.gains import AntitheticMean, Gain, antithetic_mean, gain
from sde_compare.reflection import chain_unmet, ou_unmet
from sde_compare.replay import Replay, replay
from sde_compare.rules import RULES
from sde_compare.samplers import Samples, sample
from sde_compare.step_sizes import StepPair, two_step_sizes
from sde_compare.surprisal import Surprisal

__all__ = [
    "RULES",
    "Agreement",
    "AntitheticMean",
    "Check",
    "CoupledPaths",
    "Crossings",
    "Gain",
    "Replay",
    "Samples",
    "StepPair",
    "Surprisal",
    "agreement",
    "antithetic_mean",
    "chain_unmet",
    "clopper_pearson",
    "clopper_pearson_limits",
    "combine",
    "couple",
    "crossings",
    "dkw_width",
    "empirical_bernstein",
    "gain",
    "holm",
    "neighbour_entropy",
    "ou_unmet",
    "replay",
    "sample",
    "two_step_sizes",
]
