"""Distances between laws: closed forms of Gaussians, and errors that hold."""

import numpy as np
import pytest
from hand_made import carried_solution, grid_solution, table_solution
from scipy.special import ndtr

import fokker_planck as fp
from fokker_planck.distances import kl_divergence, total_variation, wasserstein


def gaussian(mean, variance):
    return fp.GaussianMixture([1.0], np.atleast_1d(mean)[None], variance)


def hand_made(rng, law, slip):
    """The law, moved by ``slip``, on a grid or on carried nodes."""
    if rng.integers(2):
        return carried_solution(law, slip)
    return grid_solution(law, slip, n=128, angle=rng.uniform(0, 1.5))


def variation(m1, s1, m2, s2):
    """Total variation of two Gaussians on the line, from the roots of the difference."""
    a, b = 0.5 / s2**2 - 0.5 / s1**2, m1 / s1**2 - m2 / s2**2
    c = 0.5 * (m2 / s2) ** 2 - 0.5 * (m1 / s1) ** 2 + np.log(s2 / s1)
    roots = np.sort(np.roots([a, b, c]).real)
    gap = ndtr((roots - m1) / s1) - ndtr((roots - m2) / s2)
    return 0.5 * np.abs(np.diff([0.0, *gap, 0.0])).sum()


def mean_shift(shift, spread):
    """E|shift + spread Z|, the Wasserstein distance of order 1 of two Gaussians."""
    z = shift / spread
    return abs(spread) * (np.sqrt(2 / np.pi) * np.exp(-0.5 * z * z) + z * (1 - 2 * ndtr(-z)))


def divergence(m1, c1, m2, c2):
    inverse, d = np.linalg.inv(c2), m1 - m2
    return 0.5 * (
        np.trace(inverse @ c1) - len(d) + d @ inverse @ d
        + np.log(np.linalg.det(c2) / np.linalg.det(c1))
    )  # fmt: skip


def test_gaussians_on_the_line_in_random_cases():
    rng = np.random.default_rng(1)
    ratios = {name: [] for name in ("tv", "kl", "w1", "w2")}
    for case in range(24):
        m1, m2 = rng.normal(size=2)
        s1, s2 = np.exp(rng.uniform(-0.5, 0.5, size=2))
        slip = 10 ** rng.uniform(-11, -6)
        a = hand_made(rng, gaussian(m1, s1**2), slip)
        b = hand_made(rng, gaussian(m2, s2**2), -slip)
        found = {
            "tv": (total_variation(a, b), variation(m1, s1, m2, s2)),
            "kl": (
                kl_divergence(a, b),
                np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5,
            ),
            "w1": (wasserstein(a, b), mean_shift(m1 - m2, s1 - s2)),
        }
        if case % 6 == 0:
            found["w2"] = (wasserstein(a, b, order=2), np.hypot(m1 - m2, s1 - s2))
        for name, (estimate, truth) in found.items():
            gap = abs(estimate.value - truth)
            assert gap <= estimate.error, (name, case)
            ratios[name].append(estimate.error / max(gap, 1e-10))
    for name in ("tv", "w1", "w2"):
        assert np.median(ratios[name]) < 60, name
    # a law known in L1 only, on carried nodes without its process, is not known far out
    assert np.median(ratios["kl"]) < 1e6


def test_gaussians_in_the_plane_in_random_cases():
    rng = np.random.default_rng(2)
    for case in range(6):
        root = rng.normal(size=(2, 2)) * 0.5 + np.eye(2)
        c1, m1, m2 = root @ root.T, rng.normal(size=2), rng.normal(size=2)
        c2 = c1 + 0.3 * np.eye(2) * (case % 2)
        slip = 10 ** rng.uniform(-11, -6)
        make = carried_solution if case % 3 == 0 else grid_solution
        kind = {"per_deviation": 4} if make is carried_solution else {"n": 80, "angle": 0.3}
        a = make(gaussian(m1, c1), slip, **kind)
        b = grid_solution(gaussian(m2, c2), -slip, n=80, angle=rng.uniform(0, 1.5))
        kl = kl_divergence(a, b)
        assert abs(kl.value - divergence(m1, c1, m2, c2)) <= kl.error < 1e-3
        if case % 2 == 0:
            d = m1 - m2
            exact = 2 * ndtr(0.5 * np.sqrt(d @ np.linalg.solve(c1, d))) - 1
            for found in (total_variation(a, b), total_variation(b, a)):
                assert abs(found.value - exact) <= found.error < 2e-3


