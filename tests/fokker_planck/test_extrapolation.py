"""Richardson extrapolation: limits, errors that contain the truth, and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fokker_planck.extrapolation import extrapolate
from fokker_planck.readings import DOUBT, LAST_COLUMN

STEPS = 2.0 ** -np.arange(6)


@pytest.mark.parametrize("powers", [(1, 2, 3, 4, 5), (2, 4, 6, 8, 10)])
def test_a_sum_of_the_stated_powers_is_extrapolated_exactly(powers):
    values = 1 + sum(STEPS**p for p in powers)
    value, error = extrapolate(values, powers)
    assert abs(value - 1) < 1e-14
    assert abs(value - 1) <= error


def test_the_error_contains_the_truth_when_there_are_more_powers_than_levels():
    values = np.exp(STEPS[1:5])  # all powers
    value, error = extrapolate(values, (1, 2, 3))
    assert abs(value - 1) <= error < 200 * abs(value - 1)


def test_differences_that_do_not_shrink_as_stated_are_not_extrapolated():
    values = 1 + STEPS[:4] ** 0.5  # half the order
    value, error = extrapolate(values, (2, 4, 6))
    assert value == values[-1]
    assert error >= 2 * abs(values[-1] - values[-2])


@pytest.mark.parametrize(
    "errors",
    [
        # seen in random cases: the column of power 4 leaves far more than a power of 6
        (0.0354164, 0.01000916, 0.0025671, 0.00064352),
        (-0.00265665, 0.00885108, 0.00270473, 0.0006997),
        (0.31884477, 0.11167314, 0.03173367, 0.00850057),
    ],
)
def test_a_last_column_that_nobody_checks_is_doubted_by_what_the_ratio_before_it_misses(errors):
    value, error = extrapolate(errors, (2, 4, 6, 8), doubt=DOUBT)
    assert abs(value) <= LAST_COLUMN * error


def test_a_change_of_sign_stops_the_extrapolation():
    value, error = extrapolate([1.0, 1.5, 1.4], (1, 2))
    # the full table would say 1.0667, a third away: twice that counts
    assert (value, error) == (1.4, pytest.approx(2 / 3))


def test_an_accidentally_small_last_difference_does_not_shrink_the_error():
    _, error = extrapolate([1.0, 1.5, 1.5 + 1e-12], (1, 2))
    assert error >= 0.25


def test_one_level_has_no_known_error():
    assert extrapolate([1.0], (1, 2)) == (1.0, float("inf"))


def test_equal_values_have_no_error():
    assert extrapolate([2.0, 2.0, 2.0], (1, 2)) == (2.0, 0.0)


def test_noise_ends_the_extrapolation():
    value, error = extrapolate([1.0, 1.0 + 3e-15, 1.0 - 2e-15], (1, 2), noise=1e-14)
    assert value == 1.0 - 2e-15
    assert error <= 1e-14


@given(
    st.floats(-5, 5).filter(lambda a: abs(a) > 0.01),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(-10, 10),
)
def test_three_levels_of_a_first_order_method(a, b, c, limit):
    h = 0.02 * STEPS[:3]
    values = limit + a * h + b * h**2 + c * h**3
    value, error = extrapolate(values, (1, 2), noise=1e-14)
    assert abs(value - limit) <= error + 1e-13
