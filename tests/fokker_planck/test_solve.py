"""The front door: what it accepts, what it says, and what it writes."""

from __future__ import annotations

import os

import numpy as np
import pytest

import fokker_planck as fp

TWO = fp.GaussianMixture([0.5, 0.5], [-1, 1])
METHODS = {"ode": ("characteristics", "central"), "sde": ("spectral", "central", "finite-volume")}
CASES = [(sampler, method) for sampler, methods in METHODS.items() for method in methods]


@pytest.mark.parametrize(("sampler", "method"), CASES)
def test_every_method_agrees_with_the_best(sampler, method):
    process = fp.reverse_process(TWO, 1, strength=2.0, sampler=sampler, horizon=3.0)
    best, other = fp.solve(process), fp.solve(process, method=method)
    for name in ("entropy", "posterior_mass", "complement_mass", "mean", "covariance", "mass"):
        assert np.all(getattr(best, name).agrees(getattr(other, name))), name


@pytest.mark.parametrize(("sampler", "method"), CASES)
def test_files_give_back_the_same_numbers(tmp_path, sampler, method):
    process = fp.reverse_process(TWO, 1, strength=2.0, sampler=sampler, horizon=2.0)
    solution = fp.solve(process, method=method, tol=1e-5)
    solution.save(tmp_path / "s.npz")
    again = fp.load(tmp_path / "s.npz")
    assert again.method == method
    assert again.process.spec() == process.spec()
    for name in ("entropy", "posterior_mass", "mean"):
        a, b = getattr(solution, name), getattr(again, name)
        assert np.array_equal(a.value, b.value)
        assert np.array_equal(a.error, b.error)
    assert os.listdir(tmp_path) == ["s.npz"]


def test_a_users_own_process_loads_without_its_functions(tmp_path):
    process = fp.Process(lambda x, tau: -x, 1.0, fp.GaussianMixture([1.0], [1.0]), 1.0)
    solution = fp.solve(process)
    solution.save(tmp_path / "own.npz")
    again = fp.load(tmp_path / "own.npz")
    assert again.process is None
    assert again.entropy[-1].value == solution.entropy[-1].value
    with pytest.raises(AttributeError, match="posterior_mass"):
        _ = again.posterior_mass


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 torn"])
def test_a_torn_file_is_named(tmp_path, content):
    path = tmp_path / "torn.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"path: cannot read .*torn\.npz"):
        fp.load(path)


def test_an_unwritable_folder_is_named(tmp_path):
    solution = fp.solve(fp.reverse_process(TWO, 1, sampler="ode"))
    with pytest.raises(ValueError, match="path: cannot write"):
        solution.save(tmp_path / "missing" / "s.npz")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"taus": [2.0, 1.0]}, "taus"),
        ({"taus": [-1.0]}, "taus"),
        ({"taus": [99.0]}, "taus"),
        ({"taus": []}, "taus"),
        ({"taus": [np.nan]}, "taus"),
        ({"method": "magic"}, "method"),
        ({"tol": 0.0}, "tol"),
        ({"tol": "tight"}, "tol"),
        ({"tol": np.nan}, "tol"),
    ],
)
def test_bad_input_names_the_field(fields, named):
    with pytest.raises(ValueError, match=named) as caught:
        fp.solve(fp.reverse_process(TWO, 1), **fields)
    assert "\n" not in str(caught.value)


def test_a_process_of_dimension_one_or_two_is_required():
    with pytest.raises(ValueError, match="process"):
        fp.solve("A1")
    deep = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [[-1, 0, 0], [1, 0, 0]]), 1)
    with pytest.raises(ValueError, match="dimension"):
        fp.solve(deep)


def test_a_tolerance_that_cannot_be_met_is_said_and_the_error_stays_honest():
    process = fp.reverse_process(TWO, 1, strength=3.0, sampler="ode")
    solution = fp.solve(process, tol=1e-20)
    assert "tol 1e-20 was not met" in solution.message
    assert solution.entropy[-1].contains(0.8638965375192595)
    assert 1e-16 < solution.entropy[-1].error < 1e-8


def test_progress_is_reported_and_never_past_the_end():
    seen = []
    fp.solve(fp.reverse_process(TWO, 1), progress=lambda done, total: seen.append((done, total)))
    assert seen
    assert all(0 <= done <= total for done, total in seen)


def test_the_start_is_reported_exactly():
    solution = fp.solve(fp.reverse_process(TWO, 1, strength=3.0))
    assert solution.taus[0] == 0.0
    assert solution.entropy[0].contains(0.5 * np.log(2 * np.pi * np.e))
    assert solution.mean[0].contains(0.0)


def test_error_budget_adds_up():
    from fokker_planck.functionals import ENTROPY

    solution = fp.solve(fp.reverse_process(TWO, 1, strength=3.0))
    parts = solution.budget(ENTROPY)
    assert sum(part[-1] for part in parts.values()) == pytest.approx(solution.entropy[-1].error)


def test_nothing_is_certified_yet():
    assert np.all(np.isinf(fp.solve(fp.reverse_process(TWO, 1)).l1_error))
