r"""When a split of the centre becomes visible in the law of a chain.

Over steps of length h at a fixed :math:`\theta = h\eta` the multipliers of the Euler steps of the
ODE at a kept point add up, in the limit of small steps, to the growth

.. math:: \frac1h \int_0^{\tau_2} \log|1 - \theta\,g(\tau)|\,d\tau, \qquad
          g = -\tfrac1\eta\,\partial_x b,

up to the end of the unstable window, :math:`\theta\,g(\tau_2) = 2`. Its root is where the window
undoes what was contracted before it. Source: docs/theory.md, D2.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq

from fokker_planck import Estimate
from fokker_planck.model import ReverseProcess
from fokker_planck.model.checks import real_number, shown
from sde_compare.thresholds import Slopes

Array = NDArray[np.float64]
#: times at which the multiplier is looked at, and times theta is doubled in search of a root
TIMES, DOUBLINGS = 801, 40


def net_threshold(process: ReverseProcess, centre: float = 0.0) -> Estimate:
    r"""Return theta = h eta at which the growth about a point outweighs the contraction before it.

    Parameters
    ----------
    process : ReverseProcess
        An ODE in dimension one; its own strength does not matter.
    centre : float
        A point that the flow keeps at every strength.

    Returns
    -------
    Estimate
        The limit for small steps, with the error of its quadrature.

    Raises
    ------
    ValueError
        If the process is no ODE, or the unstable window is still open at the output.

    Notes
    -----
    Source: docs/theory.md, D2.
    """
    slopes = Slopes(process)
    if process.noise_level != 0:
        raise ValueError(f"process must be an ODE, got noise level {process.noise_level:g}")
    point = np.array([real_number("centre", centre)])
    horizon = process.horizon
    h = horizon / (TIMES - 1)
    times = np.linspace(0.0, horizon - h, TIMES - 1)

    def rate(tau: float) -> float:
        return float(slopes.parts(point, tau, h)[1][0]) / h

    rates = np.array([rate(float(tau)) for tau in times])
    if rates.max() <= 0:
        return Estimate(np.inf, 0.0, "refinement")

    def crossing(level: float, k: int) -> float:
        if rates[k] == level:
            return float(times[k])
        return float(brentq(lambda tau: rate(tau) - level, times[k], times[k + 1], xtol=1e-14))

    def growth(theta: float) -> tuple[float, float]:
        """Return the integral to the end of the window, and its error."""
        unstable = np.flatnonzero(theta * rates > 2)
        if unstable.size and unstable[-1] == rates.size - 1:
            words = f"process must be stable at the output, got {shown(process.mixture.means)}"
            raise ValueError(f"{words} at theta {theta:.4g}")
        end = crossing(2 / theta, int(unstable[-1])) if unstable.size else float(times[-1])
        above = theta * rates > 1
        zeros = [crossing(1 / theta, int(k)) for k in np.flatnonzero(above[1:] != above[:-1])]
        cuts = [0.0, *(tau for tau in zeros if tau < end), end]
        total, error = 0.0, 0.0
        for left, right in pairwise(cuts):
            part, doubt = quad(
                lambda tau: np.log(max(abs(1 - theta * rate(tau)), 1e-300)),
                left,
                right,
                epsabs=1e-8,
                limit=200,
            )
            total, error = total + part, error + doubt
        return total, error

    low = 2 / float(rates.max())
    high = 2 * low
    for _ in range(DOUBLINGS):
        if growth(high)[0] > 0:
            break
        low, high = high, 2 * high
    theta = float(brentq(lambda value: growth(value)[0], low, high, rtol=1e-10))
    step = 1e-3 * theta
    steepness = (growth(theta + step)[0] - growth(theta - step)[0]) / (2 * step)
    return Estimate(theta, 2 * growth(theta)[1] / abs(steepness) + 1e-8 * theta, "refinement")
