"""Ball arithmetic contains what it should, and truncation bounds hold."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev

import fokker_planck as fp
from fokker_planck.residual.balls import Ball, ellipse_cover
from fokker_planck.residual.chebyshev import gauss, lagrange, left_out, left_out_twice, lobatto
from fokker_planck.residual.field import MixtureField, enclosable


def members(ball, rng, n=40):
    """Random members of every ball, along a new first axis: inside and on the edge."""
    shape = (n, *np.shape(ball.mid))
    size = np.where(rng.random(shape) < 0.5, 1.0, np.sqrt(rng.random(shape)))
    if np.iscomplexobj(ball.mid):
        return ball.mid + ball.rad * size * np.exp(2j * np.pi * rng.random(shape))
    return ball.mid + ball.rad * size * rng.choice([-1.0, 1.0], shape)


OPERATIONS = {
    "add": (lambda a, b: a + b, None),
    "subtract": (lambda a, b: a - b, None),
    "multiply": (lambda a, b: a * b, None),
    "divide": (lambda a, b: a / b, None),
    "mixed": (lambda a, b: 3.0 - (a * b + a) / (2.0 + b), None),
    "exp": (lambda a, b: a.exp(), lambda a, b: np.exp(a)),
    "expm1": (lambda a, b: a.expm1(), lambda a, b: np.expm1(a)),
    "sqrt": (lambda a, b: (a + 6.0).sqrt(), lambda a, b: np.sqrt(a + 6.0)),
    "sin": (lambda a, b: a.sin(), lambda a, b: np.sin(a)),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("complex_numbers", [False, True])
def test_results_of_members_lie_in_the_result_of_the_balls(name, complex_numbers):
    rng = np.random.default_rng(11)
    on_balls, on_numbers = OPERATIONS[name]

    def draw():
        mid = rng.normal(size=200) * 10.0 ** rng.uniform(-3, 0.5, 200)
        if complex_numbers:
            mid = mid + 1j * rng.normal(size=200)
        return Ball(mid, 10.0 ** rng.uniform(-17, -0.5, 200))

    a, b = draw(), draw()
    with np.errstate(all="ignore"):
        found = on_balls(a, b)
        x, y = members(a, rng), members(b, rng)
        truth = (on_numbers or on_balls)(x, y)
    gap = np.abs(truth - found.mid)
    # members on the edge are rounded themselves
    slack = 1e-14 * (1 + np.abs(truth)) / np.minimum(1, np.abs(y)) ** 2
    assert np.all((gap <= found.rad + slack) | ~np.isfinite(found.rad))
    assert np.mean(np.isfinite(found.rad)) > 0.5


def test_a_division_by_a_ball_around_zero_is_unbounded():
    assert (1.0 / Ball(0.1, 0.2)).rad == np.inf


@pytest.mark.parametrize("rho", [1.1, 1.6, 3.0, 6.0])
def test_the_cover_covers_the_ellipse(rho):
    rng = np.random.default_rng(5)
    inner = 1 + (rho - 1) * rng.random(2000)
    z = inner * np.exp(2j * np.pi * rng.random(2000))
    points = 0.5 * (z + 1 / z)
    for upper_half in (False, True):
        cover = ellipse_cover(rho, 7, upper_half)
        used = points[points.imag >= 0] if upper_half else points
        near = np.abs(used[:, None] - cover.mid) <= cover.rad
        assert np.all(near.any(axis=1))


def test_what_a_chebyshev_series_leaves_out_is_bounded():
    rng = np.random.default_rng(3)
    x = np.linspace(-1, 1, 801)
    for _ in range(60):
        rho = float(rng.uniform(1.3, 4))
        # poles and growth beyond the ellipse
        pole = 0.5 * (rho * 1.2 * np.exp(1j * rng.uniform(0, np.pi)))
        pole = pole + 0.25 / pole
        rate = rng.normal()

        def f(z, pole=pole, rate=rate):
            return 1 / ((z - pole) * (z - np.conj(pole))) + np.exp(rate * z)

        edge = rho * np.exp(2j * np.pi * np.linspace(0, 1, 4001))
        largest = np.abs(f(0.5 * (edge + 1 / edge))).max() * 1.01
        degree = int(rng.integers(2, 25))
        series = chebyshev.chebinterpolate(lambda t, f=f: np.real(f(t)), 300)[: degree + 1]
        worst = np.abs(np.real(f(x)) - chebyshev.chebval(x, series)).max()
        assert worst <= left_out(rho, degree) * largest + 1e-12 * largest


def test_what_a_double_series_leaves_out_is_bounded():
    rng = np.random.default_rng(4)
    x = np.linspace(-1, 1, 61)
    nodes = np.cos(np.pi * (np.arange(120) + 0.5) / 120)
    for _ in range(15):
        a, b, c = rng.normal(size=3)
        rhos = tuple(rng.uniform(1.5, 3, 2))
        degrees = (int(rng.integers(3, 16)), int(rng.integers(3, 16)))

        def f(s, t, a=a, b=b, c=c):
            return np.exp(a * s + b * t + 0.3 * c * s * t)

        edges = [0.5 * (r * e + 1 / (r * e)) for r in rhos
                 for e in [np.exp(2j * np.pi * np.linspace(0, 1, 201))]]  # fmt: skip
        largest = np.abs(f(edges[0][:, None], edges[1])).max() * 1.01
        values = f(nodes[:, None], nodes)
        matrix = [chebyshev.chebvander(nodes, k) for k in degrees]
        scale = [np.r_[0.5, np.ones(k)] * 2 / nodes.size for k in degrees]
        coefficients = np.outer(*scale) * (matrix[0].T @ values @ matrix[1])
        cut = chebyshev.chebgrid2d(x, x, coefficients)
        worst = np.abs(cut - f(x[:, None], x)).max()
        assert worst <= left_out_twice(rhos, degrees) * largest + 1e-12 * largest


def test_evaluation_matrices_and_gauss_rules_are_exact():
    nodes, (points, weights) = lobatto(12), gauss(20)
    powers = np.arange(13)
    for matrix, shift in zip(lagrange(nodes, points), (0, 1, 2), strict=True):
        found = matrix @ nodes[:, None] ** powers
        factor = np.array([np.prod(k - np.arange(shift)) for k in powers])
        expected = factor * points[:, None] ** np.maximum(powers - shift, 0)
        assert np.allclose(found, expected, atol=1e-12 * 10.0**shift)
    assert weights @ points**38 == pytest.approx(2 / 39, rel=1e-14)
    # nodes among the points
    again = lagrange(nodes, nodes)
    assert np.allclose(again[0], np.eye(13), atol=1e-15)
    assert np.allclose(again[1] @ nodes**3, 3 * nodes**2, atol=1e-12)
    assert np.allclose(again[2] @ nodes**3, 6 * nodes, atol=1e-10)


def schedules():
    for name in ("ou", "linear-vp", "cosine", "ve"):
        yield name, fp.schedule_named(name)


@pytest.mark.parametrize(("name", "schedule"), list(schedules()))
@pytest.mark.parametrize("variances", [None, [0.3, 1.0, 2.0]])
def test_the_drift_in_balls_is_that_of_the_model_and_contains_its_neighbours(
    name, schedule, variances
):
    mixture = fp.GaussianMixture([0.5, 0.2, 0.3], [-1.0, 0.0, 2.0], variances)
    process = fp.reverse_process(mixture, 1, strength=3.0, schedule=schedule, noise_level=0.7)
    assert enclosable(process)
    field = MixtureField(process)
    tau = process.horizon * np.linspace(0.02, 1.0, 20)[:, None]
    x = np.linspace(-6, 6, 101)
    drift, slope = field.drift_and_slope(Ball(x), field.terms(Ball(tau)))
    b, divergence = process.drift_and_divergence(x[None], tau)
    size = np.abs(b).max(axis=1, keepdims=True)
    assert np.all(np.abs(b - drift.mid) <= drift.rad + 1e-12 * size)
    assert np.all(np.abs(divergence - slope.mid) <= slope.rad + 1e-10 * (size + 1))
    posterior = field.posterior(Ball(x), field.terms(Ball(tau)))
    assert np.allclose(posterior.mid, np.exp(process.log_posterior(x[None], tau)), atol=1e-12)
    terms = field.terms(Ball(tau))
    assert np.allclose(terms.diffusivity.mid, 0.5 * process.noise(tau) ** 2)

    rng = np.random.default_rng(2)
    half = 0.05 * process.horizon * 0.1
    wide_x = Ball(x + 0.1j * rng.normal(size=x.size), 0.05)
    times = 0.5 * process.horizon + 0j * tau
    wide_t = Ball(times[:1], half)
    wide, _ = field.drift_and_slope(wide_x, field.terms(wide_t))
    inner_x, inner_t = members(wide_x, rng, 10), members(wide_t, rng, 10)
    for a, t in zip(inner_x, inner_t, strict=True):
        inner, _ = field.drift_and_slope(Ball(a), field.terms(Ball(t)))
        known = np.isfinite(wide.rad[0]) & np.isfinite(inner.rad[0])
        gap = np.abs(inner.mid[0] - wide.mid[0])
        assert np.all(gap[known] <= (wide.rad + inner.rad)[0][known] * (1 + 1e-9))
    assert np.mean(np.isfinite(wide.rad)) > 0.3
