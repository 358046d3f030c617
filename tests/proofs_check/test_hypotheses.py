import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fokker_planck as fp
from proofs_check.claims import hypotheses as h
from proofs_check.claims import s0


def process(means, target, weights=None, covariances=None, **options):
    k = len(means)
    weights = np.full(k, 1 / k) if weights is None else weights
    mixture = fp.GaussianMixture(weights, means, covariances)
    return fp.reverse_process(mixture, target, strength=1.0, **options)


def status(hypothesis, p):
    return hypothesis.examine(p).status


@pytest.mark.parametrize(
    ("means", "target", "found"),
    [
        ([-1.0, 1.0], 1, "proved"),
        ([-2.0, 0.0, 1.5], 2, "proved"),
        ([-2.0, 0.0, 1.5], 0, "proved"),
        ([-2.0, 0.0, 1.5], 1, "refuted"),
        ([0.0, 0.0, 1.0], 0, "proved"),
        ([[0.0, 0.0], [-1.0, -1.0], [-1.0, 1.0]], 0, "proved"),  # a right angle: exactly zero
        ([[0.0, 0.0], [-1.0, -1.0], [-0.9999999, 1.0]], 0, "refuted"),
    ],
)
def test_the_gram_condition(means, target, found):
    assert status(h.GRAM, process(means, target)) == found
    assert status(h.NOT_GRAM, process(means, target)) != found


def test_the_gram_condition_is_exact_where_floats_round():
    # <v1, v2> = -1 + 1e-17 * 1e-17 in exact arithmetic, and its sign flips with the last bit
    up = [[0.0, 0.0], [-1.0, -1.0], [-1.0, np.nextafter(1.0, 0.0)]]
    down = [[0.0, 0.0], [-1.0, -1.0], [-1.0, np.nextafter(1.0, 2.0)]]
    assert status(h.GRAM, process(up, 0)) == "proved"
    assert status(h.GRAM, process(down, 0)) == "refuted"
    # a product that underflows to zero in floating point is still negative
    tiny = [[0.0], [-1e-200], [1e-200]]
    assert float(np.float64(1e-200) * np.float64(-1e-200)) == 0.0
    assert status(h.GRAM, process(tiny, 0)) == "refuted"


def test_components_without_weight_do_not_count():
    p = process([-2.0, 0.0, 2.0], 1, weights=[0.5, 0.5, 0.0], covariances=[1.0, 1.0, 3.0])
    assert status(h.GRAM, p) == "proved"
    assert status(h.COMMON, p) == "proved"
    assert status(h.TWO, p) == "proved"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=5), st.data())
def test_in_one_dimension_gram_means_an_extreme_target(means, data):
    target = data.draw(st.integers(0, len(means) - 1))
    extreme = means[target] in (min(means), max(means))
    assert (status(h.GRAM, process(means, target)) == "proved") == extreme


def test_covariances():
    wide = process([0.0, 1.0], 0, covariances=[1.0, 1.0 + 1e-15])
    assert status(h.COMMON, wide) == "refuted"
    assert status(h.NOT_COMMON, wide) == "proved"
    skew = process([[0.0, 0.0], [1.0, 0.0]], 0, covariances=[[2.0, 0.0], [0.0, 1.0]])
    assert status(h.COMMON, skew) == "proved"
    assert status(h.ISOTROPIC, skew) == "refuted"
    assert status(h.ISOTROPIC, process([0.0, 1.0], 0, covariances=4.0)) == "proved"


def test_samplers_and_starts():
    ode, sde = (process([0.0, 1.0], 0, sampler=name) for name in ("ode", "sde"))
    half = process([0.0, 1.0], 0, noise_level=0.5)
    assert [status(h.ODE, p) for p in (ode, sde, half)] == ["proved", "refuted", "refuted"]
    assert [status(h.SDE, p) for p in (ode, sde, half)] == ["refuted", "proved", "refuted"]
    assert [status(h.NOISY, p) for p in (ode, sde, half)] == ["refuted", "proved", "proved"]
    mixed = process([0.0, 1.0], 0, initial=fp.GaussianMixture([0.5, 0.5], [0.0, 1.0]))
    assert status(h.GAUSSIAN_START, sde) == "proved"
    assert status(h.GAUSSIAN_START, mixed) == "refuted"
    plane = process([[0.0, 0.0], [1.0, 0.0]], 0)
    assert status(h.ONE_D, plane) == "undecided"
    assert status(s0.DENSITY, plane) == "refuted"
