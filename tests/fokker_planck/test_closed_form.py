"""Closed forms against integration of the process's own drift."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import fokker_planck as fp

SCHEDULES = [
    fp.OrnsteinUhlenbeck(),
    fp.LinearVP(),
    fp.Cosine(),
    fp.VarianceExploding(2.0),
]
LINE = fp.GaussianMixture([0.3, 0.7], [-1.0, 2.0], [0.2, 1.7])
PLANE = fp.GaussianMixture(
    [0.5, 0.5], [[-1.0, 0.5], [1.0, -0.3]], [[[1.0, 0.6], [0.6, 0.5]], [[2.0, 0.0], [0.0, 1.0]]]
)


def integrated(process, tau):
    """Integrate m' = b(m) and C' = J C + C J^T + g^2 I with the affine unguided drift."""
    d = process.dimension
    free = process.with_strength(0.0)
    identity = np.eye(d)

    def field(x, s):
        b = free.drift(x[:, 0] if d == 1 else x, s)
        return b.reshape(-1, d)

    def slope(s, state):
        m, c = state[:d], state[d:].reshape(d, d)
        ends = field(np.concatenate([m + identity, m - identity, m[None]]), s)
        jacobian = 0.5 * (ends[:d] - ends[d : 2 * d]).T  # exact: the drift is affine
        c = jacobian @ c + c @ jacobian.T + float(free.noise(s)) ** 2 * identity
        return np.concatenate([ends[-1], c.ravel()])

    start = process.initial
    state = np.concatenate([start.mean, start.covariance.ravel()])
    found = solve_ivp(slope, (0.0, tau), state, method="DOP853", rtol=1e-11, atol=1e-12)
    end = found.y[:, -1]
    return end[:d], end[d:].reshape(d, d)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("level", [0.0, 1.0, 1.6])
@pytest.mark.parametrize("mixture", [LINE, PLANE], ids=["line", "plane"])
def test_the_unguided_moments_solve_the_moment_equations(schedule, level, mixture):
    """I4, every schedule and dimension, with early stopping and a start that does not commute."""
    d = mixture.dimension
    start = fp.GaussianMixture(
        [0.4, 0.6],
        [[1.0] * d, [-0.5] * d],
        [np.eye(d) * 0.7, np.eye(d) + 0.3 * (np.ones((d, d)) - np.eye(d))],
    )
    process = fp.reverse_process(
        mixture, 1, strength=3.0, noise_level=level, schedule=schedule, stop=0.02, initial=start
    )
    for share in (0.3, 1.0):
        tau = share * process.horizon
        mean, covariance = integrated(process, tau)
        m, c = fp.unguided_moments(process, tau)
        assert np.allclose(m, mean if d > 1 else mean[0], rtol=1e-8, atol=1e-8)
        assert np.allclose(c, covariance if d > 1 else covariance[0, 0], rtol=1e-8, atol=1e-8)
        law = fp.unguided_law(process, tau)
        assert np.allclose(law.mean, mean, rtol=1e-8, atol=1e-8)
        assert np.allclose(law.covariance, covariance, rtol=1e-8, atol=1e-8)


def test_shapes_of_moments():
    line, plane = (fp.reverse_process(m, 1) for m in (LINE, PLANE))
    taus = np.linspace(0, 5, 4)
    assert [a.shape for a in fp.unguided_moments(line, taus)] == [(4,), (4,)]
    assert [a.shape for a in fp.unguided_moments(plane, taus)] == [(4, 2), (4, 2, 2)]
    assert [a.shape for a in fp.unguided_moments(plane, 1.0)] == [(2,), (2, 2)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_a_class_of_several_components_stays_its_own_law_from_the_exact_start(schedule):
    """Strength 0: the law at t is p_t(.|y), whose score the process has: div(b p) balances."""
    mixture = fp.GaussianMixture([0.2, 0.3, 0.5], [-1.0, 1.0, 2.0], [0.3, 1.0, 1.0], [0, 0, 1])
    process = fp.reverse_process(mixture, 0, schedule=schedule, initial="exact", stop=0.05)
    law = fp.unguided_law(process, process.horizon)
    r, v = float(schedule.signal(0.05)), float(schedule.variance(0.05))
    assert np.allclose(law.means[:, 0], r * np.array([-1.0, 1.0]))
    assert np.allclose(law.covariances[:, 0, 0], r * r * np.array([0.3, 1.0]) + v)
    m, c = fp.unguided_moments(process, process.horizon)
    assert (m, c) == (pytest.approx(law.mean[0]), pytest.approx(law.covariance[0, 0]))
    started = fp.reverse_process(mixture, 0, schedule=schedule)
    with pytest.raises(ValueError, match="class of one Gaussian"):
        fp.unguided_moments(started, 1.0)


@pytest.mark.parametrize("horizon", [0.5, 3.0, 20.0])
@pytest.mark.parametrize("scale", [1.0, 1.7, 3.0, 6.0])
def test_the_exploding_pair_solves_its_variance_equation(horizon, scale):
    """Class N(0, 1), total N(0, 2), v = t: dV/dtau by integration of the process's slope."""
    one, two = (fp.GaussianMixture([1.0], [0.0], c) for c in (1.0, 2.0))
    for sampler in ("ode", "sde"):
        process = fp.pair_process(
            one,
            two,
            scale=scale,
            sampler=sampler,
            horizon=horizon,
            schedule=fp.VarianceExploding(),
            initial=fp.GaussianMixture([1.0], [0.0], 1.0 + horizon),
        )

        def slope(tau, v, p=process):
            return 2 * p.drift(np.array([1.0]), tau)[0] * v + p.noise(tau) ** 2

        found = solve_ivp(
            slope, (0, horizon), [1 + horizon], method="DOP853", rtol=1e-12, atol=1e-13
        )
        expected = fp.exploding_pair_variance(horizon, scale, sampler)
        assert found.y[0, -1] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1.0, 2.0, "ode"), "horizon must be"),
        ((1.0, 0.5, "ode"), "scale must be >= 1"),
        ((1.0, 2.0, "pde"), "sampler must be one of"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        fp.exploding_pair_variance(*arguments)


def test_a_score_with_a_stated_error_has_no_closed_form():
    wrong = fp.reverse_process(LINE, 1, perturbation=fp.cosine_error("score", 0.1, 1.0))
    with pytest.raises(ValueError, match="exact score"):
        fp.unguided_moments(wrong, 1.0)


@pytest.mark.parametrize("sampler", ["ode", "sde"])
@pytest.mark.parametrize(("horizon", "scale"), [(1.0, 4.0), (5.0, 2.0), (20.0, 8.0)])
def test_the_exploding_pair_is_solved_to_1e_8(sampler, horizon, scale):
    """Two different laws for ODE and SDE (arXiv 2408.09000), to 1e-8 and within the claim."""
    one, two = (fp.GaussianMixture([1.0], [0.0], c) for c in (1.0, 2.0))
    wide = fp.GaussianMixture([1.0], [0.0], 1.0 + horizon)
    process = fp.pair_process(
        one,
        two,
        scale=scale,
        sampler=sampler,
        horizon=horizon,
        schedule=fp.VarianceExploding(),
        initial=wide,
    )
    found = fp.solve(process, tol=1e-9).covariance[-1]
    true = fp.exploding_pair_variance(horizon, scale, sampler)
    assert abs(float(found.value) - true) <= float(found.error) <= 1e-8
