"""The limit of the visible threshold (D2) against the table of the theory and by plain sums."""

import numpy as np
import pytest

import fokker_planck as fp
from sde_compare.visible import net_threshold


def centre(w, m, sampler="ode", horizon=5.0):
    mixture = fp.GaussianMixture([w, 1 - 2 * w, w], [-m, 0.0, m])
    return fp.reverse_process(mixture, 1, strength=1.0, sampler=sampler, horizon=horizon)


@pytest.mark.parametrize(("w", "theta"), [(1 / 3, 5.842), (0.1, 29.747)])
def test_the_table_of_the_theory(w, theta):
    assert abs(net_threshold(centre(w, 5.0, horizon=8.0)).value / theta - 1) < 1e-4


def test_a_plain_sum_over_beta_vanishes_there():
    w, m, horizon = 0.17, 3.0, 5.0
    found = net_threshold(centre(w, m))
    beta = m**2 * np.exp(-2 * (np.arange(2_000_000) + 0.5) * horizon / 2_000_000)
    rate = beta * 2 * w / ((1 - 2 * w) * np.exp(beta / 2) + 2 * w)

    def growth(theta):
        window = np.flatnonzero(theta * rate > 2)[0]  # times run backwards here
        return np.log(np.abs(1 - theta * rate[window:])).mean()

    value = found.value
    assert growth(value * (1 - 1e-4)) < 0 < growth(value * (1 + 1e-4))
    assert found.error < 1e-6 * value


def test_what_has_no_limit_is_refused():
    with pytest.raises(ValueError, match="process must be an ODE"):
        net_threshold(centre(0.2, 3.0, "sde"))
    with pytest.raises(ValueError, match="process must be stable at the output"):
        net_threshold(centre(0.2, 1.5))
