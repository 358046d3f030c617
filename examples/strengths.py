"""Confidence and entropy against guidance strength, ODE and SDE, each with its error.

Two components of equal weight at -1 and 1, the second one guided, horizon 5.
"""

import fokker_planck as fp

STRENGTHS = (0.0, 1.0, 3.0, 10.0)


def main() -> dict[tuple[str, float], fp.Solution]:
    mixture = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
    found = {}
    for sampler in ("ode", "sde"):
        for strength in STRENGTHS:
            process = fp.reverse_process(mixture, 1, strength=strength, sampler=sampler)
            solution = fp.solve(process)
            found[sampler, strength] = solution
            print(f"{sampler}  strength {strength:4g}   1 - P = {solution.complement_mass[-1]}")
            print(f"{'':20}    H = {solution.entropy[-1]}")
    return found


if __name__ == "__main__":
    main()
