"""A process from your own drift: a double well, dx = (x - x^3) dtau + dB.

Two methods that share nothing but the drift are compared with each other, and with the entropy of
the stationary density, exp(x^2 - x^4/2) up to a factor, which one integral gives.
"""

import numpy as np
from scipy.integrate import quad

import fokker_planck as fp


def stationary_entropy() -> float:
    """The entropy of exp(-v)/Z with v = x^4/2 - x^2: log Z + E v."""

    def v(x: float) -> float:
        return 0.5 * x**4 - x**2

    z = quad(lambda x: np.exp(-v(x)), -8, 8, epsabs=1e-13)[0]
    mean_v = quad(lambda x: v(x) * np.exp(-v(x)), -8, 8, epsabs=1e-13)[0] / z
    return float(np.log(z) + mean_v)


def main() -> tuple[fp.Estimate, fp.Estimate, float]:
    process = fp.Process(
        drift=lambda x, tau: x - x**3,
        noise=1.0,
        initial=fp.GaussianMixture([1.0], [0.0], 0.25),
        horizon=10.0,
        divergence=lambda x, tau: 1 - 3 * x**2,
    )
    volumes = fp.solve(process, method="finite-volume", tol=1e-6).entropy[-1]
    central = fp.solve(process, method="central", tol=1e-6).entropy[-1]
    limit = stationary_entropy()
    print(f"finite volumes       {volumes}")
    print(f"central differences  {central}   agree: {volumes.agrees(central)}")
    print(f"stationary density   {limit:.12g}")
    return volumes, central, limit


if __name__ == "__main__":
    main()
