"""Classes of several components, pairs of laws, and laws on quadrature nodes."""

from __future__ import annotations

import pickle
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import fokker_planck as fp
from fokker_planck.model import diffused
from fokker_planck.model.classes import ClassPosterior
from fokker_planck.model.scalar import ScalarPosterior

seeds = st.integers(0, 10**6)
SCHEDULES = [fp.OrnsteinUhlenbeck(), fp.LinearVP(), fp.Cosine(), fp.VarianceExploding()]


def drawn(seed: int, target: int = 0) -> tuple[fp.ReverseProcess, np.ndarray, float]:
    """Draw a labelled mixture in one or two dimensions, points and a reverse time."""
    rng = np.random.default_rng([11, seed])
    d, k = 1 + seed % 2, int(rng.integers(3, 6))
    covariances = None
    if rng.random() < 0.7:
        roots = rng.normal(size=(k if rng.random() < 0.6 else 1, d, d))
        covariances = roots @ np.swapaxes(roots, 1, 2) + 0.05 * np.eye(d)
        covariances = covariances if len(covariances) > 1 else covariances[0]
    labels = np.concatenate([[0, 0, 1], rng.integers(0, 2, k - 3)])
    mixture = fp.GaussianMixture(
        rng.dirichlet(np.ones(k)), 2 * rng.normal(size=(k, d)), covariances, labels
    )
    schedule = SCHEDULES[int(rng.integers(4))]
    process = fp.reverse_process(
        mixture, target, strength=float(rng.uniform(0, 5)), schedule=schedule
    )
    x = 3 * rng.normal(size=(7, d))
    return process, x[:, 0] if d == 1 else x, float(rng.uniform(0, 0.98 * process.horizon))


def changed(mixture, order=None, **fields):
    """Return a mixture with some of its arrays replaced, or its components reordered."""
    parts = {
        "weights": mixture.weights,
        "means": mixture.means,
        "covariances": mixture.covariances,
        "labels": mixture.labels,
        **fields,
    }
    if order is not None:
        parts = {name: value[order] for name, value in parts.items()}
    return fp.GaussianMixture(**parts)


def again(process, mixture, target=0):
    return fp.reverse_process(
        mixture,
        target,
        strength=process.strength,
        schedule=process.schedule,
        horizon=process.horizon,
    )


def same_scores(a, b, x, tau, shift=0.0):
    for one, other in zip(
        a.drift_and_divergence(x, tau), b.drift_and_divergence(x + shift, tau), strict=True
    ):
        assert np.allclose(one, other, rtol=1e-9, atol=1e-9 * (1 + np.abs(one).max()))
    for name in ("log_posterior", "log_complement"):
        one, other = getattr(a, name)(x, tau), getattr(b, name)(x + shift, tau)
        assert np.allclose(one, other, rtol=1e-9, atol=1e-9)


# --- labels ---------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_the_order_of_components_and_of_classes_does_not_matter(seed):
    process, x, tau = drawn(seed)
    mixture = process.mixture
    order = np.random.default_rng(seed).permutation(mixture.n_components)
    same_scores(process, again(process, changed(mixture, order)), x, tau)
    swapped = changed(mixture, labels=1 - mixture.labels)
    same_scores(process, again(process, swapped, target=1), x, tau)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(0.05, 0.95))
def test_splitting_a_component_within_its_class_does_not_matter(seed, share):
    process, x, tau = drawn(seed)
    mixture = process.mixture
    k = int(np.random.default_rng(seed).integers(mixture.n_components))
    order = np.append(np.arange(mixture.n_components), k)
    split = {name: getattr(mixture, name)[order] for name in ("means", "covariances", "labels")}
    weights = mixture.weights[order].copy()
    weights[[k, -1]] *= np.array([share, 1 - share])
    same_scores(process, again(process, fp.GaussianMixture(weights, **split)), x, tau)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_rotation_and_mirror_images(seed):
    process, x, tau = drawn(seed)
    mixture, d = process.mixture, process.dimension
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    turned = changed(
        mixture, means=mixture.means @ turn.T, covariances=turn @ mixture.covariances @ turn.T
    )
    other = again(process, turned)
    y = x @ turn.T if d > 1 else x * turn[0, 0]
    b, div = process.drift_and_divergence(x, tau)
    c, div_c = other.drift_and_divergence(y, tau)
    size = 1 + np.abs(b).max()
    assert np.allclose(b @ turn.T if d > 1 else b * turn[0, 0], c, rtol=1e-9, atol=1e-9 * size)
    assert np.allclose(div, div_c, rtol=1e-9, atol=1e-9 * (1 + np.abs(div).max()))


