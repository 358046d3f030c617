"""Meeting times of reflected chains against closed forms: continuous time, and any linear chain.

Shares are compared by Clopper-Pearson intervals; each test has a false-alarm rate of 1e-6.
"""

import numpy as np
import pytest
from scipy.stats import norm

import fokker_planck as fp
import sde_compare as sc
from sde_compare import reflection
from sde_compare.rules import step_table

FALSE_ALARM = 1e-6
N_PATHS, HORIZON = 60_000, 2.0
TIMES = (0.25, 0.5, 1.0, 1.5, 2.0)


def exact_steps(rate: float, noise: float, n_steps: int, dimension: int) -> fp.Process:
    """Return the process whose Euler chain is dX = -rate X dtau + noise dB at the nodes."""
    h = HORIZON / n_steps
    lost = -np.expm1(-rate * h) / h
    amplitude = noise * np.sqrt(-np.expm1(-2 * rate * h) / (2 * rate * h))
    law = fp.GaussianMixture([1.0], np.zeros((1, dimension)))
    return fp.Process(lambda x, tau: -lost * x, amplitude, law, HORIZON)


def apart(dimension: int, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return two points at a distance along no axis, their middle off the origin."""
    way = np.arange(1.0, dimension + 1)
    way *= distance / np.linalg.norm(way)
    return 0.4 + way / 3, 0.4 - 2 * way / 3


def misses(paths: sc.CoupledPaths, expected: np.ndarray, tests: int) -> list[float]:
    """Return the times at which the share of pairs that have not met excludes the expected one."""
    out = []
    for tau, share in zip(TIMES, expected, strict=True):
        count = int(np.sum(paths.meeting_time > tau * (1 + 1e-12)))
        level = 1 - FALSE_ALARM / (tests * len(TIMES))
        low, high = sc.clopper_pearson_limits(count, paths.n_paths, level)
        if not low <= share <= high:
            out.append(tau)
    return out


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize(("rate", "noise", "distance"), [(1.0, 1.2, 2.0), (-0.4, 0.8, 0.5)])
def test_meeting_times_agree_with_the_closed_form(dimension, rate, noise, distance):
    """Ornstein-Uhlenbeck, stable and unstable, at 8, 40 and 120 exact steps: one law of T."""
    expected = sc.ou_unmet(distance, rate, noise, TIMES)
    for n_steps in (8, 40, 120):
        process = exact_steps(rate, noise, n_steps, dimension)
        paths = sc.couple(
            *(process, process, N_PATHS, n_steps, "reflection"), starts=apart(dimension, distance)
        )
        assert misses(paths, expected, 3) == []
        together = np.all(paths.points_a == paths.points_b, axis=1)
        assert np.array_equal(together, np.isfinite(paths.meeting_time))  # once met, for good


def test_a_mirror_without_the_right_chance_to_meet_is_seen(monkeypatch):
    """Pairs that merge only when they would swap meet too late."""
    right = reflection.reflected

    def late(xi, z, clock):
        image, _ = right(xi, z, clock)
        return image, 2 * z * xi + z * z <= 0

    monkeypatch.setattr(reflection, "reflected", late)
    process = exact_steps(1.0, 1.2, 40, 1)
    paths = sc.couple(process, process, N_PATHS, 40, "reflection", starts=apart(1, 2.0))
    assert len(misses(paths, sc.ou_unmet(2.0, 1.0, 1.2, TIMES), 3)) == len(TIMES)


@pytest.mark.parametrize("rule", ["euler", "exponential", "ddpm"])
def test_an_unguided_sampler_meets_as_its_chain_should(rule):
    """A unit Gaussian class has score r mu - x at every time, so every rule is a linear chain."""
    process = fp.reverse_process(
        fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]), 1, horizon=HORIZON, stop=0.1
    )
    n_steps = round(process.horizon / 0.05)
    tau = np.linspace(0, process.horizon, n_steps + 1)
    table = step_table(process, tau, rule)
    expected = sc.chain_unmet(1.5, table.linear - table.score, table.noise)
    paths = sc.couple(
        *(process, process, N_PATHS, n_steps, "reflection"), rule=rule, starts=(0.5, -1.0)
    )
    nodes = [4, 9, 19, n_steps]
    for k in nodes:
        count = int(np.sum(paths.meeting_time > tau[k] * (1 + 1e-12)))
        low, high = sc.clopper_pearson_limits(count, N_PATHS, 1 - FALSE_ALARM / len(nodes))
        assert low <= expected[k] <= high


def test_the_closed_form_of_chains_at_exact_steps_does_not_depend_on_the_steps():
    """The product of maximal reflections is maximal: both are the total variation distance."""
    rate, noise, distance = 1.3, 0.7, 1.1
    for n_steps in (1, 2, 7, 50):
        h = HORIZON / n_steps
        linear = np.full(n_steps, np.exp(-rate * h))
        step = noise * np.sqrt(-np.expm1(-2 * rate * h) / (2 * rate))
        chain = sc.chain_unmet(distance, linear, np.full(n_steps, step))
        exact = sc.ou_unmet(distance, rate, noise, np.linspace(0, HORIZON, n_steps + 1))
        assert chain[0] == exact[0] == 1
        assert np.allclose(chain, exact, rtol=1e-12)
    mean = distance * np.exp(-rate * HORIZON)
    deviation = noise * np.sqrt(-np.expm1(-2 * rate * HORIZON) / (2 * rate))
    # of N(0, s^2) and N(m, s^2): the densities cross at m/2
    variation = norm.cdf(mean / 2 / deviation) - norm.cdf(-mean / 2 / deviation)
    assert exact[-1] == pytest.approx(variation, rel=1e-12)
    assert sc.ou_unmet(1.0, 0.0, 0.5, 4.0) == pytest.approx(2 * norm.cdf(0.5) - 1, rel=1e-12)
    assert np.array_equal(sc.chain_unmet(0.0, [0.5], [1.0]), [0.0, 0.0])


def test_one_start_is_met_and_other_couplings_do_not_meet():
    law = fp.GaussianMixture([1.0], [0.0])
    process = fp.Process(lambda x, tau: -x, 1.0, law, 1.0)
    for coupling in ("synchronous", "reflection", "monotone"):
        assert not sc.couple(process, process, 50, 5, coupling).meeting_time.any()
    for coupling in ("synchronous", "antithetic", "monotone"):
        paths = sc.couple(process, process, 50, 5, coupling, starts=(1.0, -1.5))
        assert np.all(np.isinf(paths.meeting_time))


def test_two_drifts_meet_and_part_again():
    """Sticky: what has met does not stay together, and comes together again."""
    law = fp.GaussianMixture([1.0], [0.0])
    low = fp.Process(lambda x, tau: -x, 1.0, law, 4.0)
    high = fp.Process(lambda x, tau: 0.5 - x, 1.0, law, 4.0)
    paths = sc.couple(high, low, 2000, 100, "reflection", times=np.linspace(0, 4, 101))
    assert not paths.meeting_time.any()
    same = (paths.states_a == paths.states_b)[:, :, 0]
    assert np.any(same[:-1] & ~same[1:]) and np.any(~same[:-1] & same[1:])
    assert np.all(paths.states_a >= paths.states_b)  # a reflected pair on the line never swaps


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1.0, 1.0, 1.0, 1.0), "distance must be >= 0"),
        ((1.0, np.inf, 1.0, 1.0), "rate must be finite"),
        ((1.0, 1.0, 0.0, 1.0), "noise must be > 0"),
        ((1.0, 1.0, 1.0, [1.0, -2.0]), "tau must be nonnegative"),
    ],
)
def test_bad_closed_forms_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        sc.ou_unmet(*arguments)
