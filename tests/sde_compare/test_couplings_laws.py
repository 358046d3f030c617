"""Couplings keep both laws, planted faults do not; starts, order, threads, replay, bad input.

Laws are compared by the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart; all comparisons
of one test share a false-alarm rate of 1e-6.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import fokker_planck as fp
import sde_compare as sc
from sde_compare import reflection
from sde_compare.pairs import COUPLINGS, quantiles

FALSE_ALARM = 1e-6
N_PATHS, N_STEPS, HORIZON = 32768, 6, 1.5
PAIR = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
SDE = fp.reverse_process(PAIR, 1, strength=3.0)
PLAIN = SDE.with_strength(0.0)
ODE = SDE.with_noise_level(0.0)


def linear(dimension: int, shift: float, initial: fp.GaussianMixture | None = None) -> fp.Process:
    """Return dx = (shift - x) dtau + 1.2 dB."""
    law = initial or fp.GaussianMixture([1.0], np.zeros((1, dimension)))
    return fp.Process(lambda x, tau: shift - x, 1.2, law, HORIZON)


def far_from_normal(values: np.ndarray, mean: float, deviation: float, level: float) -> float:
    """Return by how much the DKW band of the values misses the normal law."""
    z = norm.cdf(np.sort(values), mean, deviation)
    rank = np.arange(len(z) + 1) / len(z)
    distance = max(np.max(rank[1:] - z), np.max(z - rank[:-1]))
    return distance - sc.dkw_width(len(z), level)


def law_misses(paths: sc.CoupledPaths, shift: float, start: np.ndarray, of: str = "b") -> float:
    """Return the largest miss over linear functionals of a whole path of the Euler chain.

    From a fixed start the chain x' = x + h (shift - x) + 1.2 sqrt(h) xi is a Gaussian vector; its
    functionals are every coordinate of every state, and random ones of all of them together.
    """
    h, d = HORIZON / N_STEPS, len(start)
    states = getattr(paths, f"states_{of}")[1:]  # (steps, paths, d)
    k = np.arange(1, N_STEPS + 1)
    mean = shift + (1 - h) ** k[:, None] * (start - shift)
    drawn = np.array([[(1 - h) ** (i - j) if j <= i else 0.0 for j in k] for i in k])
    drawn *= 1.2 * np.sqrt(h)  # state i over normal j
    random = np.random.default_rng(1).standard_normal((6, N_STEPS, d))
    single = np.eye(N_STEPS * d).reshape(-1, N_STEPS, d)
    functionals = np.concatenate([single, random])
    worst = -np.inf
    for f in functionals:
        deviation = np.sqrt(np.sum((drawn.T @ f) ** 2))
        values = np.einsum("kd,knd->n", f, states)
        miss = far_from_normal(
            *(values, float(np.sum(f * mean)), deviation, FALSE_ALARM / (2 * len(functionals)))
        )
        worst = max(worst, miss)
    return worst


def coupled(coupling: str, dimension: int, distance: float = 0.8, shift: float = 0.0, **more):
    """Run two linear processes from two fixed points; return the run and the points."""
    a, b = np.zeros(dimension), np.zeros(dimension)
    a[0], b[0] = 0.3 + distance, 0.3
    paths = sc.couple(
        *(linear(dimension, 0.0), linear(dimension, shift), N_PATHS, N_STEPS, coupling),
        starts=(a, b),
        times=np.linspace(0, HORIZON, N_STEPS + 1),
        **more,
    )
    return paths, a, b


@pytest.mark.parametrize(
    ("coupling", "dimension"),
    [(c, d) for c in COUPLINGS for d in (1, 2, 3) if c != "monotone" or d == 1],
)
@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_both_paths_have_their_own_law(coupling, dimension, shift):
    """Whole paths of both processes, with one drift and with two."""
    paths, a, b = coupled(coupling, dimension, shift=shift)
    assert law_misses(paths, 0.0, a, "a") <= 0
    assert law_misses(paths, shift, b, "b") <= 0


def never_refused(xi, z, clock):
    """Meet wherever the mirror would swap the two: no acceptance correction."""
    image, _ = RIGHT(xi, z, clock)
    change = (xi - image) * z if xi.ndim == 1 else np.sum((xi - image) * z, axis=1)
    square = z * z if xi.ndim == 1 else np.sum(z * z, axis=1)
    return image, change + square <= 0


def wrong_sign(xi, z, clock):
    image, _ = RIGHT(xi, z, clock)
    return image, RIGHT(xi, -z, clock)[1]


def fixed_mirror(xi, z, clock):
    """Reflect along an axis instead of along the difference."""
    image = xi.copy()
    image[:, 1] *= -1
    return image, RIGHT(xi, z, clock)[1]


def half_mirror(xi, z, clock):
    """Forget the factor 2: a projection."""
    image, meet = RIGHT(xi, z, clock)
    return 0.5 * (xi + image), meet


def one_clock(xi, z, clock):
    """Decide the whole block by one clock."""
    return RIGHT(xi, z, np.full_like(clock, clock[0]))


def no_square(xi, z, clock):
    """Leave |z|^2 / 2 out of the ratio of densities."""
    image, _ = RIGHT(xi, z, clock)
    along = xi * z if xi.ndim == 1 else np.sum(xi * z, axis=1)
    return image, clock >= along


RIGHT = reflection.reflected
FAULTS = [
    *[(f, d) for f in (never_refused, wrong_sign, half_mirror, no_square, one_clock)
      for d in (1, 2)],
    (fixed_mirror, 2),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "dimension"), FAULTS)
def test_a_planted_fault_spoils_the_law(fault, dimension, monkeypatch):
    monkeypatch.setattr(reflection, "reflected", fault)
    paths, _, b = coupled("reflection", dimension)
    assert law_misses(paths, 0.0, b) > 0


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_starts_from_mixtures_keep_their_laws(coupling):
    """Starts and outputs of two mixtures, one with a point mass of weight 0.3 in it."""
    narrow = fp.GaussianMixture([0.3, 0.7], [2.0, -1.0], [0.0, 0.5], atoms=True)
    wide = fp.GaussianMixture([0.2, 0.5, 0.3], [-2.0, 0.0, 3.0], [0.3, 1.0, 2.0])
    process = linear(1, 0.0)
    paths = sc.couple(
        *(process, process, N_PATHS, N_STEPS, coupling), starts=(wide, narrow), times=[0.0]
    )
    h = HORIZON / N_STEPS
    factor = (1 - h) ** N_STEPS
    variance = 1.44 * h * (1 - factor**2) / (1 - (1 - h) ** 2)
    width = sc.dkw_width(N_PATHS, FALSE_ALARM / 4)
    rank = np.arange(N_PATHS + 1) / N_PATHS
    cases = [
        (paths.states_a[0], wide, 1.0, 0.0),
        (paths.points_a, wide, factor, variance),
        (paths.points_b, narrow, factor, variance),
    ]
    for points, law, shrunk, added in cases:
        x = np.sort(points[:, 0])
        deviations = np.sqrt(shrunk**2 * law.variances[:, 0] + added)
        level = norm.cdf((x[:, None] - shrunk * law.means[:, 0]) / deviations) @ law.weights
        assert max(np.max(rank[1:] - level), np.max(level - rank[:-1])) <= width
    share = sc.clopper_pearson(int(np.sum(paths.states_b[0] == 2)), N_PATHS, 1 - FALSE_ALARM / 4)
    assert share.contains(0.3)


def test_antithetic_starts_and_noise_are_opposite():
    """A linear process from a Gaussian: the sum of the two paths is not random."""
    process = linear(2, 0.4, fp.GaussianMixture([1.0], [[1.0, -1.0]], [[2.0, 0.5], [0.5, 1.0]]))
    paths = sc.couple(process, process, 500, 10, "antithetic", times=[0.0])
    assert np.allclose(paths.states_a[0] + paths.states_b[0], [2.0, -2.0], atol=1e-12)
    total = paths.points_a + paths.points_b
    assert np.allclose(total, total[0], atol=1e-12)


def test_each_process_may_start_from_its_own_law_where_the_coupling_allows():
    other = fp.reverse_process(PAIR, 1, strength=0.0, initial="exact")
    for coupling in ("reflection", "antithetic", "monotone"):
        assert sc.couple(SDE, other, 10, 4, coupling).coupling == coupling
    law = fp.GaussianMixture([1.0], [0.5])
    paths = sc.couple(SDE, other, 10, 4, starts=(law, law), times=[0.0])
    assert np.array_equal(paths.states_a[0], paths.states_b[0])
    own = sc.couple(SDE, PLAIN, 10, 4, starts=(SDE.initial, PLAIN.initial))
    assert np.array_equal(own.points_b, sc.couple(SDE, PLAIN, 10, 4).points_b)


# --- order ------------------------------------------------------------------------------------


@st.composite
def laws(draw) -> fp.GaussianMixture:
    number = st.floats(-3, 3)
    k = draw(st.integers(1, 3))
    weights = np.array(draw(st.lists(st.floats(0.05, 1), min_size=k, max_size=k)))
    means = draw(st.lists(number, min_size=k, max_size=k))
    variances = draw(st.lists(st.floats(0, 4), min_size=k, max_size=k))
    variances = [v if v > 1e-3 else 0.0 for v in variances]
    return fp.GaussianMixture(weights / weights.sum(), means, variances, atoms=True)


@given(laws(), st.floats(0, 3), st.floats(0, 2), st.floats(-2, 2), st.floats(0, 2))
@settings(max_examples=25, deadline=None)
def test_monotone_and_reflected_paths_keep_their_order(law, up, rate, bend, lift):
    """Drifts with slopes above -4 at steps of 0.1: step maps increase; law and drift are lifted."""
    upper = fp.GaussianMixture(law.weights, law.means + up, law.covariances, atoms=True)
    high = fp.Process(
        lambda x, tau: lift - rate * x + bend * np.tanh(x) + np.cos(tau), 0.7, upper, 1.0
    )
    low = fp.Process(lambda x, tau: -rate * x + bend * np.tanh(x) + np.cos(tau), 0.7, law, 1.0)
    # each of 10 steps rounds a few numbers of the size of the states
    order = {"order": lambda a, b, tau: a - b + 200 * np.spacing(1 + np.abs(a) + np.abs(b))}
    for coupling in ("monotone", "reflection"):
        if coupling == "reflection" and law.n_components > 1:
            continue  # its starts are not ordered by law alone
        paths = sc.couple(high, low, 200, 10, coupling, observables=order, threads=1)
        assert np.all(paths.minimum["order"] >= 0)


@given(laws())
@settings(max_examples=25, deadline=None)
def test_quantiles_are_quantiles(law):
    """At every level u = Phi(z): F(x) >= u and F(x-) <= u, to rounding."""
    z = np.linspace(-9, 9, 181)
    x = quantiles(law, z)
    assert np.all(np.diff(x) >= 0)
    deviation = np.sqrt(law.variances[:, 0])

    def tail(points: np.ndarray, sign: int, closed: bool) -> np.ndarray:
        gap = sign * (points[:, None] - law.means[:, 0])
        flat = (gap > 0) | ((gap == 0) & closed)
        smooth = norm.cdf(gap / np.where(deviation > 0, deviation, 1.0))
        return np.where(deviation > 0, smooth, flat) @ law.weights

    slack = 1e-9  # x is rounded, and a density of at most 13 multiplies that
    near = 4 * np.spacing(1 + np.abs(x))
    assert np.all(tail(x + near, 1, True) >= norm.cdf(z) * (1 - slack) - 1e-300)
    assert np.all(tail(x - near, -1, True) >= norm.sf(z) * (1 - slack) - 1e-300)


# --- reproducible -----------------------------------------------------------------------------


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_threads_do_not_change_a_bit_of_any_coupling(coupling):
    runs = [
        sc.couple(SDE, PLAIN, 9000, 6, coupling, threads=t, refine=2, starts=(0.5, -0.5))
        for t in (1, 2)
    ]
    for a, b in (runs, [run.refined for run in runs]):
        assert np.array_equal(a.points_a, b.points_a)
        assert np.array_equal(a.points_b, b.points_b)
        assert np.array_equal(a.meeting_time, b.meeting_time)
    shorter = sc.couple(SDE, PLAIN, 100, 6, coupling, refine=2, starts=(0.5, -0.5))
    assert np.array_equal(shorter.points_b, runs[0].points_b[:100])


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_replay_gives_every_coupling_back(coupling, dimension):
    if coupling == "monotone" and dimension == 2:
        return
    means = np.zeros((2, dimension))
    means[:, 0] = -1.0, 1.0
    a = fp.reverse_process(fp.GaussianMixture([0.4, 0.6], means), 1, strength=2.0)
    b = a.with_strength(0.0)
    chosen = [2, 4097]
    start = fp.GaussianMixture([0.5, 0.5], 2 * means, 0.5)
    paths = sc.couple(
        *(a, b, 4098, 8, coupling, 3, "exponential"),
        starts=(start, a.initial),
        refine=2,
        times=np.linspace(0, 5, 9),
    )
    for run in (paths, paths.refined):
        again = sc.replay(run, chosen)
        assert np.array_equal(again.path_a[:, -1], run.points_a[chosen])
        assert np.array_equal(again.path_b[:, -1], run.points_b[chosen])
    again = sc.replay(paths, chosen)
    assert np.array_equal(again.path_b, paths.states_b[:, chosen].swapaxes(0, 1))
    deeper = sc.replay(paths.refined, chosen, 4)
    assert np.array_equal(deeper.path_b[:, 0], paths.states_b[0, chosen])
    alone = sc.replay(paths.refined, chosen[:1], 4)
    assert np.allclose(alone.path_b[0], deeper.path_b[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_deeper_replays_of_every_coupling_converge_path_by_path(coupling):
    """Root mean square changes by successive doublings fall by more than a quarter each.

    Of both paths; under reflection of a alone. At order one they halve, with a deviation of about
    0.03 in the ratio over 300 paths.
    """
    paths = sc.couple(SDE, PLAIN, 300, 40, coupling, starts=(0.4, -0.3))
    runs = [sc.replay(paths, np.arange(300), 2**k) for k in range(4)]
    for name in ("path_a",) if coupling == "reflection" else ("path_a", "path_b"):
        ends = np.array([getattr(run, name)[:, -1, 0] for run in runs])
        rms = np.sqrt(np.mean(np.diff(ends, axis=0) ** 2, axis=1))
        assert np.all(rms[1:] < 0.75 * rms[:-1]), rms


# --- bad input --------------------------------------------------------------------------------

PLANE = fp.reverse_process(fp.GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]]), 1)
QUIET = fp.Process(lambda x, tau: -x, 0.0, SDE.initial, 5.0)
LOUD = fp.Process(lambda x, tau: -x, 1.0, SDE.initial, 5.0)


@pytest.mark.parametrize(
    ("a", "b", "arguments", "words"),
    [
        (SDE, SDE, {"coupling": "mirror"}, "coupling must be one of synchronous, reflection, ant"),
        (SDE, SDE, {"coupling": None}, "coupling must be one of .*, got None"),
        (SDE, ODE, {"coupling": "reflection"}, "noise_level must be positive .* got 0$"),
        (ODE, ODE, {"coupling": "reflection"}, "noise_level must be positive .* got 0$"),
        (QUIET, LOUD, {"coupling": "reflection"}, "noise must be positive .* got 0$"),
        (SDE, LOUD, {"coupling": "reflection"}, "noise must be the same .* 2.23607 and 1.58114 "),
        (PLANE, PLANE, {"coupling": "monotone"}, "dimension must be 1 for a monotone .* got 2$"),
        (SDE, SDE, {"starts": 3.0}, "starts must be two laws or points in dimension 1, got 3.0"),
        (SDE, SDE, {"starts": (0.0,)}, "starts must be two laws"),
        (SDE, SDE, {"starts": ([0.0, 1.0], 0.0)}, "starts must be two laws or points in dim"),
        (SDE, SDE, {"starts": (np.nan, 0.0)}, "starts must be finite"),
        (SDE, SDE, {"starts": (PLANE.initial, SDE.initial)}, "starts must be two laws"),
        (SDE, PLANE, {"coupling": "antithetic"}, "dimension must be the same"),
    ],
)
def test_bad_couplings_are_refused_in_one_line(a, b, arguments, words):
    with pytest.raises(ValueError, match=words) as error:
        sc.couple(a, b, 10, 2, **arguments)
    assert "\n" not in str(error.value)
