"""The model: mixtures, schedules, guidance and reverse processes.

numpy and scipy.special only; imports no solver, so that it can be audited alone.
"""

from fokker_planck.model.closed_form import unguided_moments
from fokker_planck.model.dynamics import Dynamics, breaks_of, content_seed, piece_of
from fokker_planck.model.guidance import ConstantStrength, GuidanceRule
from fokker_planck.model.mixture import GaussianMixture
from fokker_planck.model.process import ReverseProcess, reverse_process
from fokker_planck.model.schedule import OrnsteinUhlenbeck, Schedule, schedule_named
from fokker_planck.model.user_process import Process

__all__ = [
    "ConstantStrength",
    "Dynamics",
    "GaussianMixture",
    "GuidanceRule",
    "OrnsteinUhlenbeck",
    "Process",
    "ReverseProcess",
    "Schedule",
    "breaks_of",
    "content_seed",
    "piece_of",
    "reverse_process",
    "schedule_named",
    "unguided_moments",
]
