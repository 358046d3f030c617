"""The unguided law in closed form (I4), with the face of a Solution."""

import numpy as np
import pytest
from scipy import stats

import fokker_planck as fp
from fokker_planck.density import Density


class GaussianSolution:
    """A solution whose numbers are exact up to quadrature of 1e-12."""

    dimension = 1

    method = "closed form"

    def __init__(self, process):
        self.process = process
        self.taus = np.array([process.horizon])
        mean, variance = fp.unguided_moments(process, process.horizon)
        self.law = stats.norm(float(mean), np.sqrt(float(variance)))
        x = self.law.mean() + self.law.std() * np.linspace(-9, 9, 4001)
        values = self.law.pdf(x)
        self._density = Density(
            x, values, values * (x[1] - x[0]), self.law.logpdf(x), self.law.cdf(x)
        )
        self.entropy = fp.Estimate([self.law.entropy()], 1e-12)

    def density(self, i):
        return self._density

    def expectation(self, f, name=""):
        x = self._density.points
        return fp.Estimate([self._density.integral(f(x, self.taus[-1]))], 1e-10)

    @property
    def posterior_mass(self):
        return self.expectation(lambda x, tau: np.exp(self.process.log_posterior(x, tau)))

    def distribution(self, i):
        return self._density.points, self.law.cdf(self._density.points), 1e-12


@pytest.fixture
def closed_form():
    """The class: ``closed_form(process)`` is a solution of an unguided process."""
    return GaussianSolution
