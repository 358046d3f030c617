"""Many processes in one call: every member's bar holds, and nothing depends on the others."""

from __future__ import annotations

import numpy as np
import pytest

import fokker_planck as fp

TWO = fp.GaussianMixture([0.5, 0.5], [-1, 1])
A1 = fp.reverse_process(TWO, 1, strength=3.0)
NAMES = ("entropy", "mean", "posterior_mass", "covariance", "mass")


def agree(one, other):
    for name in NAMES if hasattr(one.process, "log_posterior") else NAMES[:2]:
        a, b = getattr(one, name), getattr(other, name)
        gap = np.abs(a.value - b.value)
        assert np.all(gap <= a.error + b.error + 4e-16 * (1 + np.abs(a.value))), name


def closed_form_holds(solution, process):
    m, v = fp.unguided_moments(process, solution.taus)
    truths = {"mean": m, "covariance": v, "entropy": 0.5 * np.log(2 * np.pi * np.e * v)}
    for name, truth in truths.items():
        estimate = getattr(solution, name)
        gap = np.abs(estimate.value - truth)
        assert np.all(gap <= estimate.error + 1e-15 * (1 + np.abs(truth))), name


def test_a_sweep_of_strengths_holds_the_reference_and_the_closed_form():
    strengths = [0.0, 0.1, 3.0, 2.5, 16.0, 15.0, 12.0, 3.5]
    solutions = fp.strength_sweep(A1, strengths, tol=1e-9)
    assert [s.process.strength for s in solutions] == strengths
    assert sum("rows" in s.cost for s in solutions) == len(strengths)
    closed_form_holds(solutions[0], solutions[0].process)
    found = solutions[2]
    for name, truth in (("entropy", 1.0942411700358), ("posterior_mass", 0.9556945098651344)):
        estimate = getattr(found, name)[-1]
        assert abs(estimate.value - truth) <= estimate.error + 5e-14
    for solution in solutions:
        assert max(np.max(getattr(solution, n).error) for n in NAMES[:3]) <= 1e-9
    # the hardest and one in the middle against runs of their own
    for i in (4, 6):
        agree(solutions[i], fp.solve(solutions[i].process, tol=1e-11))


def test_what_is_kept_equals_what_is_read():
    solution = fp.strength_sweep(A1, [2.0, 3.0], tol=1e-6)[0]
    again = fp.Solution(
        solution.process, solution.taus, solution.method, solution.reading, solution.cost
    )
    for name in ("entropy", "mean", "posterior_mass"):
        kept, read = getattr(solution, name), getattr(again, name)
        assert np.array_equal(kept.value, read.value)
        assert np.array_equal(kept.error, read.error)


def test_mixtures_of_one_shape_are_stepped_together():
    rng = np.random.default_rng(0)
    processes = []
    for i in range(6):
        mixture = fp.GaussianMixture([0.3, 0.7], rng.normal(size=2), np.exp(rng.normal(size=2)))
        processes.append(fp.reverse_process(mixture, 0, strength=0.0 if i < 4 else 2.0))
    solutions = fp.solve_batch(processes, taus=[1.0, 5.0], tol=1e-8)
    assert any("rows" in s.cost for s in solutions)
    for process, solution in zip(processes[:4], solutions[:4], strict=True):
        closed_form_holds(solution, process)
        assert solution.entropy.error.max() <= 1e-8
    for process, solution in zip(processes[4:], solutions[4:], strict=True):
        agree(solution, fp.solve(process, taus=[1.0, 5.0], tol=1e-9))


def test_any_mixture_of_kinds_comes_back_in_order():
    user = fp.Process(lambda x, tau: -x, 1.0, fp.GaussianMixture([1.0], [0.5], 0.3), 2.0)
    processes = [A1, A1.with_noise_level(0.0), user, A1.with_strength(2.0), A1]
    calls = []
    solutions = fp.solve_batch(processes, tol=1e-6, progress=lambda *done: calls.append(done))
    assert [s.process for s in solutions] == processes
    assert [s.method for s in solutions] == ["spectral", "characteristics", *["spectral"] * 3]
    assert calls[-1] == (5, 5)
    for process, solution in zip(processes, solutions, strict=True):
        agree(solution, fp.solve(process, tol=1e-7))


def test_guidance_in_an_interval_lands_on_its_jumps_in_a_stack():
    rule = fp.IntervalStrength(4.0, 0.3, 1.5)
    processes = [
        fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-a, a]), 1, guidance=rule)
        for a in (1.0, 1.2)
    ]
    solutions = fp.solve_batch(processes, tol=1e-8)
    assert all("rows" in s.cost for s in solutions)
    for process, solution in zip(processes, solutions, strict=True):
        agree(solution, fp.solve(process, method="finite-volume", tol=1e-4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([A1, 3],), r"processes\[1\] must be a Process"),
        (([A1],), None),
        (([A1], [6.0]), "taus must increase"),
        (([A1], None, -1.0), "tol must be"),
    ],
)
def test_bad_input_is_named(arguments, message):
    if message is None:
        assert len(fp.solve_batch(*arguments, tol=1e-4)) == 1
        return
    with pytest.raises(ValueError, match=message):
        fp.solve_batch(*arguments)


def test_a_sweep_needs_a_strength():
    user = fp.Process(lambda x, tau: -x, 1.0, fp.GaussianMixture([1.0], [0.5], 0.3), 2.0)
    with pytest.raises(ValueError, match="process must have a strength"):
        fp.strength_sweep(user, [1.0])


def test_no_processes_no_solutions():
    assert fp.solve_batch([]) == []
