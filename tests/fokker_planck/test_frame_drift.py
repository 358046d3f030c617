"""The formula of the drift in a frame against the process's own drift."""

from __future__ import annotations

import numpy as np
import pytest
from random_cases import random_process

import fokker_planck as fp
from fokker_planck.frame import moment_frame
from fokker_planck.methods.frame_drift import frame_velocity, has_formula


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("schedule", [fp.OrnsteinUhlenbeck(), fp.Cosine(), fp.VarianceExploding()])
def test_the_formula_is_the_drift(case, schedule):
    rng = np.random.default_rng([11, case])
    process = random_process(rng, sampler="sde", variances=bool(case % 2))
    process = fp.reverse_process(
        process.mixture,
        process.target,
        strength=process.strength,
        noise_level=float(rng.uniform(0.3, 3)),
        horizon=0.9,
        schedule=schedule,
    )
    assert has_formula(process)
    taus, y = np.linspace(0, process.horizon, 20), np.linspace(-12, 12, 41)
    frame = moment_frame(process).at(taus)
    m, s, dm, stretch = (item[:, None] for item in frame)
    with np.errstate(over="ignore"):
        found = frame_velocity(process, taus, frame, y)
    drift = process.drift(m + s * y, taus[:, None])
    scale = 1 + (np.abs(drift) + np.abs(dm)) / s + np.abs(stretch * y)
    assert np.all(np.abs(found - ((drift - dm) / s - stretch * y)) <= 2e-13 * scale)


def test_what_has_no_formula_goes_its_own_way():
    user = fp.Process(lambda x, tau: -x, 1.0, fp.GaussianMixture([1.0], [0.0]), 1.0)
    mixture = fp.GaussianMixture([0.5, 0.5], [-1, 1])
    powered = fp.reverse_process(mixture, 1, guidance=fp.PowerStrength(2.0, 0.5))
    assert not has_formula(user)
    assert not has_formula(powered)
