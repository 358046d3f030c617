"""Laws of chains come back from disk with every number, and with the chain."""

import numpy as np
import pytest

import fokker_planck as fp

LINE = fp.GaussianMixture([1 / 3] * 3, [-3.0, 0.0, 3.0])
PLANE = fp.GaussianMixture([0.5, 0.5], [[0, 1], [1, 0]])


@pytest.mark.parametrize("rule, level", [("euler", 1.0), ("ddpm", 1.0), ("euler", 0.0)])
@pytest.mark.parametrize("mixture, target", [(LINE, 1), (PLANE, 0)])
def test_a_law_comes_back(mixture, target, rule, level, tmp_path):
    model = fp.reverse_process(mixture, target, strength=8.0, noise_level=level, horizon=3.0)
    law = fp.solve(fp.chain(model, 8, rule), tol=1e-5)
    law.save(tmp_path / "law.npz")
    again = fp.load(tmp_path / "law.npz")
    for name in ("entropy", "posterior_mass", "mean", "covariance", "mass"):
        a, b = getattr(law, name), getattr(again, name)
        assert np.array_equal(a.value, b.value) and np.array_equal(a.error, b.error)
    assert again.method == law.method and again.chain.rule == rule
    assert np.array_equal(again.chain.tau, law.chain.tau)


def test_a_law_of_the_users_own_process_comes_back_without_a_chain(tmp_path):
    own = fp.Process(lambda x, tau: -x, 0.5, fp.GaussianMixture([1.0], [0.2]), 2.0)
    fp.solve(fp.chain(own, 4)).save(tmp_path / "law.npz")
    again = fp.load(tmp_path / "law.npz")
    assert again.chain is None and again.mean[-1].contains(0.2 * 0.5**4)
