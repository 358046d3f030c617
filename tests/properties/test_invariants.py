"""Invariances and identities of the law, on every method, on the line and in the plane.

Each compares two solutions of one problem in two guises: they must agree within the sum of what
they claim, and claim little enough for the comparison to mean something.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import fokker_planck as fp
from fokker_planck.functionals import ENTROPY

#: method, dimension -> tolerance asked for, largest error allowed, examples
SETTINGS = {
    ("characteristics", 1): (1e-9, 1e-7, 6),
    ("characteristics", 2): (1e-8, 1e-6, 4),
    ("spectral", 1): (1e-9, 1e-7, 6),
    ("spectral", 2): (1e-5, 1e-4, 3),
    ("central", 1): (1e-6, 1e-5, 3),
    ("central", 2): (1e-5, 1e-2, 2),
    ("finite-volume", 1): (1e-6, 1e-3, 3),
    ("finite-volume", 2): (5e-2, 1e-1, 1),
}
NOISE = {"characteristics": 0.0, "spectral": 1.0, "central": 1.0, "finite-volume": 1.0}
CASES = list(SETTINGS)


@st.composite
def problems(draw: st.DrawFn, dimension: int) -> dict:
    """Draw weights, means, covariances, target and strength of a three-component model."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    means = rng.uniform(-2, 2, size=(3, dimension))
    root = np.eye(dimension) + 0.3 * rng.uniform(-1, 1, size=(dimension, dimension))
    return {
        "weights": 0.1 + 0.7 * rng.dirichlet(np.ones(3)),
        "means": means,
        "covariances": np.array([root @ root.T] * 3),
        "target": int(rng.integers(3)),
        "strength": float(rng.uniform(0.5, 3)),
    }


def process_of(problem: dict, method: str, shift=0.0, turn=None, horizon: float = 2.0):
    """Return the process of a problem, moved by ``shift`` and turned by an orthogonal matrix."""
    d = problem["means"].shape[1]
    turn = np.eye(d) if turn is None else turn
    mixture = fp.GaussianMixture(
        problem["weights"],
        problem["means"] @ turn.T + shift,
        turn @ problem["covariances"] @ turn.T,
        **({"labels": problem["labels"]} if "labels" in problem else {}),
    )
    # the shift of the data appears at the start shrunk by the signal
    start = np.exp(-horizon) * np.broadcast_to(shift, (1, d))
    return fp.reverse_process(
        mixture,
        problem["target"],
        strength=problem["strength"],
        noise_level=NOISE[method],
        horizon=horizon,
        initial=fp.GaussianMixture([1.0], start),
    )


def solved(process: fp.ReverseProcess, method: str) -> fp.Solution:
    tol, largest, _ = SETTINGS[method, process.dimension]
    solution = fp.solve(process, method=method, tol=tol)
    assert solution.entropy[-1].error <= largest
    return solution


def same(a: fp.Solution, b: fp.Solution, shift=0.0, turn=None) -> None:
    """Assert that b is a, turned and shifted."""
    for name in ("entropy", "posterior_mass", "mass"):
        assert getattr(a, name)[-1].agrees(getattr(b, name)[-1]), name
    turn = np.eye(a.dimension) if turn is None else turn
    mean, other = (np.atleast_1d(s.mean[-1].value) for s in (a, b))
    slack = sum(np.atleast_1d(s.mean[-1].error).sum() for s in (a, b))
    assert np.linalg.norm(turn @ mean + shift - other) <= slack + 1e-13
    cov, moved = (np.atleast_2d(s.covariance[-1].value) for s in (a, b))
    slack = sum(np.atleast_2d(s.covariance[-1].error).sum() for s in (a, b))
    assert np.linalg.norm(turn @ cov @ turn.T - moved) <= slack + 1e-13


def checked(method: str, dimension: int, check) -> None:
    """Run a check on random problems, their number set by the cost of the method."""
    examples = SETTINGS[method, dimension][2]

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # shrinking would solve for minutes
    )
    @given(problems(dimension), st.integers(0, 2**32 - 1))
    def run(problem: dict, seed: int) -> None:
        check(problem, np.random.default_rng(seed))

    run()


@pytest.mark.parametrize(("method", "dimension"), CASES)
def test_translation_and_rotation(method, dimension):
    """The plane is turned and moved in one go; on the line the turn is a mirror."""

    def check(problem, rng):
        shift = rng.uniform(-3, 3, size=dimension)
        if dimension == 1:
            turn = np.array([[-1.0]])
        else:
            angle = rng.uniform(0, 2 * np.pi)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        a = solved(process_of(problem, method), method)
        b = solved(process_of(problem, method, shift, turn), method)
        same(a, b, shift, turn)

    checked(method, dimension, check)


@pytest.mark.parametrize(("method", "dimension"), CASES)
def test_mirror_symmetry_of_a_symmetric_law(method, dimension):
    """A mixture that is its own mirror image keeps the mean of a centred target on the mirror."""

    def check(problem, rng):
        m = problem["means"][1].copy()
        problem = {
            **problem,
            "weights": np.array([0.3, 0.4, 0.3]),
            "means": np.stack([-m, np.zeros(dimension), m]),
            "target": 1,
        }
        solution = solved(process_of(problem, method), method)
        mean = np.atleast_1d(solution.mean[-1].value)
        assert np.all(np.abs(mean) <= np.atleast_1d(solution.mean[-1].error) + 1e-14)

    checked(method, dimension, check)


