"""What a certificate says of a solution: its L1 error and the errors of its functionals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fokker_planck.estimate import Estimate, Kind

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Certified:
    """The certificate of a solution at its output times.

    Parameters
    ----------
    l1 : ndarray, shape (m,)
        L1 distance of the solution's density to the true law.
    kind : {"bound", "residual"}
        Whether the quadrature of the residual is enclosed or summed.
    estimates : dict of str to Estimate
        Functionals with errors that follow from the distance.
    parts : dict of str to ndarray, shape (m,)
        What the distance consists of.
    """

    l1: Array
    kind: Kind
    estimates: dict[str, Estimate] = field(default_factory=dict)
    parts: dict[str, Array] = field(default_factory=dict)
