"""Files of solutions: every kind of reading, process and certificate comes back as it was."""

import numpy as np
import pytest
from hand_made import carried_solution, grid_solution, table_solution

import fokker_planck as fp

LINE = fp.GaussianMixture([0.3, 0.3, 0.4], [-1.0, 0.5, 2.0], labels=[0, 1, 1])
CLASS, TOTAL = fp.GaussianMixture([1.0], [0.5]), fp.GaussianMixture([1.0], [0.0], [2.0])
PROCESSES = {
    "linear schedule": fp.reverse_process(LINE, 1, strength=1.0, schedule=fp.LinearVP()),
    "cosine": fp.reverse_process(LINE, 1, scale=2.0, schedule=fp.Cosine(), sampler="ode"),
    "exploding": fp.reverse_process(
        LINE, 0, noise_level=0.5, schedule=fp.VarianceExploding(), horizon=2.0, stop=0.01
    ),
    "in time": fp.reverse_process(LINE, 1, guidance=fp.LinearStrength(1.0, 0.5)),
    "interval": fp.reverse_process(LINE, 1, guidance=fp.IntervalStrength(2.0, 0.5, 1.0)),
    "power": fp.reverse_process(LINE, 1, guidance=fp.PowerStrength(1.0, 0.5)),
    "pair": fp.pair_process(CLASS, TOTAL, strength=1.0),
}


def again(solution, tmp_path):
    solution.save(tmp_path / "s.npz")
    return fp.load(tmp_path / "s.npz")


def with_process(process):
    solution = grid_solution(fp.GaussianMixture([1.0], [0.0]))
    return fp.Solution(process, solution.taus, solution.method, solution.reading)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_comes_back_with_the_same_drift(name, tmp_path):
    process = PROCESSES[name]
    found = again(with_process(process), tmp_path).process
    assert type(found) is type(process) and found.spec() == process.spec()
    x = np.linspace(-3, 3, 7)
    for tau in (0.0, 0.3 * process.horizon, 0.9 * process.horizon):
        assert np.array_equal(found.drift(x, tau), process.drift(x, tau))
        assert found.noise(tau) == process.noise(tau)
    assert found.horizon == process.horizon


def test_a_rule_of_the_users_own_cannot_be_stored(tmp_path):
    rule = fp.TimeStrength(lambda t: 1.0 + t)
    found = again(with_process(fp.reverse_process(LINE, 1, guidance=rule)), tmp_path)
    assert found.process is None


@pytest.mark.parametrize("make", [grid_solution, carried_solution, table_solution])
def test_solutions_in_the_plane_come_back(make, tmp_path):
    law = fp.GaussianMixture([1.0], [[1.0, 0.0]], [[1.0, 0.3], [0.3, 0.5]])
    solution = make(law, 1e-9)
    found = again(solution, tmp_path)
    assert found.dimension == 2 and found.reading.best.shape == solution.reading.best.shape
    for name in ("entropy", "mean", "covariance", "mass"):
        a, b = getattr(solution, name), getattr(found, name)
        assert np.array_equal(a.value, b.value) and np.array_equal(a.error, b.error), name
    marginals = [s.marginal(0) for s in (solution, found)]
    assert np.array_equal(marginals[0].values, marginals[1].values)
    assert marginals[0].l1_error == marginals[1].l1_error


def test_a_certificate_comes_back(tmp_path):
    from fokker_planck.residual.result import Certified

    plain = with_process(PROCESSES["in time"])
    parts = {"start": np.array([1e-12]), "tail": np.array([np.inf])}
    certificate = Certified(
        np.array([1e-9]), "bound", {"entropy": fp.Estimate([1.0], [2e-9], "bound")}, parts
    )
    solution = fp.Solution(
        plain.process, plain.taus, "by hand", plain.reading, certificate=certificate
    )
    found = again(solution, tmp_path)
    assert np.array_equal(found.l1_error, [1e-9])
    assert found.entropy.kind == "bound" and found.entropy[0].error == 2e-9
    assert np.isinf(found.certificate.parts["tail"][0])
