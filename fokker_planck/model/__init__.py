"""The model: mixtures, schedules, guidance and reverse processes.

numpy, scipy.special and scipy.optimize only; imports no solver, so that it can be audited alone.
"""

from fokker_planck.model.chain import Chain, chain
from fokker_planck.model.closed_form import exploding_pair_variance, unguided_law, unguided_moments
from fokker_planck.model.dynamics import Dynamics, breaks_of, content_seed, piece_of
from fokker_planck.model.guidance import (
    ConstantStrength,
    GuidanceRule,
    IntervalStrength,
    LinearStrength,
    PowerStrength,
    TimeStrength,
)
from fokker_planck.model.guided import GuidedProcess
from fokker_planck.model.mixture import GaussianMixture, atoms, diffused
from fokker_planck.model.pair import PairProcess, pair_process
from fokker_planck.model.perturbation import (
    Perturbation,
    classifier_error,
    cosine_error,
    score_error,
)
from fokker_planck.model.process import ReverseProcess, reverse_process
from fokker_planck.model.quadrature import QuadratureLaw, product_law, quadrature_law
from fokker_planck.model.rebuild import is_plain, process_from_spec
from fokker_planck.model.schedule import (
    Cosine,
    LinearVP,
    OrnsteinUhlenbeck,
    Schedule,
    VarianceExploding,
    schedule_named,
)
from fokker_planck.model.time_grid import linear_beta_times, time_grid
from fokker_planck.model.user_process import Process

__all__ = [
    "Chain",
    "ConstantStrength",
    "Cosine",
    "Dynamics",
    "GaussianMixture",
    "GuidanceRule",
    "GuidedProcess",
    "IntervalStrength",
    "LinearStrength",
    "LinearVP",
    "OrnsteinUhlenbeck",
    "PairProcess",
    "Perturbation",
    "PowerStrength",
    "Process",
    "QuadratureLaw",
    "ReverseProcess",
    "Schedule",
    "TimeStrength",
    "VarianceExploding",
    "atoms",
    "breaks_of",
    "chain",
    "classifier_error",
    "content_seed",
    "cosine_error",
    "diffused",
    "exploding_pair_variance",
    "is_plain",
    "linear_beta_times",
    "pair_process",
    "piece_of",
    "process_from_spec",
    "product_law",
    "quadrature_law",
    "reverse_process",
    "schedule_named",
    "score_error",
    "time_grid",
    "unguided_law",
    "unguided_moments",
]
