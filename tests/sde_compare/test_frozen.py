"""The in-place score of the samplers is the score of the model."""

import numpy as np
import pytest

import fokker_planck as fp
from fokker_planck.model.frozen import FrozenScore
from sde_compare.engine import Track, block_generator, simulate_block

MIXTURES = [
    (fp.GaussianMixture([1.0], [0.3]), 0),
    (fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1),
    (fp.GaussianMixture([0.01, 0.99], [-4.0, 4.0], [0.3, 0.3]), 0),
    (fp.GaussianMixture([0.5, 0.5], [0.0, 0.0], [4.0, 0.25]), 0),
    (fp.GaussianMixture([0.3, 0.3, 0.4], [-2.0, 0.0, 2.0]), 1),
    (fp.GaussianMixture([0.3, 0.0, 0.3, 0.4], [-2.0, 9.0, 0.1, 2.0], [0.5, 1.0, 2.0, 0.1]), 2),
]
TAU = np.array([0.0, 0.4, 2.0, 4.6, 4.999, 5.0])


@pytest.mark.parametrize(("mixture", "target"), MIXTURES)
def test_frozen_score_equals_the_score(mixture, target):
    p = fp.reverse_process(mixture, target, strength=2.5)
    frozen = FrozenScore(p, TAU)
    x = np.linspace(-30, 30, 241)
    work = frozen.workspace(x.size)
    for i, tau in enumerate(TAU):
        with np.errstate(over="ignore", under="ignore"):
            guidance = frozen.guidance(i, 1.0, x, work)
        score = frozen.intercept[i] + frozen.slope[i] * x
        score = score if guidance is None else score + guidance
        expected = p.score(x, tau)
        assert np.allclose(score, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize(("mixture", "target"), MIXTURES)
def test_rise_of_log_ratios_equals_the_difference(mixture, target):
    p = fp.reverse_process(mixture, target)
    frozen = FrozenScore(p, TAU)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 400)) * 3
    others = [k for k in range(mixture.n_components) if k != target and mixture.weights[k] > 0]
    for i, tau in enumerate(TAU):
        rise = frozen.ratio_rise(i, x, y, frozen.workspace(400))
        a, b = p.log_ratios(x, tau)[others], p.log_ratios(y, tau)[others]
        if not others:
            assert np.all(np.isinf(rise))
            continue
        assert np.allclose(rise, (a - b).min(axis=0), rtol=1e-10, atol=1e-11 * np.abs(a).max())


@pytest.mark.parametrize(("mixture", "target"), MIXTURES)
def test_production_steps_equal_steps_with_the_drift_of_the_model(mixture, target):
    """The affine in-place step against Euler through ``Process`` and the model's drift."""
    p = fp.reverse_process(mixture, target, strength=2.5)
    plain = fp.Process(p.drift, np.sqrt(2.0), p.initial, p.horizon)
    tau = np.linspace(0, 5, 251)
    tracks = [Track(q, tau, "euler") for q in (p, plain)]
    a, b = simulate_block(tracks, 250, block_generator("same noise", 0))
    assert np.abs(a - b).max() < 1e-10 * np.abs(b).max()


def test_two_dimensions_reduce_to_one():
    """Means on the first axis, identity covariance: the other coordinate is unguided."""
    flat = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1, strength=3.0)
    plane = fp.GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]])
    p = fp.reverse_process(plane, 1, strength=3.0)
    for rule in ("euler", "exponential", "ddpm"):
        tau = np.linspace(0, 5, 51)
        wide, line = Track(p, tau, rule), Track(flat, tau, rule)
        rng = np.random.default_rng(3)
        start = rng.normal(size=(50, 2))
        a, b = wide.start(start), line.start(np.ascontiguousarray(start[:, 0]))
        for j in range(50):
            xi = rng.normal(size=(50, 2))
            a.feed(j, xi)
            b.feed(j, np.ascontiguousarray(xi[:, 0]))
        assert np.allclose(a.x[:, 0], b.x, rtol=1e-11, atol=1e-11)