def test_laws_of_finite_volumes():
    a = table_solution(gaussian(0.0, 1.0), 1e-4)
    b = table_solution(gaussian(1.0, 1.44), -1e-4)
    exact = {
        total_variation: variation(0.0, 1.0, 1.0, 1.2),
        kl_divergence: np.log(1.2) + 2.0 / 2.88 - 0.5,
        wasserstein: mean_shift(1.0, 0.2),
    }
    for distance, truth in exact.items():
        found = distance(a, b)
        assert abs(found.value - truth) <= found.error < 2e-2, distance
    found = wasserstein(a, b, order=2)
    assert abs(found.value - np.hypot(1.0, 0.2)) <= found.error < 0.3


@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_solved_laws_of_gaussians(sampler):
    """At strength 0 and from the exact start the class law is Gaussian at every time."""
    mixture = fp.GaussianMixture([0.5, 0.5], [-1.0, 2.0], [0.5, 0.8])
    solutions = [
        fp.solve(
            fp.reverse_process(mixture, target, sampler=sampler, initial="exact", horizon=2.0),
            taus=[1.0, 2.0],
        )
        for target in (0, 1)
    ]
    (m1, s1), (m2, s2) = (-1.0, np.sqrt(0.5)), (2.0, np.sqrt(0.8))
    a, b = solutions
    exact = {
        total_variation: variation(m1, s1, m2, s2),
        kl_divergence: np.log(s2 / s1) + (0.5 + 9.0) / 1.6 - 0.5,
        wasserstein: mean_shift(m1 - m2, s1 - s2),
    }
    for distance, truth in exact.items():
        found = distance(a, b)
        assert abs(found.value - truth) <= found.error, distance
        assert found.error < (1e-3 if distance is kl_divergence else 1e-6)
    second = wasserstein(a, b, order=2)
    assert abs(second.value - np.hypot(m1 - m2, s1 - s2)) <= second.error < 1e-5
    assert total_variation(a, b, 0, 0).value < total_variation(a, b).value


def test_two_methods_for_one_law_are_no_farther_apart_than_they_claim():
    process = fp.reverse_process(
        fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1, strength=3.0, horizon=3.0
    )
    a, b = (fp.solve(process, taus=[3.0], method=m, tol=1e-6) for m in ("spectral", "central"))
    for found in (total_variation(a, b), wasserstein(a, b), wasserstein(a, b, 2)):
        assert found.value <= found.error < 1e-3
    kl = kl_divergence(a, b)
    assert abs(kl.value) <= kl.error


def test_metrics():
    rng = np.random.default_rng(3)
    laws = [
        grid_solution(gaussian(rng.normal(), np.exp(rng.uniform(-1, 1))), 1e-9, n=128)
        for _ in range(3)
    ]
    for distance in (total_variation, wasserstein):
        ab, bc, ac, ba = (distance(laws[i], laws[j]) for i, j in ((0, 1), (1, 2), (0, 2), (1, 0)))
        assert ab.agrees(ba)
        assert ac.lower <= ab.upper + bc.upper
        assert distance(laws[0], laws[0]).value == 0
    assert 0 <= total_variation(laws[0], laws[1]).value <= 1
    # Pinsker's inequality
    tv, kl = total_variation(laws[0], laws[1]), kl_divergence(laws[0], laws[1])
    assert tv.lower**2 <= 0.5 * kl.upper
    assert wasserstein(laws[0], laws[1]).lower <= wasserstein(laws[0], laws[1], 2).upper


def test_a_divergence_that_cannot_be_told_is_unknown():
    wide = grid_solution(gaussian(0.0, 1.0), 1e-9, n=128)
    narrow = grid_solution(gaussian(0.0, 0.01), 1e-10, n=128)
    assert kl_divergence(wide, narrow).error == np.inf
    assert np.isfinite(kl_divergence(narrow, wide).error)


def test_bad_input_is_named():
    line, plane = grid_solution(gaussian(0.0, 1.0)), grid_solution(gaussian([0.0, 0.0], np.eye(2)))
    with pytest.raises(ValueError, match="b must have dimension 1, got dimension 2"):
        total_variation(line, plane)
    with pytest.raises(ValueError, match="wasserstein needs dimension 1, got dimension 2"):
        wasserstein(plane, plane)
    with pytest.raises(ValueError, match="order must be 1 or 2, got 3"):
        wasserstein(line, line, order=3)
    with pytest.raises(ValueError, match="j must be an index of 1 times, got 4"):
        kl_divergence(line, line, j=4)
    with pytest.raises(ValueError, match="a must be a Solution, got 'x'"):
        kl_divergence("x", line)
