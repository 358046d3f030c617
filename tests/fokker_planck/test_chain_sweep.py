"""Many strengths at once: the same laws as one by one, within both errors."""

import numpy as np
import pytest

import fokker_planck as fp

CENTRE = fp.GaussianMixture([1 / 3] * 3, [-3.0, 0.0, 3.0])
NARROW = fp.GaussianMixture([0.3, 0.7], [-1.0, 2.0], [0.2, 0.5])
PAIRS = [("posterior_mass",) * 2, ("mean",) * 2, ("variance", "covariance"), ("entropy",) * 2]


@pytest.mark.parametrize("mixture, target", [(CENTRE, 1), (NARROW, 0)])
@pytest.mark.parametrize(
    "rule, level", [("euler", 1.0), ("ddpm", 1.0), ("euler", 0.0), ("ddim", 0.0), ("heun", 0.0)]
)
def test_a_sweep_agrees_with_single_laws(mixture, target, rule, level):
    model = fp.reverse_process(mixture, target, noise_level=level, horizon=4.0)
    theta = np.array([0.0, 0.7, 3.0, 8.0, 15.0])
    sweep = fp.chain_sweep(fp.chain(model, 16, rule), theta * 4, tol=1e-4)
    assert np.all(sweep.posterior_mass.error < 1e-4)
    assert np.all(np.abs(sweep.mass.value - 1) <= sweep.mass.error)
    for i, strength in enumerate(sweep.strengths):
        one = fp.solve(fp.chain(model.with_strength(strength), 16, rule), [4.0], tol=1e-8)
        for ours, theirs in PAIRS:
            a, b = getattr(sweep, ours)[i], getattr(one, theirs)[-1]
            if np.isfinite(a.error):
                assert abs(a.value - b.value) <= a.error + b.error, (ours, strength, a, b)
    assert rule == "ddpm" or np.isfinite(sweep.entropy.error[0])


def test_other_strengths_beside_it_do_not_change_a_law_beyond_its_error():
    chain = fp.chain(fp.reverse_process(CENTRE, 1, horizon=4.0), 12)
    alone, both = fp.chain_sweep(chain, [3.0]), fp.chain_sweep(chain, [3.0, 60.0])
    gap = abs(alone.posterior_mass.value[0] - both.posterior_mass.value[0])
    assert gap <= alone.posterior_mass.error[0]


@pytest.mark.parametrize(
    "call, line",
    [
        (lambda c: fp.chain_sweep("c", [1.0]), "chain must be a Chain"),
        (lambda c: fp.chain_sweep(c, [-1.0]), "strengths must be a list of numbers >= 0"),
        (lambda c: fp.chain_sweep(c, [1.0], tol=0), "tol must be > 0, got 0"),
        (
            lambda c: fp.chain_sweep(
                fp.chain(fp.Process(lambda x, s: -x, 1.0, CENTRE, 1.0), 3), [1.0]
            ),
            "chain must have a class of one Gaussian",
        ),
    ],
)
def test_bad_input_is_one_line(call, line):
    with pytest.raises(ValueError, match=line):
        call(fp.chain(fp.reverse_process(CENTRE, 1), 3))


def test_a_folded_entropy_is_never_claimed_as_if_it_were_not_folded():
    """Rows of one sweep that fold most must not pass for injective."""
    mixture = fp.GaussianMixture([0.3, 0.4, 0.3], [-2.0, 0.0, 2.0])
    process = fp.reverse_process(mixture, 1, strength=1.0, sampler="ode")
    n = 11
    strengths = np.array([1.0, 4.0, 9.0, 20.0])
    grid = np.linspace(0, process.horizon, n + 1)
    swept = fp.chain_sweep(fp.chain(process, grid), strengths, tol=1e-4)
    for i, eta in enumerate(strengths):
        alone = fp.solve(fp.chain(process.with_strength(eta), grid), tol=1e-6).entropy[-1]
        both = swept.entropy[i].error + alone.error
        assert abs(swept.entropy[i].value - alone.value) <= both


@pytest.mark.parametrize(
    ("h", "theta"), [(0.3536, 10.448), (0.4435, 9.994), (0.4071, 11.209), (0.2227, 12.369)]
)
def test_windows_narrower_than_a_panel_are_claimed(h, theta):
    """Past the threshold the centre is pinned again in narrow windows, which halving can miss."""
    mixture = fp.GaussianMixture([1 / 3] * 3, [-3.0, 0.0, 3.0])
    process = fp.reverse_process(mixture, 1, strength=1.0, sampler="ode", horizon=5.0)
    grid = np.unique(np.clip(5 - h * np.arange(int(np.ceil(5 / h)) + 1), 0, 5))
    chain = fp.chain(process, grid)
    rough, fine = (fp.chain_sweep(chain, [theta / h], tol=tol) for tol in (1e-3, 1e-8))
    a, b = rough.posterior_mass[0], fine.posterior_mass[0]
    assert abs(a.value - b.value) <= a.error + b.error
