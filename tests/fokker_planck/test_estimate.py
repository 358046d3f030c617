"""Estimates: intervals, arithmetic of errors, kinds, and what an unknown error becomes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fokker_planck import Estimate
from fokker_planck.estimate import KINDS, weakest

numbers = st.floats(-1e6, 1e6)
errors = st.floats(0, 1e3)


@given(numbers, errors, numbers, errors)
def test_sums_and_differences_contain_every_combination(a, ea, b, eb):
    slack = 1e-9 * (1 + abs(a) + abs(b))
    for sa in (-1, 0, 1):
        for sb in (-1, 0, 1):
            x, y = a + sa * ea, b + sb * eb
            total, gap = Estimate(a, ea) + Estimate(b, eb), Estimate(a, ea) - Estimate(b, eb)
            assert abs(total.value - (x + y)) <= total.error + slack
            assert abs(gap.value - (x - y)) <= gap.error + slack


@given(numbers, errors, st.floats(-100, 100))
def test_scaling_scales_the_error_by_the_size_of_the_factor(a, e, c):
    scaled = Estimate(a, e) * c
    assert scaled.error == pytest.approx(e * abs(c))
    assert scaled.value == pytest.approx(a * c)
    assert (c * Estimate(a, e)).value == scaled.value


def test_the_kind_of_a_combination_is_the_weaker_one():
    for i, first in enumerate(KINDS):
        for j, second in enumerate(KINDS):
            assert weakest(first, second) == KINDS[max(i, j)]
            assert (Estimate(1, 1, first) + Estimate(1, 1, second)).kind == KINDS[max(i, j)]


def test_missed_coverages_add():
    a = Estimate(1.0, 0.1, "interval", 0.99)
    b = Estimate(2.0, 0.1, "interval", 0.95)
    assert (a + b).confidence == pytest.approx(0.94)
    assert (a + Estimate(0.0, 0.1)).confidence == pytest.approx(0.99)


def test_an_unknown_error_is_infinite_never_zero():
    assert Estimate(1.0, np.nan).error == math.inf
    assert Estimate(np.nan, 0.0).error == math.inf
    assert not Estimate(np.nan, 0.0).contains(1.0)
    assert Estimate(1.0, math.inf).contains(1e300)


@pytest.mark.parametrize(("fields", "named"), [((1, -1), "error"), ((1, 1, "guess"), "kind")])
def test_bad_fields_are_named(fields, named):
    with pytest.raises(ValueError, match=named):
        Estimate(*fields)


def test_entries_and_iteration():
    e = Estimate([1.0, 2.0], [0.1, 0.2])
    assert len(e) == 2
    assert e[1].value == 2.0
    assert e[-1].error == 0.2
    assert [float(item) for item in e] == [1.0, 2.0]
    assert list(e.contains([1.05, 3.0])) == [True, False]


def test_arrays_cannot_be_changed_from_outside():
    values = np.array([1.0, 2.0])
    e = Estimate(values, 0.1)
    values[0] = 5.0
    assert e.value[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        e.value[0] = 3.0


@given(numbers, errors, st.sampled_from(KINDS))
def test_records_round_trip(a, e, kind):
    again = Estimate.from_dict(Estimate(a, e, kind).to_dict())
    assert (again.value, again.error, again.kind) == (a, e, kind)


def test_a_null_in_a_record_is_an_unknown_number():
    e = Estimate.from_dict({"value": None, "error": None, "kind": "refinement"})
    assert math.isnan(e.value)
    assert e.error == math.inf


def test_agreement_is_that_intervals_meet():
    assert Estimate(1.0, 0.1).agrees(Estimate(1.15, 0.1))
    assert not Estimate(1.0, 0.1).agrees(Estimate(1.25, 0.1))