def test_translation_of_an_exploding_process():
    """Without a signal that shrinks, moving all means moves everything."""
    for seed in range(20):
        process, x, _ = drawn(seed)
        process = fp.reverse_process(
            process.mixture, 0, strength=2.0, schedule=fp.VarianceExploding()
        )
        move = np.array([0.7, -1.1])[: process.dimension]
        moved = changed(process.mixture, means=process.mixture.means + move)
        other = fp.reverse_process(moved, 0, strength=2.0, schedule=fp.VarianceExploding())
        same_scores(process, other, x, 3.0, shift=move if len(move) > 1 else move[0])


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_the_posterior_of_a_class_is_the_sum_over_its_components(seed):
    process, x, tau = drawn(seed)
    mixture = process.mixture
    single = [
        fp.reverse_process(changed(mixture, labels=None), k, schedule=process.schedule)
        for k in mixture.members(0)
    ]
    total = np.logaddexp.reduce([p.log_posterior(x, tau) for p in single], axis=0)
    assert np.allclose(process.log_posterior(x, tau), total, rtol=1e-9, atol=1e-12)
    ratios = process.log_ratios(x, tau)
    assert ratios.shape == (2, 7) and np.all(ratios[0] == 0)
    assert np.allclose(ratios[1], process.log_posterior(x, tau) - process.log_complement(x, tau))


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_class_of_one_is_the_component_to_the_bit(seed):
    rng = np.random.default_rng([12, seed])
    means, variances = rng.normal(size=4), rng.uniform(0.1, 2.0, size=4)
    weights = rng.dirichlet(np.ones(4))
    mixture = fp.GaussianMixture(weights, means, variances)
    labelled = fp.GaussianMixture(weights, means, variances, [2, 1, 0, 1])
    a = fp.reverse_process(mixture, 2, strength=3.0)
    b = fp.reverse_process(labelled, 0, strength=3.0)
    assert isinstance(b.posterior, ScalarPosterior)
    x, tau = rng.normal(size=9), float(rng.uniform(0, 5))
    for one, other in zip(
        a.drift_and_divergence(x, tau), b.drift_and_divergence(x, tau), strict=True
    ):
        assert np.array_equal(one, other)
    assert np.array_equal(a.log_posterior(x, tau), b.log_posterior(x, tau))
    ratios = b.log_ratios(x, tau)
    assert ratios.shape == (3, 9)
    pieces = -a.log_ratios(x, tau)[[1, 3]]
    assert np.allclose(ratios[1], -np.logaddexp(*pieces), rtol=1e-12)


def test_labels_that_count_components_change_nothing():
    plain = fp.GaussianMixture([0.3, 0.7], [-1.0, 1.0])
    labelled = fp.GaussianMixture([0.3, 0.7], [-1.0, 1.0], labels=[0, 1])
    assert labelled.labels is None and labelled.spec() == plain.spec()
    assert labelled.n_classes == 2 and list(labelled.members(1)) == [1]


