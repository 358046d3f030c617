"""The number of modes: peaks by how far they rise, stable under what the error bar admits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import fokker_planck as fp
from proofs_check.sweep.modes import modes
from proofs_check.sweep.peaks import count_modes, rises

X = np.linspace(-8, 8, 401)


def bumps(*places, width=0.5):
    return sum(height * np.exp(-(((X - x) / width) ** 2)) for x, height in places)


def by_hysteresis(values, level):
    """Count peaks that rise by more than a level, by one pass from left to right."""
    count, low, high, rising = 0, 0.0, 0.0, True
    for value in [*values, 0.0]:
        if rising:
            high = max(high, value)
            if value < high - level:
                count, rising, low = count + 1, False, value
        else:
            low = min(low, value)
            if value > low + level:
                rising, high = True, value
    return count


def test_rises_of_separate_bumps_are_their_heights_over_the_saddle():
    found = rises(bumps((-4, 1.0), (0, 0.5), (4, 0.25)))
    assert found[:3] == pytest.approx([1.0, 0.5, 0.25], abs=1e-6)
    assert rises(np.zeros(5)).size == 0
    assert rises(np.array([1.0, 1.0, 0.0, 0.5, 0.5])).tolist() == [1.0, 0.5]


@given(arrays(float, st.integers(1, 40), elements=st.floats(0, 1)), st.floats(0.01, 0.9))
def test_rises_agree_with_a_pass_that_knows_nothing_of_them(values, level):
    found = rises(values)
    if np.any(np.abs(found - level) < 1e-9):
        return
    assert int(np.sum(found > level)) == by_hysteresis(values, level)


@given(arrays(float, (6, 7), elements=st.floats(0, 1)))
def test_in_the_plane_the_order_of_axes_does_not_matter(values):
    assert rises(values).tolist() == pytest.approx(rises(values.T).tolist())
    assert rises(values[:, :1]).tolist() == rises(values[:, 0]).tolist()


@given(
    arrays(float, 30, elements=st.floats(0, 1)),
    arrays(float, 30, elements=st.floats(-1, 1)),
    st.floats(1e-6, 0.1),
)
def test_any_density_within_the_error_has_a_number_of_modes_within_the_bar(values, noise, error):
    claimed = count_modes(values, error, 0.2)
    other = np.maximum(values + error * noise, 0.0)
    assert abs(count_modes(other, 0.0, 0.2).value - claimed.value) <= claimed.error


def test_what_cannot_be_told_is_unknown():
    assert count_modes(bumps((0, 1.0)), 0.1, 0.05).error == np.inf
    assert np.isnan(count_modes(np.array([0.0, np.nan]), 0.0, 0.1).value)


CENTRE = fp.GaussianMixture([0.25, 0.5, 0.25], [-3.0, 0.0, 3.0], 0.25)
OUTER = fp.GaussianMixture([0.4, 0.2, 0.4], [-3.0, 0.0, 3.0], 0.25, labels=[0, 1, 0])


@pytest.mark.parametrize("bandwidth", [0.0, 0.1])
def test_modes_of_a_solution(bandwidth):
    process = fp.reverse_process(OUTER, 0, sampler="sde", horizon=3.0)
    two = fp.solve(process, taus=[3.0], tol=1e-6)
    one = fp.solve(fp.reverse_process(CENTRE, 1, sampler="ode", strength=2.0), tol=1e-6)
    for solution, count in ((two, 2), (one, 1)):
        found = modes(solution, 0.01, bandwidth)
        assert (found.value, found.error) == (count, 0.0)


def test_a_bandwidth_wider_than_what_is_between_modes_makes_them_one():
    solution = fp.solve(fp.reverse_process(OUTER, 0, sampler="sde", horizon=3.0), tol=1e-6)
    found = [modes(solution, 0.01, bandwidth).value for bandwidth in (0.5, 2.0, 5.0)]
    assert found == [2, 2, 1]


def test_nodes_farther_apart_than_the_bandwidth_leave_the_number_unknown():
    solution = fp.solve(fp.reverse_process(CENTRE, 1, sampler="sde", strength=1.0), tol=1e-6)
    assert modes(solution, 0.01, 1e-3).error == np.inf
    assert modes(solution, 0.01, 1e-9).error == np.inf


@pytest.mark.parametrize(
    ("noise_level", "strength", "count"), [(0, 10, 1), (0, 200, 4), (1, 50, 2)]
)
def test_modes_of_a_chain_that_splits_the_centre(noise_level, strength, count):
    """docs/theory.md, D3: past the threshold there are two clusters; the ODE's have two edges."""
    mixture = fp.GaussianMixture([0.25, 0.5, 0.25], [-3.0, 0.0, 3.0])
    process = fp.reverse_process(mixture, 1, strength=strength, noise_level=noise_level)
    solution = fp.solve(fp.chain(process, 50), tol=1e-5)
    found = modes(solution, 0.01, 0.5)
    assert (found.value, found.error) == (count, 0.0)
    if count == 4:
        with pytest.raises(ValueError, match="folds"):
            modes(solution, 0.01)


def test_modes_in_the_plane():
    mixture = fp.GaussianMixture([0.4, 0.3, 0.3], [[0, 2.0], [-1.7, -1.0], [1.7, -1]])
    process = fp.reverse_process(mixture, 0, strength=1.0, sampler="ode", horizon=2.0)
    solution = fp.solve(process, taus=[2.0], tol=1e-4)
    found = modes(solution, 0.01)
    assert (found.value, found.error) == (1, 0.0)
    with pytest.raises(ValueError, match="plane"):
        modes(solution, 0.01, 0.1)
