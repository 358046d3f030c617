"""Laws of chains against sampled paths on the same grid: no discretisation error is left.

False-alarm rate: every interval is at 1 - 1e-3/60, so one in a thousand runs of this file is
expected to fail for no reason; seeds are fixed.
"""

import numpy as np
import pytest

import fokker_planck as fp
import sde_compare as sc
from sde_compare.estimators import dkw_width

PAIR = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
CENTRE = fp.GaussianMixture([1 / 3] * 3, [-3.0, 0.0, 3.0])
RULES = [
    ("euler", 0),
    ("exponential", 0),
    ("ddim", 0),
    ("euler", 1),
    ("exponential", 1),
    ("ddpm", 1),
]
PATHS, LEVEL = 200_000, 1e-3 / 60


@pytest.mark.parametrize("rule, level", RULES)
@pytest.mark.parametrize("n_steps, theta", [(10, 8.0), (50, 8.0), (50, 0.3)])
def test_samples_have_the_law_of_the_chain(rule, level, n_steps, theta):
    mixture, target = (CENTRE, 1) if theta > 1 else (PAIR, 1)
    model = fp.reverse_process(
        mixture, target, strength=theta * n_steps / 5, noise_level=level, horizon=5.0
    )
    law = fp.solve(fp.chain(model, n_steps, rule), [5.0])
    assert law.cost.get("contraction", 1.0) > 1e-14
    samples = sc.sample(model, PATHS, n_steps, rule=rule, seed=7)
    confidence = samples.expectation(
        lambda x: np.exp(model.log_posterior(x, 5.0)), 0.0, 1.0, 1 - LEVEL
    )
    assert confidence.agrees(law.posterior_mass[-1])
    x = np.sort(samples.points[:, 0])
    # a bounded function that sees where the clusters are
    wave = samples.expectation(lambda x: np.cos(x / 3 + 0.5), -1.0, 1.0, 1 - LEVEL)
    assert wave.agrees(law.expectation(lambda x, tau: np.cos(x / 3 + 0.5))[-1])
    try:
        points, values, error = law.distribution(-1)
    except ValueError:  # the map folds
        return
    share = np.searchsorted(x, points, side="right") / PATHS
    assert np.abs(share - values).max() <= error + dkw_width(PATHS, LEVEL)


def centre(n_steps, theta, level, horizon=5.0):
    return fp.reverse_process(
        CENTRE, 1, strength=theta * n_steps / horizon, noise_level=level, horizon=horizon
    )


@pytest.mark.parametrize("rule, level", [("euler", 1), ("ddpm", 1), ("ddim", 0)])
def test_agreement_allows_for_no_discretisation_error_and_catches_a_wrong_law(rule, level):
    chain = fp.chain(centre(40, 8.0, level), 40, rule)
    law = fp.solve(chain)
    found = sc.agreement(law, n_paths=100_000, seed=2)
    assert found.holds and not found.unresolved
    assert all(check.discretisation == 0 for check in found.checks)
    samples = sc.sample(chain.process, 100_000, 40, rule, seed=5)
    assert sc.agreement(law, samples).holds
    other = fp.solve(fp.chain(centre(40, 7.0, level), 40, rule))
    assert not sc.agreement(other, samples).holds


def test_500_steps_past_the_threshold_agree():
    law = fp.solve(fp.chain(centre(500, 8.0, 1), 500), [5.0])
    assert sc.agreement(law, n_paths=50_000, seed=4).holds


def test_where_the_law_contracts_below_rounding_a_comparison_is_vacuous_and_says_so():
    chain = fp.chain(centre(250, 4.0, 0), 250)
    law = fp.solve(chain, [5.0])
    found = sc.agreement(law, n_paths=1000)
    assert found.holds and len(found.unresolved) == len(found.checks)
    assert "vacuous" in str(found) and "vacuous" in str(sc.combine({"ode": found}))
    assert "16 digits" in found.settings["note"]


def test_a_folded_distribution_function_is_that_of_many_points_and_needs_every_preimage():
    law = fp.solve(fp.chain(centre(10, 15.0, 0), 10), [5.0])
    points, values, error = law.distribution(-1)
    x = np.random.default_rng(2).standard_normal(1_000_000)
    for k in range(10):
        x = law.chain.step(k, x)[0]
    share = np.searchsorted(np.sort(x), points, side="right") / x.size
    assert error < 1e-3
    assert np.abs(share - values).max() < error + dkw_width(x.size, 1e-6)
    reading = law.reading.parts[-1]
    turns = np.array([piece.stop for piece in reading.pieces[:-1]])
    middle = turns[np.argmin(np.abs(reading.distribution[turns] - 0.5))]
    kept = slice(0, middle)  # the branches beyond are dropped
    inner = type(reading.best)(
        reading.best.taus,
        *(a[:, kept] for a in (reading.best.points, reading.best.mass)),
        reading.best.log_density[:, kept],
    )
    part = type(reading)(
        [*reading.runs[:2], inner],
        reading.jittered,
        None,
        reading.lost,
        reading.starts[kept],
        reading.distribution[kept],
        reading.sign[kept],
    )
    assert np.abs(share - part.distribution_at(points)).max() > 2 * (
        error + dkw_width(x.size, 1e-6)
    )


@pytest.mark.parametrize(
    "paths, line",
    [
        (lambda p: sc.sample(p, 100, 20), "paths must have the time grid and rule 'euler'"),
        (lambda p: sc.sample(p, 100, 10, "ddpm"), "paths must have the time grid and rule"),
        (lambda p: p, "paths must be samples on the chain's grid"),
    ],
)
def test_paths_of_another_chain_are_refused(paths, line):
    process = centre(10, 1.0, 1)
    with pytest.raises(ValueError, match=line):
        sc.agreement(fp.solve(fp.chain(process, 10)), paths(process))