@pytest.mark.parametrize("x", [-300.0, -15.0, 0.2, 15.0, 300.0])
@pytest.mark.parametrize("variances", [None, [0.5, 2.0, 1.0, 0.3]])
def test_class_scores_against_many_digits(x, variances):
    """Log-posterior, gradient and its derivative, even where P or 1 - P is below 1e-300."""
    weights, means = [0.2, 0.3, 0.1, 0.4], [-1.0, 0.5, 2.0, 1.2]
    process = fp.reverse_process(
        fp.GaussianMixture(weights, means, variances, [0, 1, 0, 1]), 0, strength=2.0
    )
    t = 0.25
    with mpmath.workdps(1500):
        r, y = mpmath.e ** (-mpmath.mpf(t)), mpmath.mpf(x)
        v = 1 - r * r
        parts = []
        for w, m, s in zip(weights, means, variances or [1.0] * 4, strict=True):
            c = r * r * s + v
            p = mpmath.mpf(w) * mpmath.exp(-((y - r * m) ** 2) / (2 * c)) / mpmath.sqrt(c)
            z = -(y - r * m) / c
            parts.append((p, p * z, p * (z * z - 1 / c)))  # density and two derivatives
        own, rest = ([parts[i][n] + parts[j][n] for n in range(3)] for i, j in ((0, 2), (1, 3)))
        whole = [a + b for a, b in zip(own, rest, strict=True)]
        log_p, log_rest = mpmath.log(own[0] / whole[0]), mpmath.log(rest[0] / whole[0])
        score = own[1] / own[0]
        gradient = score - whole[1] / whole[0]
        curvature = (own[2] / own[0] - score**2) - (
            whole[2] / whole[0] - (whole[1] / whole[0]) ** 2
        )
    tau = process.horizon - t
    s, _, g, h = process.posterior.scores(np.array([x]), np.float64(t))
    assert process.log_posterior(x, tau) == pytest.approx(float(log_p), rel=1e-12, abs=1e-300)
    assert process.log_complement(x, tau) == pytest.approx(float(log_rest), rel=1e-12)
    assert s[0] == pytest.approx(float(score), rel=1e-13)
    assert g[0] == pytest.approx(float(gradient), rel=1e-11, abs=1e-300)
    assert h[0] == pytest.approx(float(curvature), rel=1e-11, abs=1e-300)


def test_mixtures_of_classes():
    one = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
    two = fp.GaussianMixture([1.0], [3.0], [0.5])
    mixture = fp.GaussianMixture.of_classes([one, two], [0.25, 0.75])
    assert mixture.labels is not None and mixture.labels.tolist() == [0, 0, 1]
    assert mixture.weights.tolist() == [0.125, 0.125, 0.75]
    assert mixture.class_law(0).spec() == one.spec()
    assert mixture.class_law(1).spec() == two.spec()


# --- pairs ----------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_pair_of_class_and_mixture_has_the_scores_of_the_mixture(seed):
    """The two routes of G0 as two models: the pair's ratio is the posterior over its weight."""
    process, x, tau = drawn(seed)
    mixture = process.mixture
    pair = fp.pair_process(
        process.class_law,
        changed(mixture, labels=None),
        strength=process.strength,
        schedule=process.schedule,
    )
    for a, b in zip(
        process.drift_and_divergence(x, tau), pair.drift_and_divergence(x, tau), strict=True
    ):
        assert np.allclose(a, b, rtol=1e-8, atol=1e-8 * (1 + np.abs(a).max()))
    weight = mixture.weights[mixture.members(0)].sum()
    ratio = process.log_posterior(x, tau) - np.log(weight)
    assert np.allclose(pair.log_ratio(x, tau), ratio, rtol=1e-8, atol=1e-10)
    routes = pair.score(x, tau), pair.score(x, tau, route="classifier-free")
    assert np.allclose(*routes, rtol=1e-8, atol=1e-8 * np.abs(routes[0]).max())


def test_a_pair_has_no_posterior():
    one, two = (fp.GaussianMixture([1.0], [0.0], c) for c in (1.0, 2.0))
    pair = fp.pair_process(one, two, strength=1.0, sampler="ode")
    assert not hasattr(pair, "log_posterior")
    solution = fp.solve(pair, tol=1e-6)
    with pytest.raises(AttributeError, match="no classifier"):
        _ = solution.posterior_mass
    assert [law.covariances[0, 0, 0] for law in pair.components()] == [1.0, 2.0]
    with pytest.raises(ValueError, match="total_law must have dimension 1"):
        fp.pair_process(one, fp.GaussianMixture([1.0], [[0.0, 0.0]]))
    with pytest.raises(ValueError, match="class_law must be a GaussianMixture"):
        fp.pair_process("one", two)


def test_processes_travel():
    one, two = (fp.GaussianMixture([1.0], [0.0], c) for c in (1.0, 2.0))
    for process in (fp.pair_process(one, two, strength=1.0), drawn(3)[0], drawn(4)[0]):
        copy = pickle.loads(pickle.dumps(process))
        x = np.ones((2, process.dimension))
        assert np.array_equal(copy.drift(x, 0.3), process.drift(x, 0.3))
        assert copy.spec() == process.spec()


