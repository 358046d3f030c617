"""Crossings: artefacts of the step size told from real ones."""

import numpy as np
import pytest

import fokker_planck as fp
import sde_compare as sc

LAW = fp.GaussianMixture([1.0], [0.0])
ORDER = {"order": lambda a, b, tau: a - b}
TWO = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1, strength=3.0)
THREE = fp.reverse_process(
    fp.GaussianMixture([1 / 3] * 3, [-2.0, 0.0, 2.0]), 1, strength=1.0, horizon=6.0
)


def pulled(rate: float, push: float) -> tuple[fp.Process, fp.Process]:
    """Return two processes whose gap obeys d' = -rate d - push on every path."""
    first = fp.Process(lambda x, tau: -rate * x - push, 0.5, LAW, 1.0)
    return first, fp.Process(lambda x, tau: -rate * x, 0.5, LAW, 1.0)


def test_a_gap_that_decays_is_crossed_by_large_steps_alone():
    """A gap d' = -15 d stays positive; Euler steps of 1/10 turn its sign, steps of 1/40 do not."""
    paths = sc.couple(*pulled(15.0, 0.0), 40, 10, refine=4, starts=(1.0, 0.0), observables=ORDER)
    found = sc.crossings(paths)
    assert found.count("artefact") == 40
    assert np.all(found.coarse_step == 1) and np.all(found.refined_step == -1)
    assert np.all(found.value > found.error)


def test_a_gap_that_is_pushed_through_zero_is_real():
    """A gap d' = -d - 1 from 1: by Euler 2 (1 - h)^k - 1, negative from k = 8 of 12, 17 of 24."""
    paths = sc.couple(*pulled(1.0, 1.0), 40, 12, refine=2, starts=(1.0, 0.0), observables=ORDER)
    found = sc.crossings(paths, "order")
    assert found.count("real") == 40
    assert np.all(found.coarse_step == 8) and np.all(found.refined_step == 17)
    exact = 2 * np.exp(-1.0) - 1
    assert np.all(np.abs(found.value - exact) <= found.error)
    assert found.share("real").contains(1.0) and found.share("none").value == 0


def test_a_gap_that_only_touches_zero_is_not_decided_by_rounding():
    """One drift in two ways of writing it: the gap is rounding, of either sign."""
    a = fp.Process(lambda x, tau: -(0.1 * x + 0.2 * x), 0.5, LAW, 1.0)
    b = fp.Process(lambda x, tau: -0.3 * x, 0.5, LAW, 1.0)
    found = sc.crossings(sc.couple(a, b, 60, 20, refine=2, observables=ORDER))
    assert found.count("undecided") > 0
    assert found.count("real") == found.count("artefact") == 0


def test_guidance_of_two_components_is_crossed_at_large_steps_only():
    """T1: no path loses; Euler steps of 5/4 are above the limit 1 of T1-discrete, 5/8 are not."""
    paths = sc.couple(TWO, TWO.with_strength(0.0), 20_000, 4, refine=2)
    found = sc.crossings(paths)
    assert found.count("real") == 0
    assert found.count("artefact") > 0
    crossing = found.kind != "none"
    assert np.array_equal(crossing, paths.minimum["log_ratio"] < 0)
    assert np.all(found.refined_step == -1)


def test_a_centre_target_is_crossed_for_real():
    """X1: at the output a fifth of the paths has lost. Deeper replays agree with every decision.

    An error is an estimate, calibrated on some 250 paths: one in a hundred may be decided wrongly.
    """
    output = {"loss": lambda a, b, tau: odds(a, tau) - odds(b, tau) if tau > 5.99 else 1 + 0 * a}
    paths = sc.couple(THREE, THREE.with_strength(0.0), 1500, 120, refine=2, observables=output)
    found = sc.crossings(paths)
    assert found.share("real", confidence=1 - 1e-6).contains(0.2084)  # examples/losing_paths.py
    assert found.count("undecided") < 15
    chosen = np.flatnonzero((found.kind == "real") | (found.kind == "artefact"))
    deep = sc.replay(paths.refined, chosen, 64)
    rise = odds(deep.path_a[:, -1, 0], 6.0) - odds(deep.path_b[:, -1, 0], 6.0)
    wrong = (found.kind[chosen] == "real") != (rise < 0)
    assert wrong.mean() <= 0.01
    assert np.any(found.kind == "artefact")


def odds(x: np.ndarray, tau: float) -> np.ndarray:
    return THREE.log_posterior(x, tau) - THREE.log_complement(x, tau)


def test_paths_without_a_crossing_are_left_alone():
    found = sc.crossings(sc.couple(TWO, TWO.with_strength(0.0), 50, 20, refine=2))
    assert found.count("none") == 50 and np.all(np.isnan(found.value)) and found.factor == 1


def test_crossings_in_the_plane():
    law = fp.GaussianMixture([1.0], [[0.0, 0.0]])
    first = fp.Process(lambda x, tau: -15 * x, 0.5, law, 1.0)
    order = {"order": lambda a, b, tau: a[:, 0] - b[:, 0]}
    for coupling in ("synchronous", "antithetic"):
        paths = sc.couple(
            *(first, first, 30, 10, coupling),
            starts=([9.0, 1.0], [0.0, 0.0]),
            refine=4,
            observables=order,
        )
        found = sc.crossings(paths)
        assert found.count("none") == 0
        if coupling == "synchronous":
            assert found.count("artefact") == 30


@pytest.mark.parametrize(
    ("coupling", "refine", "observable", "words"),
    [
        ("synchronous", 1, None, "refine must be above 1 in the run for crossings, got 1"),
        ("reflection", 2, None, "coupling must be one of .* for crossings, got 'reflection'"),
        ("synchronous", 2, "height", "observable must be one of order, got 'height'"),
    ],
)
def test_bad_crossings_are_refused(coupling, refine, observable, words):
    paths = sc.couple(*pulled(1.0, 1.0), 5, 4, coupling, refine=refine, observables=ORDER)
    with pytest.raises(ValueError, match=words):
        sc.crossings(paths, observable)
