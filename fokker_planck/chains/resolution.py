r"""How fine the law of a noisy chain is carried: everything from one exponent E.

Every approximation of a step leaves about :math:`e^{-E}` of what it approximates. Source:
docs/theory.md, N11.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: distance of the poles of posteriors from the line, times the rate of their logarithms
POLE = 2.5
#: how far beyond the highest frequency of the noise that of the nodes lies
MARGIN = 1.1


@dataclass(frozen=True)
class Resolution:
    r"""Spacing of nodes, reach of kernels and cuts of tails, in units of a step's noise C.

    The law after a step is its noise's Gaussian convolved with something, so that its transform
    falls like :math:`e^{-C^2 k^2/2}`, to :math:`e^{-E}` at :math:`k C = \sqrt{2E}`.

    Parameters
    ----------
    exponent : float
        E.
    """

    exponent: float

    @property
    def reach(self) -> float:
        """Half-width of a Gaussian kernel, in its deviations."""
        return math.sqrt(2 * self.exponent) + 0.5

    @property
    def cell(self) -> float:
        """Spacing of nodes over C: their highest frequency is that of the noise, and a tenth."""
        return math.pi / (MARGIN * math.sqrt(2 * self.exponent))

    @property
    def cut(self) -> float:
        """Probability that is left off at either end of a law after a step, and counted."""
        return 1e-2 * math.exp(-self.exponent)

    @property
    def ramp(self) -> float:
        """Deviation of the ramps between coarse and fine nodes, in coarse cells."""
        return math.sqrt(self.exponent / 3.5)

    @property
    def steepest(self) -> float:
        r"""Slope of a step, times C before over C after, up to which coarse nodes will do.

        A sum over nodes of spacing delta misses :math:`e^{-(2\pi/\delta)^2/2V}` of an integrand
        whose transform is a Gaussian of variance V: :math:`1/C^2` from the law,
        :math:`s^2/C^2` from the kernel seen through the step, :math:`1/w^2` from the ramps.
        """
        wave = (2 * math.pi) ** 2 / (2 * self.exponent)
        return math.sqrt((wave - self.ramp**-2) / self.cell**2 - 1)

    def parts_of_rate(self, rate: float) -> float:
        r"""Return into how many a length has to be cut where posteriors change at such a rate.

        A pole at distance a from the line leaves :math:`e^{-2\pi a/\delta}`; a = 2.5/rate.
        """
        return self.exponent * rate / (2 * math.pi * POLE)

    def parts(self, steepness: float) -> int:
        """Return into how many a cell has to be cut where the slope is so large."""
        wave = (2 * math.pi) ** 2 / (2 * self.exponent) - self.ramp**-2
        return math.ceil(self.cell * math.sqrt((1 + steepness**2) / wave))