# --- laws on nodes --------------------------------------------------------------------------------

DENSITIES = {
    "logistic": lambda y: np.exp(-abs(y)) / (1 + np.exp(-abs(y))) ** 2,
    "laplace": lambda y: 0.5 * np.exp(-abs(y)),
    "uniform": lambda y: 0.5 * (abs(y) <= 1),
}


def convolved(name: str, x: float, noise: float) -> float:
    """Return the unit law's density convolved with a Gaussian, by adaptive quadrature."""

    def f(y: float) -> float:
        z = (x - y) / noise
        return float(DENSITIES[name](y)) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) / noise

    low, high = x - 12 * noise, x + 12 * noise
    if name == "uniform":
        low, high = max(low, -1.0), min(high, 1.0)
    edges = [low, *sorted(p for p in (0.0, x) if low < p < high), high]
    if high <= low:
        return 0.0
    return sum(quad(f, a, b, epsabs=1e-15, epsrel=1e-12, limit=200)[0] for a, b in pairwise(edges))


@pytest.mark.parametrize("name", DENSITIES)
@pytest.mark.parametrize("n", [20, 60, 140, None])
def test_the_bound_covers_the_error_of_the_diffused_density(name, n):
    schedule, t, scale, centre = fp.OrnsteinUhlenbeck(), 0.1, 0.7, 0.4
    law = fp.quadrature_law(
        name, centre, scale, n=n, **({} if n else {"schedule": schedule, "stop": t})
    )
    r, v = float(schedule.signal(t)), float(schedule.variance(t))
    x = np.linspace(-9, 9, 73)
    nodes = np.exp(diffused(law, schedule, t).log_density(r * (centre + scale * x)))
    true = [convolved(name, y, np.sqrt(v) / r / scale) / (r * scale) for y in x]
    error = float(np.abs(nodes - true).sum()) * r * scale * (x[1] - x[0])
    bound = law.l1_error(schedule, t)
    # a Riemann sum of the difference is not the integral, but of its size
    assert 0.5 * error <= bound <= 2
    if n is None:
        assert error < bound <= 1.1e-10


def test_noise_makes_the_bound_small_and_its_lack_makes_it_two():
    law = fp.quadrature_law("logistic", n=60)
    errors = [law.error_at_noise(sigma) for sigma in (0.05, 0.5, 1.0, 2.0)]
    assert errors[0] == 2.0 and np.all(np.diff(errors) < 0)
    assert law.mean[0] == pytest.approx(0.0, abs=1e-12)
    wide = fp.quadrature_law("logistic", n=2000)
    assert wide.covariance[0, 0] == pytest.approx(np.pi**2 / 3, rel=1e-10)
    laplace = fp.quadrature_law("laplace", 1.0, 2.0, n=120)
    assert laplace.mean[0] == pytest.approx(1.0)
    assert laplace.covariance[0, 0] == pytest.approx(8.0, rel=1e-9)
    assert fp.quadrature_law("uniform", n=9).covariance[0, 0] == pytest.approx(1 / 3)


def test_point_masses_need_early_stopping():
    law = fp.atoms([-1.0, 0.0, 1.0], [0.25, 0.5, 0.25], [0, 1, 0])
    with pytest.raises(ValueError, match="stop must be > 0 for a law with point masses"):
        fp.reverse_process(law, 0)
    with pytest.raises(ValueError, match="covariances must be positive definite"):
        law.log_density([0.0])
    with pytest.raises(ValueError, match="initial must have positive definite"):
        fp.reverse_process(law, 0, stop=0.1, initial=law)
    process = fp.reverse_process(law, 0, strength=1.0, stop=0.1, initial="exact")
    assert isinstance(process.posterior, ClassPosterior)
    assert np.all(process.initial.covariances > 0)
    # the same components with the variance that diffusion has given them by the stop
    v, r = float(process.schedule.variance(0.1)), float(process.schedule.signal(0.1))
    smooth = fp.reverse_process(
        fp.GaussianMixture(law.weights, r * law.means, v, law.labels),
        0,
        strength=1.0,
        horizon=4.9,
    )
    x = np.linspace(-2, 2, 9)
    assert np.allclose(process.drift(x, 1.0), smooth.drift(x, 1.0), rtol=1e-10)
    assert np.allclose(process.log_posterior(x, 4.9), smooth.log_posterior(x, 4.9), rtol=1e-10)


