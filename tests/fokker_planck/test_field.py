"""Compiled fields against the process's own drift and divergence, far out and saturated too."""

from __future__ import annotations

import numpy as np
import pytest
from random_cases import random_process, random_rotation

import fokker_planck as fp
from fokker_planck.model.field import (
    CommonField,
    DirectField,
    MixtureField,
    PairField,
    field_of,
    is_standard,
)

TURN = random_rotation(np.random.default_rng(1))
NARROW = TURN @ np.diag([1.0, 1e-3]) @ TURN.T
CASES = {
    "line pair": ([0.5, 0.5], [-1, 1], None, PairField),
    "line common": ([0.2, 0.3, 0.5], [-2, 0, 2], 0.3, CommonField),
    "line mixed": ([0.2, 0.3, 0.5], [-2, 0, 2], [0.1, 1e-3, 2.0], MixtureField),
    "line alone": ([1.0], [0.5], 0.2, CommonField),
    "no weight": ([0.5, 0.0, 0.5], [-2, 0, 2], [0.1, 1.0, 2.0], MixtureField),
    "plane pair": ([0.3, 0.7], [[-2, 0], [0, 1]], NARROW, PairField),
    "plane common": ([0.3, 0.3, 0.4], [[-2, 0], [0, 1], [2, 0]], NARROW, CommonField),
    "plane mixed": (
        [0.3, 0.3, 0.4],
        [[-2, 0], [0, 1], [2, 0]],
        [np.eye(2), NARROW, np.diag([0.1, 2.0])],
        MixtureField,
    ),
}


def compared(process, scale, taus, n=200):
    """Return the largest error of drift and divergence, relative to what they are summed from."""
    d = process.dimension
    x = scale * np.random.default_rng(2).normal(size=(d, n))
    field = field_of(process, n)
    field.prepare(np.array(taus))
    drift, divergence = np.empty((d, n)), np.empty(n)
    worst = 0.0
    for i, tau in enumerate(taus):
        with np.errstate(all="ignore"):
            field.evaluate(i, x, drift, divergence)
            own, own_divergence = process.drift_and_divergence(x[0] if d == 1 else x.T, tau)
            # terms of the sum: f x, S (x - r mu), and their like
            t = process.forward_time(tau)
            r, v = process.schedule.signal(t), process.schedule.variance(t)
            least = r * r * process.mixture.variances.min() + v
            speed = abs(process.schedule.drift_rate(t))
            speed = speed + process.schedule.diffusivity(t) * (1 + process.strength) / least
            size = speed * (np.abs(x).max(axis=0) + 2 * r)
            # the divergence moves with the log-ratios, whose last digits depend on |x|^2 / variance
            logs = 1 + size * np.abs(x).max(axis=0)
        assert np.all(np.isfinite(drift)) and np.all(np.isfinite(divergence))
        worst = max(worst, float(np.max(np.abs(np.transpose(own) - drift) / size)))
        gap = np.abs(own_divergence - divergence) / (speed * logs)
        worst = max(worst, float(np.max(gap)))
    return worst


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("scale", [0.5, 3.0, 100.0, 1e6])
@pytest.mark.parametrize("strength", [0.0, 2.5])
def test_fields_are_the_process(name, scale, strength):
    weights, means, covariances, kind = CASES[name]
    mixture = fp.GaussianMixture(weights, means, covariances)
    target = len(weights) - 1
    process = fp.reverse_process(mixture, target, strength=strength, sampler="ode")
    assert type(field_of(process, 3)) is kind
    assert compared(process, scale, [0.0, 2.5, 4.9, 5.0]) < 4e-14


def test_odds_keep_their_digits_where_posteriors_nearly_vanish():
    """P (1 - P) from 1e-300 to 1/4, on both sides, at unit variance where b has no other part."""
    process = fp.reverse_process(
        fp.GaussianMixture([0.5, 0.5], [-1, 1]), 1, strength=3.0, sampler="ode", horizon=1.0
    )
    x = np.concatenate([-np.linspace(0, 340, 50), np.linspace(0, 340, 50)])[None]
    field = field_of(process, x.size)
    field.prepare(np.array([1.0]))
    drift, divergence = np.empty(x.shape), np.empty(x.size)
    field.evaluate(0, x, drift, divergence)
    odds = np.exp(-2 * np.abs(x[0]))
    spread = 12 * odds / (1 + odds) ** 2
    # the linear part of the divergence is zero up to one rounding of 1 - 1
    assert np.all(np.abs(divergence + spread) <= 1e-14 * spread + 2.3e-16)
    assert np.allclose(drift[0], 1 + 6 / (1 + np.exp(2 * x[0])), rtol=1e-13)


@pytest.mark.parametrize("case", range(20))
def test_random_processes_of_every_schedule(case):
    rng = np.random.default_rng([13, case])
    process = random_process(
        rng, variances=bool(case % 2), dimension=1 + case // 10, schedules=True, sampler="ode"
    )
    taus = process.horizon * np.array([0.0, 0.3, 0.9, 1.0])
    assert compared(process, 2.0, taus) < 1e-13


def test_other_models_are_evaluated_as_they_are():
    one = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [-1, 1]), 1, strength=1.0)
    own = fp.Process(one.drift, 0.0, one.initial, one.horizon, one.divergence)
    assert is_standard(one)
    assert not is_standard(own)

    class Changed(fp.ReverseProcess):
        """Anything a subclass may change."""

    changed = Changed(
        **{
            name: getattr(one, name)
            for name in ("mixture", "target", "guidance", "noise_level", "horizon", "schedule")
        }
        | {"initial": one.initial}
    )
    assert not is_standard(changed)
    field = field_of(own, 4)
    assert isinstance(field, DirectField)
    x = np.array([[-1.0, 0.0, 0.5, 2.0]])
    drift, divergence = np.empty((1, 4)), np.empty(4)
    field.prepare(np.array([1.0]))
    field.evaluate(0, x, drift, divergence)
    assert np.array_equal(drift[0], one.drift(x[0], 1.0))
    assert np.array_equal(divergence, one.divergence(x[0], 1.0))
