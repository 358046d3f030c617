"""Intervals cover at least as often as they say; p-values invert them; Holm's rule."""

import numpy as np
import pytest
from scipy import stats

import sde_compare as sc
from sde_compare.estimators import bernstein_width, smallest_level


def allowed_misses(trials: int, delta: float, false_alarm: float = 1e-7) -> int:
    """More misses than this have probability below ``false_alarm`` if coverage is honest."""
    return int(stats.binom.isf(false_alarm, trials, delta))


@pytest.mark.parametrize("shape", [(0.5, 0.5), (1, 30), (5, 0.1)])
@pytest.mark.parametrize("n", [20, 500])
def test_bernstein_covers(shape, n):
    """False-alarm rate 1e-7 per case."""
    rng = np.random.default_rng(20)
    truth, misses = shape[0] / sum(shape), 0
    for _ in range(400):
        misses += not sc.empirical_bernstein(rng.beta(*shape, n), 0, 1, 0.9).contains(truth)
    assert misses <= allowed_misses(400, 0.1)


def test_bernstein_adapts_to_the_variance():
    assert bernstein_width(1e-6, 100_000, 1.0, 0.01) < 0.1 * bernstein_width(0.25, 100_000, 1, 0.01)
    assert np.isinf(bernstein_width(0.0, 1, 1.0, 0.01))
    assert np.isinf(sc.empirical_bernstein([0.5], 0, 1).error)


@pytest.mark.parametrize("n", [1, 7, 60])
@pytest.mark.parametrize("side", ["two-sided", "upper", "lower"])
def test_clopper_pearson_covers_exactly(n, side):
    """Coverage is a finite sum of binomial probabilities: nothing is sampled."""
    limits = np.array([sc.clopper_pearson_limits(k, n, 0.95, side) for k in range(n + 1)])
    for p in np.linspace(0.003, 0.997, 60):
        inside = (limits[:, 0] <= p) & (p <= limits[:, 1])
        assert stats.binom.pmf(np.arange(n + 1), n, p)[inside].sum() >= 0.95 - 1e-12


def test_clopper_pearson_against_scipy_and_in_the_extremes():
    expected = stats.binomtest(3, 40).proportion_ci(0.99, "exact")
    assert np.allclose(sc.clopper_pearson_limits(3, 40), [expected.low, expected.high], rtol=1e-9)
    low, high = sc.clopper_pearson_limits(0, 1000, 0.999, "upper")
    assert low == 0 and high == pytest.approx(1 - 1e-3 ** (1 / 1000))
    both = sc.clopper_pearson(0, 1000)
    assert both.value == 0 and both.error == pytest.approx(1 - 0.005 ** (1 / 1000))


def test_dkw_covers():
    """False-alarm rate 1e-7."""
    rng = np.random.default_rng(4)
    n, trials = 300, 400
    width = sc.dkw_width(n, 0.1)
    sample = np.sort(rng.random((trials, n)), axis=1)
    grid = np.arange(1, n + 1) / n
    gap = np.maximum(grid - sample, sample - grid + 1 / n).max(axis=1)
    assert np.sum(gap > width) <= allowed_misses(trials, 0.1)
    assert np.sum(gap > 0.8 * width) > 0  # and it is not idle


def test_p_values_invert_intervals():
    for gap in (0.01, 0.03, 0.3):
        p = smallest_level(lambda d, gap=gap: gap - float(bernstein_width(0.02, 4000, 1.0, d)))
        for factor, excluded in ((1.001, True), (0.999, False)):
            if p * factor < 1 and p > 1e-300:
                assert (gap > bernstein_width(0.02, 4000, 1.0, p * factor)) == excluded
    assert smallest_level(lambda d: -1.0) == 1.0
    assert smallest_level(lambda d: 1.0) == 1e-300


def test_holm_steps_down():
    assert np.allclose(sc.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert np.allclose(sc.holm([0.9, 0.8]), [1.0, 1.0])
    assert sc.holm([]).size == 0


def test_holm_keeps_the_family_wise_rate():
    """All hypotheses true and independent, 4000 families of 8; false-alarm rate 1e-7."""
    p = np.random.default_rng(9).random((4000, 8))
    alarms = sum(bool(np.any(sc.holm(row) <= 0.05)) for row in p)
    assert alarms <= allowed_misses(4000, 0.05)


def test_nearest_neighbours_see_the_entropy_of_a_gaussian():
    """A diagnostic: 0.05 is more than six standard deviations here."""
    rng = np.random.default_rng(0)
    one = sc.neighbour_entropy(2 * rng.normal(size=(20_000, 1)))
    assert abs(one.value - np.log(2 * np.sqrt(2 * np.pi * np.e))) < 0.05
    two = sc.neighbour_entropy(rng.normal(size=(20_000, 2)))
    assert abs(two.value - np.log(2 * np.pi * np.e)) < 0.06
    assert np.isinf(sc.neighbour_entropy(np.zeros((10, 1))).error)
    assert np.isinf(sc.neighbour_entropy(rng.normal(size=(3, 1))).error)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sc.empirical_bernstein([0.5, 1.5], 0, 1), "values must lie in"),
        (lambda: sc.empirical_bernstein([], 0, 1), "values must have shape"),
        (lambda: sc.empirical_bernstein([np.nan], 0, 1), "values must be finite"),
        (lambda: sc.empirical_bernstein([0.5], 0, 1, 1.0), "confidence must be < 1"),
        (lambda: sc.clopper_pearson(5, 4), "count must be in 0..4"),
        (lambda: sc.clopper_pearson_limits(1, 4, 0.9, "left"), "side must be one of"),
        (lambda: sc.holm([0.5, 1.5]), "p_values must lie in"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
