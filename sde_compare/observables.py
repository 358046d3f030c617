"""Observables of a pair of paths whose sign a comparison theorem speaks about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics, ReverseProcess
from fokker_planck.model.checks import one_of, shown
from fokker_planck.model.frozen import FrozenScore

Array = NDArray[np.float64]
Gap = Callable[[int, Array, Array], Array]
GAPS = ("log_ratio", "log_odds")


def gap_functions(
    process_a: Dynamics,
    process_b: Dynamics,
    tau: Array,
    observables: Sequence[str] | dict[str, Callable[..., Any]] | None,
) -> dict[str, Callable[[], Gap]]:
    r"""Return builders of ``gap(k, x_a, x_b)`` at node k of ``tau``, by name.

    "log_ratio" is :math:`\min_k [\ell_k(x^a) - \ell_k(x^b)]` with :math:`\ell_k = \log P(y)/P(k)`
    over k != y (over classes where the mixture has labels); "log_odds" is the rise of
    log P(y)/(1 - P(y)). Neither saturates where P rounds
    to 1. Both need one mixture, target and schedule. A dict holds functions ``f(x_a, x_b, tau)``
    of points (n,) in dimension one, else (n, d), with result (n,).

    A builder is called once per block, so that blocks share no scratch space.

    Raises
    ------
    ValueError
        If a name is unknown or the processes do not classify by one posterior.
    """
    if isinstance(observables, dict):
        return {name: _of_user(f, tau) for name, f in observables.items()}
    shared = share_classifier(process_a, process_b)
    if observables is None:
        observables = GAPS[:1] if shared else ()
    names = [one_of("observables", name, GAPS) for name in observables]
    if not names:
        return {}
    if not shared or not isinstance(process_a, ReverseProcess):
        raise ValueError(
            f"observables need one mixture, target and schedule, got {shown(list(observables))}"
        )
    builders = {"log_ratio": _log_ratio, "log_odds": _log_odds}
    return {name: builders[name](process_a, tau) for name in names}


_SHARED = ("mixture", "target", "schedule", "stop")


def share_classifier(process_a: Dynamics, process_b: Dynamics) -> bool:
    """Whether both classify by the posterior of one mixture, target and schedule."""
    return (
        isinstance(process_a, ReverseProcess)
        and isinstance(process_b, ReverseProcess)
        and all(process_a.spec().get(key) == process_b.spec().get(key) for key in _SHARED)
    )


def _of_user(function: Callable[..., Any], tau: Array) -> Callable[[], Gap]:
    return lambda: lambda k, a, b: np.asarray(function(a, b, float(tau[k])), dtype=float)


def _log_ratio(process: ReverseProcess, tau: Array) -> Callable[[], Gap]:
    if process.dimension == 1 and process.mixture.labels is None:
        frozen = FrozenScore(process, tau)

        def build() -> Gap:
            work: list[Array] = []

            def gap(k: int, a: Array, b: Array) -> Array:
                if not work:
                    work.append(frozen.workspace(len(a)))
                return frozen.ratio_rise(k, a, b, work[0])

            return gap

        return build
    mixture = process.mixture
    others = [
        k for k in range(mixture.n_classes) if k != process.target and mixture.members(k).size
    ]

    def general(k: int, a: Array, b: Array) -> Array:
        rise = process.log_ratios(a, tau[k])[others] - process.log_ratios(b, tau[k])[others]
        return np.asarray(rise.min(axis=0, initial=np.inf))

    return lambda: general


def _log_odds(process: ReverseProcess, tau: Array) -> Callable[[], Gap]:
    def odds(x: Array, s: float) -> Array:
        return process.log_posterior(x, s) - process.log_complement(x, s)

    return lambda: lambda k, a, b: odds(a, float(tau[k])) - odds(b, float(tau[k]))
