"""The limit of the visible threshold (D2) against the table of the theory and by plain sums."""

from functools import cache

import numpy as np
import pytest

import fokker_planck as fp
from sde_compare.thresholds import linear_threshold
from sde_compare.visible import net_threshold, visible_threshold


def centre(w, m, sampler="ode", horizon=5.0):
    mixture = fp.GaussianMixture([w, 1 - 2 * w, w], [-m, 0.0, m])
    return fp.reverse_process(mixture, 1, strength=1.0, sampler=sampler, horizon=horizon)


@cache
def net(w, m=3.0):
    return net_threshold(centre(w, m))


def test_the_table_of_the_theory():
    assert abs(net(1 / 3).value / 5.842 - 1) < 1e-3  # which is of long horizons


def test_a_plain_sum_over_beta_vanishes_there():
    w, m, horizon = 0.17, 3.0, 5.0
    found = net(w)
    beta = m**2 * np.exp(-2 * (np.arange(500_000) + 0.5) * horizon / 500_000)
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


def test_the_ragged_band_of_the_ode_holds_the_limit():
    process = centre(1 / 3, 3.0)
    limit = float(net(1 / 3).value)
    found = visible_threshold(process, 0.02, limit * np.linspace(0.98, 1.02, 17))
    assert found.low < limit < found.high
    assert abs(found.middle / limit - 1) < 0.03
    first, *_, last = np.flatnonzero((found.thetas >= found.low) & (found.thetas <= found.high))
    margin = np.abs(found.share.value - 0.5) - found.share.error
    assert found.share.value[first] > 0.5 > found.share.value[last]  # split, whole again
    assert margin[first] > 0 and margin[last] > 0


def test_the_band_need_not_hold_the_limit_but_its_middle_is_near():
    process = centre(0.17, 3.0)
    limit = float(net(0.17).value)
    found = visible_threshold(process, 0.02, limit * np.linspace(0.98, 1.02, 21))
    assert found.high < limit
    assert abs(found.middle / limit - 1) < 0.03


def test_the_share_of_the_ode_is_that_of_paths():
    process, theta, h = centre(0.2, 3.0), 12.9, 0.1
    found = visible_threshold(process, h, [theta, 13.2])
    rng = np.random.default_rng(5)
    guided = process.with_strength(theta / h)
    x = rng.standard_normal(20_000)
    for k in range(50):
        x = x + h * np.asarray(guided.drift(x, k * h))
    share = np.mean(np.abs(x) > theta * 3.0 / 4)
    assert abs(share - found.share.value[0]) < found.share.error[0] + 5 * 0.5 / np.sqrt(20_000)


# from below, from above
@pytest.mark.parametrize(("w", "steps"), [(0.1, (0.1, 0.05, 0.025)), (1 / 3, (0.1, 0.05))])
def test_the_band_of_the_sde_closes_in_on_its_linear_threshold(w, steps):
    process, bands = centre(w, 3.0, "sde"), []
    for h in steps:
        linear = h * float(linear_threshold(process, h).strength.value)
        found = visible_threshold(process, h, linear * np.linspace(0.6, 1.4, 5))
        assert found.low < found.middle < found.high and found.share.error.max() < 1e-3
        bands.append(np.array([found.middle, found.high - found.low]) / linear)
    middle, width = np.array(bands).T
    assert np.all(np.diff(np.abs(middle - 1)) < 0) and np.all(np.diff(width) < 0)


def test_the_share_of_the_sde_is_the_one_of_the_theory():
    process = centre(0.1, 3.0, "sde")
    theta = 0.9 * 0.02 * float(linear_threshold(process, 0.02).strength.value)
    found = visible_threshold(process, 0.02, [theta, 1.01 * theta])
    assert abs(found.share.value[0] - 0.42) < 0.005


@pytest.mark.parametrize("thetas", [[1.0], [2.0, 1.0], [0.0, 1.0]])
def test_thetas_must_increase(thetas):
    with pytest.raises(ValueError, match="thetas must be positive and increasing"):
        visible_threshold(centre(0.2, 3.0), 0.1, thetas)


def test_a_model_without_a_centre_is_refused():
    lopsided = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [0.0, 1.0]), 0)
    with pytest.raises(ValueError, match="symmetric about the target"):
        visible_threshold(lopsided, 0.1, [1.0, 2.0])