@pytest.mark.parametrize(("method", "dimension"), CASES)
def test_relabelling_and_splitting(method, dimension):
    """Components in another order, and the target cut into two halves of one label."""

    def check(problem, rng):
        order = rng.permutation(3)
        y = problem["target"]
        k = [*order, y]
        weights = problem["weights"][k].copy()
        weights[[list(order).index(y), 3]] *= 0.5
        other = {
            "weights": weights,
            "means": problem["means"][k],
            "covariances": problem["covariances"][k],
            "labels": [*range(3), int(list(order).index(y))],
            "target": int(list(order).index(y)),
            "strength": problem["strength"],
        }
        same(solved(process_of(problem, method), method), solved(process_of(other, method), method))

    checked(method, dimension, check)


@pytest.mark.parametrize("method", ["characteristics", "spectral", "central", "finite-volume"])
def test_products_in_the_plane_factor_into_the_line(method):
    """Components on a grid of products: the law is a product, entropies add."""

    def check(problem, rng):
        lines = [
            {
                "weights": np.array([w, 1 - w]),
                "means": np.array([[-g], [g]]),
                "covariances": np.full((2, 1, 1), s),
                "target": 1,
                "strength": problem["strength"],
            }
            for w, g, s in zip(
                rng.uniform(0.2, 0.8, 2), rng.uniform(0.3, 1.5, 2), rng.uniform(0.4, 1.5, 2),
                strict=True,
            )
        ]  # fmt: skip
        a, b = lines
        plane = {
            "weights": np.outer(a["weights"], b["weights"]).ravel(),
            "means": np.array([[x[0], y[0]] for x in a["means"] for y in b["means"]]),
            "covariances": np.array(
                [np.diag([a["covariances"][0, 0, 0], b["covariances"][0, 0, 0]])] * 4
            ),
            "target": 3,
            "strength": problem["strength"],
        }
        whole = solved(process_of(plane, method), method)
        parts = [solved(process_of(line, method), method) for line in lines]
        assert whole.entropy[-1].agrees(parts[0].entropy[-1] + parts[1].entropy[-1])
        product = np.prod([part.posterior_mass[-1].value for part in parts])
        slack = sum(s.posterior_mass[-1].error for s in (whole, *parts))
        assert abs(whole.posterior_mass[-1].value - product) <= slack
        for i, part in enumerate(parts):
            assert part.mean[-1].agrees(whole.mean[-1][i])
            assert part.covariance[-1].agrees(whole.covariance[-1][i, i])
        cross = whole.covariance[-1][0, 1]
        assert abs(cross.value) <= cross.error + 1e-13

    checked(method, 2, check)


def gauss_times(horizon: float, n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    node, weight = np.polynomial.legendre.leggauss(n)
    return 0.5 * horizon * (1 + node), 0.5 * horizon * weight


@pytest.mark.parametrize(
    ("method", "dimension"),
    [("characteristics", 1), ("characteristics", 2), ("spectral", 1), ("spectral", 2)],
)
def test_entropy_balance(method, dimension):
    """I1: the entropy gained is the integral of E div b + D E |grad log p|^2.

    Fisher's information is taken as -E lap log p from differences of the density (findiff),
    accurate to about 1e-5 here; with 24 Gauss nodes in time the quadrature is better than that.
    """

    def check(problem, rng):
        process = process_of(problem, method)
        nodes, weight = gauss_times(process.horizon)
        solution = fp.solve(process, taus=[0.0, *nodes, process.horizon], method=method, tol=1e-6)
        gain = np.array(solution.expectation(process.divergence).value[1:-1])
        if not process.deterministic:
            for i, tau in enumerate(nodes):
                d = 0.5 * float(process.noise(tau)) ** 2
                gain[i] += d * fisher(solution.density(i + 1))
        change = solution.entropy[-1].value - solution.entropy[0].value
        assert weight @ gain == pytest.approx(change, abs=2e-5)

    checked(method, dimension, check)


def fisher(density: fp.Density) -> float:
    """Return E |grad log p|^2 = integral |grad p|^2 / p, by differences of order 8."""
    from findiff import Diff

    p = density.values
    seen = p > 1e-7 * p.max()  # the rest holds 1e-7 of the mass, and is noise
    if density.points.ndim == 1:
        h = density.points[1] - density.points[0]
        slope = np.asarray(Diff(0, h, acc=8)(p)) ** 2
        return float(np.sum(slope[seen] / p[seen]) * h)
    points, values = density.grid()
    steps = np.stack([points[1, 0] - points[0, 0], points[0, 1] - points[0, 0]])
    rise = np.stack([np.asarray(Diff(axis, 1.0, acc=8)(values)) for axis in (0, 1)], axis=-1)
    slope = np.sum((rise @ np.linalg.inv(steps).T) ** 2, axis=-1).ravel()
    return float(np.sum(slope[seen] / p[seen]) * abs(np.linalg.det(steps)))


@pytest.mark.parametrize(("method", "dimension"), CASES)
def test_the_unguided_law_is_gaussian(method, dimension):
    """I4: mean and covariance at strength 0 from the closed form."""

    def check(problem, rng):
        process = process_of({**problem, "strength": 0.0}, method)
        solution = solved(process, method)
        m, c = fp.unguided_moments(process, process.horizon)
        m, c = np.reshape(m, -1), np.reshape(c, (dimension, dimension))
        mean, cov = solution.mean[-1], solution.covariance[-1]
        assert np.all(np.abs(np.atleast_1d(mean.value) - m) <= np.atleast_1d(mean.error) + 1e-14)
        assert np.all(np.abs(np.atleast_2d(cov.value) - c) <= np.atleast_2d(cov.error) + 1e-13)
        truth = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * c)[1]
        assert abs(solution.entropy[-1].value - truth) <= solution.entropy[-1].error + 1e-14
        assert sum(part[-1] for part in solution.budget(ENTROPY).values()) > 0

    checked(method, dimension, check)