def test_products_in_the_plane():
    line = fp.quadrature_law("uniform", n=6)
    law = fp.product_law(line, fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0]))
    assert law.n_components == 12 and law.dimension == 2 and law.singular
    assert np.allclose(law.covariance, np.diag([1 / 3, 2.0]))
    process = fp.reverse_process(fp.GaussianMixture.of_classes([law], [1.0]), 0, stop=0.2)
    flat = fp.reverse_process(fp.GaussianMixture.of_classes([line], [1.0]), 0, stop=0.2)
    x = np.random.default_rng(0).normal(size=(5, 2))
    # coordinates do not see each other
    assert np.allclose(process.drift(x, 1.0)[:, 0], flat.drift(x[:, 0], 1.0), rtol=1e-10)


def test_many_nodes_in_any_order_of_points():
    """Blocks of sorted points leave out components that do not count there."""
    law = fp.quadrature_law("laplace", n=400)
    mixture = fp.GaussianMixture.of_classes([law, fp.GaussianMixture([1.0], [1.0])], [0.5, 0.5])
    process = fp.reverse_process(mixture, 0, strength=2.0, stop=0.05)
    x = np.random.default_rng(1).normal(size=3000) * 4
    b, div = process.drift_and_divergence(x, 4.0)
    few = [process.drift_and_divergence(x[i : i + 1], 4.0) for i in range(0, 3000, 100)]
    assert np.allclose(b[::100], [one[0][0] for one in few], rtol=1e-12)
    assert np.allclose(div[::100], [one[1][0] for one in few], rtol=1e-12, atol=1e-12)
    rows = process.drift(x[None, :50], np.array([[1.0], [4.0]]))
    assert np.allclose(rows[1], b[:50], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fp.quadrature_law("cauchy", n=10), "name must be one of"),
        (lambda: fp.quadrature_law("uniform"), "n must be given, or schedule and stop"),
        (lambda: fp.quadrature_law("laplace", n=11), "n must be even"),
        (lambda: fp.quadrature_law("laplace", n=1), "n must be in"),
        (lambda: fp.quadrature_law("uniform", scale=-1.0, n=8), "scale must be"),
        (lambda: fp.quadrature_law("uniform", n=8, stop=0.1), "n and stop exclude"),
        (
            lambda: fp.quadrature_law("uniform", schedule=fp.OrnsteinUhlenbeck(), stop=1e-14),
            "stop must be larger",
        ),
        (lambda: fp.quadrature_law("uniform", n=8).error_at_noise(0.0), "noise must be > 0"),
        (lambda: fp.atoms([], []), "nodes must have shape"),
        (lambda: fp.atoms([1.0], [0.5]), "weights must sum to 1"),
        (lambda: fp.product_law(1.0, 2.0), "first must be a law of dimension 1"),
        (lambda: fp.GaussianMixture([1.0], [0.0], labels=[1]), "labels must be 0, 1, ... without"),
        (lambda: fp.GaussianMixture([1.0], [0.0], labels=[0.0]), "labels must be 1 whole numbers"),
        (lambda: fp.GaussianMixture([1.0], [0.0], labels=[0, 0]), "labels must be 1 whole"),
        (lambda: fp.GaussianMixture([1.0], [0.0], -0.1, atoms=True), "covariances must be"),
        (lambda: fp.GaussianMixture.of_classes([], []), "laws must be GaussianMixtures"),
        (
            lambda: fp.GaussianMixture.of_classes([fp.atoms([0.0], [1.0])], [0.5, 0.5]),
            "weights must have shape",
        ),
        (
            lambda: fp.reverse_process(
                fp.GaussianMixture([0.5, 0.5, 0.0], [0.0, 1.0, 2.0], labels=[0, 0, 1]), 1
            ),
            "target must have positive weight, got class 1",
        ),
    ],
)
def test_bad_laws(make, words):
    with pytest.raises(ValueError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
