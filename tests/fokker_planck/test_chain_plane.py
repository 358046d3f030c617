"""Laws of chains in the plane: closed forms, products of lines, sampled steps, honest errors."""

import numpy as np
import pytest

import fokker_planck as fp
from fokker_planck.chains.transform import frame_over, transform, values_of

THREE = fp.GaussianMixture([0.3, 0.3, 0.4], [[0, 2], [-1.7, -1], [1.7, -1]])
WIDE = fp.GaussianMixture(
    [0.4, 0.6], [[0.0, 0.5], [1.0, -1.0]], [[[1, 0.3], [0.3, 0.5]], np.eye(2)]
)
START = fp.GaussianMixture([1.0], [[0.3, -0.4]], [[0.8, 0.2], [0.2, 0.5]])
RULES = [
    ("euler", 1.0),
    ("exponential", 1.0),
    ("ddpm", 1.0),
    ("euler", 0.0),
    ("ddim", 0.0),
    ("heun", 0.0),
]


def process(mixture=THREE, strength=2.0, level=1.0, horizon=3.0, **more):
    return fp.reverse_process(
        mixture, 0, strength=strength, noise_level=level, horizon=horizon, **more
    )


def test_the_transform_is_the_sum_and_its_error_falls_with_the_width():
    rng = np.random.default_rng(0)
    y, m = rng.standard_normal((300, 2)), rng.random(300)
    frame = frame_over(np.array([-11.0, -12.0]), np.array([12.0, 11.0]), 0.4)
    first, second = frame.waves
    waves = [
        np.exp(-1j * np.outer(y[:, a] - frame.origin[a], k)) for a, k in ((0, first), (1, second))
    ]
    exact = np.einsum("j,jk,jl->kl", m, *waves)
    errors = [np.abs(transform(y, m, frame, w) - exact).max() / m.sum() for w in (6, 9, 12)]
    assert errors[0] < 1e-5 and errors[1] < 1e-7 and errors[2] < 1e-10
    smooth = exact * np.exp(-0.5 * np.add.outer(first**2, second**2))
    values = values_of(smooth, frame, frame.shape).ravel()
    gap = frame.points[:, None] - y
    direct = np.exp(-0.5 * (gap**2).sum(axis=2)) @ m / (2 * np.pi)
    assert np.allclose(values, direct, atol=1e-9)


@pytest.mark.parametrize("rule, level", RULES)
@pytest.mark.parametrize("mixture", [THREE, WIDE])
def test_a_jacobian_is_the_derivative_of_its_step(mixture, rule, level):
    chain = fp.chain(process(mixture, level=level), 6, rule)
    x = np.random.default_rng(1).standard_normal((20, 2))
    for k in (1, 5):
        _, jacobian = chain.plane_step(k, x)
        for axis in (0, 1):
            h = 1e-3 * np.eye(2)[axis]
            near = [
                chain.plane_step(k, x + j * h)[0] - chain.plane_step(k, x - j * h)[0]
                for j in (1, 2)
            ]
            difference = (8 * near[0] - near[1]) / 12e-3
            assert np.allclose(jacobian[:, :, axis], difference, atol=1e-7)


@pytest.mark.parametrize("rule, level", RULES)
def test_without_guidance_the_law_is_gaussian_in_closed_form(rule, level):
    chain = fp.chain(process(WIDE, strength=0.0, level=level, initial=START), 12, rule)
    solution = fp.solve(chain, [3.0], tol=1e-7)
    mean, covariance = START.means[0], START.covariances[0]
    for k in range(12):
        moved, jacobian = chain.plane_step(k, mean[None])
        mean = moved[0]
        covariance = jacobian[0] @ covariance @ jacobian[0].T + chain.noise[k] ** 2 * np.eye(2)
    entropy = np.log(2 * np.pi * np.e) + 0.5 * np.log(np.linalg.det(covariance))
    assert np.all(solution.mean[-1].contains(mean))
    assert np.all(solution.covariance[-1].contains(covariance))
    assert solution.entropy[-1].contains(entropy)
    assert solution.mass[-1].contains(1.0)
    assert solution.entropy[-1].error < 1e-5


@pytest.mark.parametrize("rule, level", [("euler", 1.0), ("ddpm", 1.0), ("ddim", 0.0)])
def test_a_model_that_varies_along_one_axis_is_a_line_times_a_gaussian(rule, level):
    flat = fp.GaussianMixture([0.3, 0.7], [[-1.0, 0.0], [1.5, 0.0]])
    line = fp.GaussianMixture([0.3, 0.7], [-1.0, 1.5])
    law = fp.solve(fp.chain(process(flat, 0.5, level), 10, rule), [3.0], tol=1e-7)
    one = fp.solve(fp.chain(process(line, 0.5, level), 10, rule), [3.0])
    other = fp.solve(fp.chain(process(line, 0.0, level), 10, rule), [3.0])
    truth = float(one.entropy[-1]) + float(other.entropy[-1])
    assert abs(law.posterior_mass[-1].value - one.posterior_mass[-1].value) <= (
        law.posterior_mass[-1].error + one.posterior_mass[-1].error
    )
    assert abs(law.entropy[-1].value - truth) <= law.entropy[-1].error + 1e-8
    assert law.entropy[-1].error < 1e-4


@pytest.mark.parametrize("rule, level", RULES)
def test_error_bars_hold_against_a_finer_run(rule, level):
    chain = fp.chain(process(level=level), 10, rule)
    loose, tight = fp.solve(chain, [3.0], tol=1e-4), fp.solve(chain, [3.0], tol=1e-8)
    for name in ("posterior_mass", "mean", "covariance", "entropy", "mass"):
        a, b = getattr(loose, name)[-1], getattr(tight, name)[-1]
        assert np.all(np.abs(a.value - b.value) <= a.error + b.error), (name, a, b)
        if name != "entropy":
            assert np.all(a.error < 1e-2)


@pytest.mark.parametrize("rule, level", [("euler", 1.0), ("ddpm", 1.0), ("heun", 0.0)])
def test_stepped_points_have_the_law(rule, level):
    """Two averages per rule at 5 standard errors: false alarms in about 4e-6 of runs."""
    chain = fp.chain(process(strength=4.0, level=level), 10, rule)
    law = fp.solve(chain, [3.0], tol=1e-6)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((200_000, 2))
    for k in range(10):
        x = chain.plane_step(k, x, jacobian=False)[0] + chain.noise[k] * rng.standard_normal(
            x.shape
        )
    f = np.exp(chain.process.log_posterior(x, 3.0))
    for sample, found in ((f, law.posterior_mass[-1]), (x[:, 1], law.mean[-1][1])):
        width = 5 * sample.std() / np.sqrt(len(x))
        assert abs(sample.mean() - found.value) < width + found.error
