"""Time grids of discretised samplers: equal steps in time, signal or log-SNR, and DDPM's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model.checks import one_of, real_number, shown, whole_number
from fokker_planck.model.guided import GuidedProcess
from fokker_planck.model.schedule import OrnsteinUhlenbeck

Array = NDArray[np.float64]
GRIDS = ("uniform", "signal", "log-snr", "linear-beta")
#: the rates of Ho et al. (2020) are for so many steps
REFERENCE_STEPS = 1000


def time_grid(process: Any, n_steps: int, kind: str = "uniform", *, last: float = 1e-3) -> Array:
    r"""Return reverse times of n steps, from 0 to the horizon.

    Parameters
    ----------
    process : ReverseProcess, PairProcess or Process
        A process of the user's own has equal steps only.
    n_steps : int
    kind : {"uniform", "signal", "log-snr", "linear-beta"}
        Equal steps of forward time t, of the signal r (:math:`e^{-t}` for Ornstein-Uhlenbeck), or
        of :math:`\log(r^2/v)`; or the times of :func:`linear_beta_times`.
    last : float
        With log-snr and no early stopping the ratio is infinite at the end: the last step then
        goes from forward time ``last`` to 0.

    Raises
    ------
    ValueError
        If a field is out of range, or the horizon is not that of the linear-beta grid.
    """
    n_steps = whole_number("n_steps", n_steps, minimum=1)
    one_of("kind", kind, GRIDS)
    if kind == "uniform":
        return np.linspace(0.0, process.horizon, n_steps + 1)
    if not isinstance(process, GuidedProcess):
        raise ValueError(f"kind must be uniform for a process without a schedule, got {kind!r}")
    start, stop, schedule = process.start_time, process.stop, process.schedule
    if kind == "linear-beta":
        times = linear_beta_times(n_steps)[::-1]
        if not isinstance(schedule, OrnsteinUhlenbeck):
            raise ValueError(f"schedule must be ou for a linear-beta grid, got {schedule.name!r}")
        if stop or abs(start / times[0] - 1) > 1e-9:
            raise ValueError(
                f"horizon must be {times[0]:.12g} (stop 0) for a linear-beta grid of {n_steps} "
                f"steps, got {shown(start)}"
            )
    elif kind == "signal":
        ends = (float(schedule.signal(start)), float(schedule.signal(stop)))
        if ends[0] == ends[1]:
            raise ValueError(f"schedule must change the signal for such steps, got {schedule!r}")
        wanted = np.linspace(*ends, n_steps + 1)[1:-1]
        times = _inverse(schedule.signal, wanted, start, stop)
    else:
        times = _log_snr(schedule, n_steps, start, stop, last)
    tau = start - times
    tau[0], tau[-1] = 0.0, process.horizon
    if np.any(np.diff(tau) <= 0):
        raise ValueError(f"n_steps must leave steps longer than rounding, got {n_steps}")
    return tau


def linear_beta_times(
    n_steps: int, beta_min: float = 1e-4, beta_max: float = 0.02, scaled: bool = True
) -> Array:
    r"""Return the forward times t_0 = 0, ..., t_N of DDPM's linear-beta schedule.

    .. math:: \beta_k = c\,[\beta_{min} + (\beta_{max} - \beta_{min}) \tfrac{k-1}{N-1}], \qquad
              \bar\alpha_k = \prod_{j \le k} (1 - \beta_j), \qquad
              t_k = -\tfrac12 \log \bar\alpha_k ,

    with c = 1000/N if ``scaled``, so that N steps end at about the noise level of 1000.

    Notes
    -----
    Source: Ho, Jain, Abbeel 2020 (arXiv 2006.11239), section 4.
    """
    n_steps = whole_number("n_steps", n_steps, minimum=1)
    beta_min = real_number("beta_min", beta_min, minimum=0.0, strict=True)
    beta_max = real_number("beta_max", beta_max, minimum=beta_min)
    beta = np.linspace(beta_min, beta_max, n_steps)
    if scaled:
        beta = beta * (REFERENCE_STEPS / n_steps)
    if beta.max() >= 1:
        raise ValueError(f"n_steps must keep every beta below 1, got {n_steps}")
    return np.concatenate([[0.0], -0.5 * np.cumsum(np.log1p(-beta))])


def _log_snr(schedule: Any, n_steps: int, start: float, stop: float, last: float) -> Array:
    """Return forward times from the start to the stop, evenly spaced in log(r^2/v)."""

    def ratio(t: Any) -> Any:
        return 2 * np.log(schedule.signal(t)) - np.log(schedule.variance(t))

    low, inner = stop, n_steps
    if stop == 0:
        low, inner = (
            real_number("last", last, minimum=0.0, maximum=0.5 * start, strict=True),
            (n_steps - 1),
        )
    if inner == 0:
        return np.array([start, stop])
    wanted = np.linspace(float(ratio(start)), float(ratio(low)), inner + 1)[1:-1]
    times = _inverse(ratio, wanted, start, low)
    return times if stop else np.append(times, 0.0)


def _inverse(function: Callable[[Any], Any], wanted: Array, start: float, stop: float) -> Array:
    """Return start, the times at which a falling function has the values, and the stop."""
    high, low = np.full(wanted.size, start), np.full(wanted.size, stop)
    for _ in range(200):
        middle = 0.5 * (low + high)
        beyond = function(middle) > wanted
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return np.concatenate([[start], 0.5 * (low + high), [stop]])
