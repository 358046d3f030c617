"""Nearly singular mixtures: variances down to 1e-3, in the plane with noise to 1e-2.

At strength 0 against the closed form, under guidance against a second method; and what no grid
fits is refused in words.
"""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_mass import gaussian_mass
from plain_characteristics import plain_characteristics

import fokker_planck as fp

NAMES = ("entropy", "mean", "covariance", "posterior_mass", "mass")


def turned(angle: float, *variances: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return turn @ np.diag(variances) @ turn.T


def narrow(dimension: int, variance: float, **options) -> fp.ReverseProcess:
    """A narrow target, turned in the plane, beside a component of ordinary size."""
    if dimension == 1:
        mixture = fp.GaussianMixture([0.4, 0.6], [-1.0, 1.0], [variance, 0.5])
    else:
        covariances = [turned(0.6, variance, 1.0), turned(1.1, 0.5, 1.2)]
        mixture = fp.GaussianMixture([0.4, 0.6], [[-1.0, 0.0], [1.0, 0.5]], covariances)
    return fp.reverse_process(mixture, 0, horizon=3.0, **options)


@pytest.mark.parametrize("tol", [1e-4, 1e-8])
@pytest.mark.parametrize(
    ("dimension", "sampler", "variance"),
    [(1, "sde", 1e-3), (1, "ode", 1e-3), (2, "ode", 1e-3), (2, "sde", 1e-2)],
)
def test_the_closed_form_lies_within_the_claims(dimension, sampler, variance, tol):
    process = narrow(dimension, variance, strength=0.0, sampler=sampler)
    solution = fp.solve(process, tol=tol)
    assert solution.message == ""  # the first choice of method met the tolerance
    m, c = fp.unguided_moments(process, process.horizon)
    m, c = np.reshape(m, -1), np.reshape(c, (dimension, dimension))
    mass, slack = gaussian_mass(process, m, c)
    truths = {
        "entropy": 0.5 * np.linalg.slogdet(2 * np.pi * np.e * c)[1],
        "mean": m if dimension > 1 else m[0],
        "covariance": c if dimension > 1 else c[0, 0],
        "posterior_mass": mass,
        "mass": 1.0,
    }
    for name, truth in truths.items():
        estimate = getattr(solution, name)[-1]
        gap = np.abs(np.asarray(estimate.value) - truth)
        assert np.all(gap <= estimate.error + slack + 4e-16 * (1 + np.abs(truth))), name
        assert np.all(np.asarray(estimate.error) <= 10 * tol), name


@pytest.mark.parametrize(
    ("dimension", "sampler", "variance", "other", "tol", "largest"),
    [
        (1, "sde", 1e-3, "central", 1e-8, 1e-3),
        (1, "sde", 1e-3, "finite-volume", 1e-8, 1e-2),
        (1, "ode", 1e-3, None, 1e-8, 1e-7),
        (2, "ode", 1e-3, None, 1e-8, 1e-7),
        (2, "sde", 1e-2, "central", 1e-3, 1e-3),
    ],
)
def test_two_methods_agree_under_guidance(dimension, sampler, variance, other, tol, largest):
    process = narrow(dimension, variance, strength=2.0, sampler=sampler)
    best = fp.solve(process, tol=tol)
    assert best.message == ""
    if other is None:
        second = plain_characteristics(process)
    else:
        solution = fp.solve(process, method=other, tol=1e-4)
        second = {name: getattr(solution, name)[-1] for name in NAMES}
    for name, b in second.items():
        a = getattr(best, name)[-1]
        assert np.all(a.agrees(b)), (name, a, b)
        assert np.all(np.asarray(a.error) <= 10 * tol), name
        assert np.all(np.asarray(b.error) <= largest), name


def test_a_start_that_no_grid_fits_is_refused_in_words():
    """Two components, 600 widths apart: every method says why it cannot."""
    start = fp.GaussianMixture([0.5, 0.5], [[-3.0, 0.0], [3.0, 0.0]], 1e-4)
    process = narrow(2, 1e-2, strength=2.0, sampler="sde", initial=start)
    with pytest.raises(fp.SolverError, match=r"modes on an axis.*narrower than 1/500 of the box"):
        fp.solve(process, tol=1e-6)


def test_on_the_line_such_a_start_has_an_error_that_says_so():
    start = fp.GaussianMixture([0.5, 0.5], [-3.0, 3.0], 1e-6)
    solution = fp.solve(narrow(1, 1e-2, strength=2.0, sampler="sde", initial=start), tol=1e-6)
    assert solution.entropy[-1].error > 1e-4
    assert "was not met" in solution.message and "spectral: unstable" in solution.message
