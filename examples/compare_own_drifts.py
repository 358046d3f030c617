"""Comparison theorems on your own drifts: hypotheses decided, conclusions tested on paths.

Two species that help each other; two drifts that look ordered but are not, in a spot of width
1e-4; and a guided sampler of three classes against the unguided one (T1).
"""

import fokker_planck as fp
from sde_compare import regions as rg
from sde_compare.comparison import Comparison, compare, system


def main() -> dict[str, Comparison]:
    x, x0, x1 = rg.variables("x x0 x1")
    found = {}

    growth = [rg.tanh(x1) - x0, rg.tanh(x0) - x1]
    helped = [growth[0] + rg.exp(-(x1**2)), growth[1]]
    found["cooperation"] = compare(system(growth, noise=0.5), system(helped, noise=0.5))

    spot = rg.exp(-(((x - rg.number("0.4142")) / rg.number("1e-4")) ** 2))
    above = 1 - x + rg.number("0.05") - rg.number("0.06") * spot
    found["dip"] = compare(system(1 - x), system(above), region={"x": (-5, 5)})

    mixture = fp.GaussianMixture([0.3, 0.4, 0.3], [[1.0, 1.0], [-1.0, 0.5], [0.5, -1.0]])
    unguided, guided = (fp.reverse_process(mixture, 0, strength=s) for s in (0.0, 3.0))
    found["guidance"] = compare(unguided, guided, order="log-ratios")

    for name, one in found.items():
        print(f"--- {name}\n{one}\n")
    return found


if __name__ == "__main__":
    main()
