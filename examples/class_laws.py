"""Class laws that are no Gaussians: logistic, Laplace and uniform, on quadrature nodes.

Two classes of one shape, centred at -1 and 1, the second one guided. Diffusion turns nodes into a
Gaussian mixture, so that the process is stopped a little before t = 0; the L1 distance of the
diffused class law to that of its nodes has a bound, printed first.
"""

import fokker_planck as fp

SCALES = {"logistic": 0.4, "laplace": 0.5, "uniform": 0.8}
STOP, STRENGTH, TOL = 0.2, 2.0, 1e-6


def process(name: str, sampler: str) -> tuple[fp.ReverseProcess, float]:
    """Return the process and the bound on the L1 error of its class laws at the stop."""
    schedule = fp.OrnsteinUhlenbeck()
    laws = [
        fp.quadrature_law(name, centre, SCALES[name], schedule=schedule, stop=STOP)
        for centre in (-1.0, 1.0)
    ]
    mixture = fp.GaussianMixture.of_classes(laws, [0.5, 0.5])
    guided = fp.reverse_process(mixture, 1, strength=STRENGTH, sampler=sampler, stop=STOP)
    return guided, max(law.l1_error(schedule, STOP) for law in laws)


def main() -> dict[tuple[str, str], fp.Solution]:
    found = {}
    for name in SCALES:
        for sampler in ("ode", "sde"):
            guided, error = process(name, sampler)
            solution = fp.solve(guided, tol=TOL)
            found[name, sampler] = solution
            print(f"{name:8} {sampler}  {guided.mixture.n_components} nodes, L1 <= {error:.0e}")
            print(f"{'':13} 1 - P = {solution.complement_mass[-1]}")
            print(f"{'':13}     H = {solution.entropy[-1]}")
    return found


if __name__ == "__main__":
    main()
