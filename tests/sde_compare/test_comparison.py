"""Comparison theorems: true hypotheses are proved, planted false ones refuted, paths kept apart."""

import numpy as np
import pytest

import fokker_planck as fp
from sde_compare import regions as rg
from sde_compare.comparison import compare, step_map, system

X, TAU = rg.variables("x tau")
X0, X1 = rg.variables("x0 x1")
N = rg.number
POINT = fp.GaussianMixture([1.0], [0.0])
PLANE = fp.GaussianMixture([1.0], [[0.0, 0.0]])
SHORT = {"n_paths": 400, "n_steps": 40}


def status(found):
    return {h.name: h.status for h in found.hypotheses}


def assert_applies(found, theorem):
    assert found.applies, str(found)
    assert found.theorem.id == theorem
    assert set(status(found).values()) == {"proved"}
    assert rg.replay(found.proof()).accepted
    if found.conclusion is not None:
        assert found.conclusion.real == found.conclusion.undecided == 0


def assert_refuted(found, *names):
    assert found.theorem is None and not found.applies
    refuted = {name for name, word in status(found).items() if word == "refuted"}
    assert refuted == set(names), str(found)
    with pytest.raises(ValueError, match="hypotheses must be proved"):
        found.proof()


# --- every theorem where it holds ---------------------------------------------------------------


def test_scalar_ode():
    found = compare(system(-(X**3)), system(N("0.1") + TAU - X**3), **SHORT)
    assert_applies(found, "scalar-ode")
    assert found.conclusion.judged == 400 and 0 < found.conclusion.limit < 0.02


def test_scalar_lipschitz_constant_is_found_and_proved():
    found = compare(system(rg.tanh(3 * X) - X), system(rg.tanh(3 * X) - X + 1), n_paths=0)
    assert_applies(found, "scalar-ode")
    assert "constant 2.0" in found.hypothesis("Lipschitz").detail
    assert found.conclusion is None


def test_additive_noise_reduces_to_the_ode():
    drift = X - X**3
    found = compare(system(drift, noise=1 + TAU), system(drift + 1, noise=1 + TAU), **SHORT)
    assert_applies(found, "scalar-ode")


@pytest.mark.parametrize("noise", [0, 0.5])
def test_quasi_monotone_system(noise):
    f = [-X0 + rg.tanh(X1), -X1 + rg.tanh(X0)]
    found = compare(system(f, noise=noise), system([f[0] + 1, f[1] + TAU], noise=noise), **SHORT)
    assert_applies(found, "kamke-mueller")


def test_one_quasi_monotone_process_is_enough():
    f = [-X0 - rg.tanh(X1), -X1 - rg.tanh(X0)]
    found = compare(system(f), system([1 - X0 + rg.tanh(X1), 1 - X1 + rg.tanh(X0)]), n_paths=0)
    # f <= h fails far out, where the signs of tanh(x1) matter, but not in the right quadrant
    assert_refuted(found, "ordered")
    assert "upper" in found.hypothesis("quasi-monotone").statement
    near = {"x0": (0, "inf"), "x1": (0, "inf")}
    h = system([1 - X0 + rg.tanh(X1), 1 - X1 + rg.tanh(X0)])
    assert_applies(compare(system(f), h, region=near, n_paths=0), "kamke-mueller")


def test_cones():
    f = [-X0 - rg.tanh(X1), -X1 - rg.tanh(X0)]
    above = system([f[0] + 1, f[1] - 1])
    assert_applies(compare(system(f), above, order=[[1, 0], [0, -1]], **SHORT), "kamke-mueller")
    assert_refuted(compare(system(f), above, **SHORT), "ordered", "quasi-monotone")
    # a sum of coordinates that obeys an equation of its own
    g = [-X0 - X1, -X1 - X0]
    found = compare(system(g), system([g[0] + 1, g[1]]), order=[[1, 1]], **SHORT)
    assert_applies(found, "scalar-ode")
    assert found.hypothesis("feed").status == "proved"
    # the same cone, skew: eigenvectors of a matrix with two positive ones
    skew = compare(system(g), system([g[0] + 1, g[1]]), order=[["1/3", "1/3"], [1, -1]], **SHORT)
    assert_applies(skew, "kamke-mueller")


def test_nearly_equal_rates_are_not_equal():
    # grad f is a multiple of the identity but for 1e-15: the cone |y1| <= y0 tells
    rates = N("-0.1"), N("-0.1") - N("1e-15")
    f = [rates[0] * X0, rates[1] * X1]
    cone = [[1, 1], [1, -1]]
    found = compare(system(f), system([f[0] + 1, f[1]]), order=cone, n_paths=0)
    assert_applies(found, "kamke-mueller")
    f = [rates[1] * X0, rates[0] * X1]
    found = compare(system(f), system([f[0] + 1, f[1]]), order=cone, n_paths=0)
    assert_refuted(found, "quasi-monotone")


def test_a_coordinate_that_others_feed_is_refuted():
    f, h = system([-X0, -X1 - X0]), system([1 - X0, -X1 - X0])
    assert_applies(compare(f, h, order="x0", **SHORT), "scalar-ode")
    found = compare(f, h, order=1, **SHORT)
    assert_refuted(found, "feed")
    assert found.conclusion.real == 400


def test_ikeda_watanabe():
    found = compare(system(X, noise=X / 2), system(X + 1, noise=X / 2), **SHORT)
    assert_applies(found, "ikeda-watanabe")
    root = rg.sqrt(X) / 2
    f, h = system(1 - X, noise=root), system(2 - X, noise=root)
    region = {"x": (0, "inf")}
    found = compare(f, h, region=region, starts=(1.0, 1.5), **SHORT)
    assert_applies(found, "ikeda-watanabe")
    assert "1/2" in found.hypothesis("modulus").statement
    assert "as long as both stay" in found.conclusion.statement
    # the root has no Lipschitz constant at 0
    found = compare(f, h, region=region, starts=(1.0, 1.5), modulus="lipschitz", n_paths=0)
    assert status(found)["modulus"] == "undecided"


def test_geiss_manthey():
    f, noise = [-X0 + X1, -X1 + X0], [X0 / 4, rg.tanh(X1)]
    found = compare(system(f, noise=noise), system([f[0] + 1, f[1]], noise=noise), **SHORT)
    assert_applies(found, "geiss-manthey")
    noise = [X0 / 4, rg.tanh(X0)]
    found = compare(system(f, noise=noise), system([f[0] + 1, f[1]], noise=noise), **SHORT)
    assert_refuted(found, "own noise")
    assert found.conclusion.real > 0


def test_step_maps():
    f = rg.tanh(X) / 2
    assert_applies(
        compare(step_map(f, n_steps=9), step_map(f + rg.exp(-(X**2)), n_steps=9)), "step-map"
    )
    low, high = (step_map(X - X**3 + c, n_steps=9) for c in (0, N("0.1")))
    assert_refuted(compare(low, high, region={"x": (-1, 1)}), "nondecreasing")
    assert_applies(compare(low, high, region={"x": ("-1/2", "1/2")}), "step-map")


def test_step_size_just_above_the_limit():
    f, h = (system(c - X, horizon=5.0, noise=1) for c in (0, 1))
    assert_applies(compare(f, h, theorem="step-map", n_steps=5, n_paths=200), "step-map")
    f, h = (system(c - X, horizon=5.0 + 1e-12, noise=1) for c in (0, 1))
    found = compare(f, h, theorem="step-map", n_steps=5, n_paths=200)
    assert_refuted(found, "nondecreasing")
    assert 1 < found.hypothesis("nondecreasing").witness["h"] < 1 + 1e-12


def test_equal_processes_are_ordered_both_ways():
    f = system(rg.tanh(X) - X)
    assert_applies(compare(f, f, **SHORT), "scalar-ode")


# --- planted false hypotheses --------------------------------------------------------------------

CENTRE, WIDTH, SPELL = N("0.61803398"), N("1e-4"), N("1e-4")


def dip(margin, depth, bend=0):
    """A margin that dips to -depth in a spot of 1e-4 by 1e-4; ``bend`` makes it lopsided."""
    x = X + bend * (X - CENTRE) ** 2
    spot = rg.exp(-(((x - CENTRE) / WIDTH) ** 2) - ((TAU - N("0.377")) / SPELL) ** 2)
    return N(margin) - (N(margin) + N(depth)) * spot


@pytest.mark.parametrize("bend", [0, 3])
def test_planted_dip(bend):
    gap = dip("0.05", "0.01", bend)
    f = rg.tanh(X) - X
    found = compare(system(f), system(f + gap), region={"x": (-2, 2)}, **SHORT)
    assert_refuted(found, "ordered")
    witness = found.hypothesis("ordered").witness
    assert abs(float(witness["x"]) - 0.61803398) < 1e-4
    assert abs(float(witness["tau"]) - 0.377) < 1e-4
    # an ellipse of area pi w s log(1.2) in 4 x 1: 1.4e-9 of all points, 0.0014 hits in a million
    # (0.014 in ten million: `for _ in range(10)` around the next three lines)
    rng = np.random.default_rng(1)
    sampled = rg.Function(gap)(x=rng.uniform(-2, 2, 10**6), tau=rng.uniform(0, 1, 10**6))
    assert sampled.min() > 0
    # the same drifts as plain functions: nothing is seen, and nothing is claimed
    plain = [fp.Process(system(g).drift, 0.0, POINT, 1.0) for g in (f, f + gap)]
    found = compare(*plain, region={"x": (-2, 2)}, **SHORT)
    assert status(found)["ordered"] == "undecided" and not found.applies
    assert "function only" in found.hypothesis("ordered").detail


def test_shallow_dip_is_not_called_proved():
    f = rg.tanh(X) - X
    for bend in (0, 3):
        above = system(f + dip("0.05", "1e-9", bend))
        found = compare(system(f), above, region={"x": (-2, 2)}, n_paths=0)
        assert status(found)["ordered"] != "proved"
        above = system(f + dip("0.05", "-1e-2", bend))
        found = compare(system(f), above, region={"x": (-2, 2)}, n_paths=0)
        assert_applies(found, "scalar-ode")


def test_hidden_fall_of_a_coupling():
    # quasi-monotone but for a spot of width 1e-4
    push = rg.exp(-(((X1 - CENTRE) / WIDTH) ** 2))
    f = [-X0 + X1 / 100 - N("2e-6") * push, -X1]
    box = {"x0": (-1, 1), "x1": (-2, 2)}
    found = compare(system(f), system([f[0] + 1, f[1]]), region=box, n_paths=0)
    assert_refuted(found, "quasi-monotone")
    assert abs(float(found.hypothesis("quasi-monotone").witness["x1"]) - 0.618) < 1e-3


def test_other_noise_is_refuted():
    assert_refuted(compare(system(-X, noise=1), system(1 - X, noise=2), n_paths=0), "noise")
    found = compare(system(-X, noise=X), system(1 - X, noise=2 * X), n_paths=0)
    assert_refuted(found, "noise")
    found = compare(system(-X, noise=rg.sqrt(N(2))), system(1 - X, noise=rg.sqrt(N(3))), n_paths=0)
    assert_refuted(found, "noise")
    a, b = (fp.Process(lambda x, tau: -x, g, POINT, 1.0) for g in (0.5, lambda tau: 0.5 + tau))
    assert status(compare(a, b, n_paths=0))["noise"] == "refuted"


def test_start_out_of_order_is_refuted():
    found = compare(system(-X), system(1 - X), starts=(0.5, 0.0), **SHORT)
    assert_refuted(found, "start")
    assert found.conclusion.real == 400
    assert_applies(compare(system(-X), system(1 - X), starts=(0.0, 0.5), **SHORT), "scalar-ode")


# --- plain functions -----------------------------------------------------------------------------


def test_plain_functions_are_refuted_but_never_proved():
    below = fp.Process(lambda x, tau: -x, 0.5, POINT, 1.0)
    above = fp.Process(lambda x, tau: 1 - x, 0.5, POINT, 1.0)
    found = compare(below, above, **SHORT)
    assert not found.applies and found.theorem.id == "scalar-ode"
    assert status(found)["ordered"] == status(found)["Lipschitz"] == "undecided"
    assert found.conclusion.real == 0
    wavy = fp.Process(lambda x, tau: np.sin(x) - x, 0.5, POINT, 1.0)
    found = compare(below, wavy, **SHORT)
    assert_refuted(found, "ordered")
    witness = found.hypothesis("ordered").witness
    assert np.sin(witness["x"]) < 0
    # one expression: what is about it alone can be proved
    found = compare(system(-X, noise=0.5), above, **SHORT)
    assert status(found) == {
        **dict.fromkeys(("start", "noise", "Lipschitz"), "proved"),
        "ordered": "undecided",
    }


def test_plain_system_that_is_not_quasi_monotone():
    def drift(x, tau):
        return np.stack([-x[..., 0] - np.tanh(x[..., 1]), -x[..., 1]], axis=-1)

    a = fp.Process(drift, 0.5, PLANE, 1.0)
    b = fp.Process(lambda x, tau: 1 + drift(x, tau), 0.5, PLANE, 1.0)
    found = compare(a, b, **SHORT)
    assert_refuted(found, "quasi-monotone")
    assert found.conclusion.real == 0


# --- regions, functions, reports -----------------------------------------------------------------


def test_paths_that_leave_the_region_are_counted():
    f = -(X**3)
    found = compare(system(f, noise=1), system(f + 1, noise=1), region={"x": (-1, 1)}, **SHORT)
    assert_applies(found, "scalar-ode")
    c = found.conclusion
    assert 0 < c.left < 400 and c.judged == 400 - c.left
    assert f"{c.left} left the region" in str(c)
    # ordered inside, reversed outside: the paths outside do not count
    gap = 1 - X**2
    found = compare(system(0 * X), system(gap), region={"x": (-1, 1)}, **SHORT)
    assert found.applies and found.conclusion.left > 100 and found.conclusion.real == 0


def test_functions_of_the_state():
    found = compare(system(-X), system(1 - X), order=rg.tanh(X), **SHORT)
    assert_applies(found, "scalar-ode")
    found = compare(system(1 - X), system(-X), order=-(X**3), **SHORT)
    assert_applies(found, "scalar-ode")
    found = compare(system(-X), system(1 - X), order=X**2, **SHORT)
    assert found.theorem is None and "monotone" in str(found) and found.conclusion.real > 0
    plane = system([-X0, -X1]), system([1 - X0, -X1])
    found = compare(*plane, order=X0 * X1, **SHORT)
    assert found.theorem is None and "more than one dimension" in str(found)
    assert_applies(compare(*plane, order=X0 + 0 * X1, **SHORT), "scalar-ode")


def test_report_keeps_hypotheses_and_conclusion_apart():
    f = system(-X, noise=0.5)
    found = compare(f, system(1 - X, noise=0.5), **SHORT)
    text = str(found).split("conclusion")
    assert len(text) == 2 and "[proved] ordered" in text[0] and "real 0" in text[1]
    with pytest.raises(ValueError, match="name must be one of start, noise"):
        found.hypothesis("start of it")


def test_paths_do_not_depend_on_threads():
    pair = system(-X, noise=0.5), system(rg.tanh(X) - X, noise=0.5)
    one, two = (compare(*pair, threads=k, n_paths=9_000, n_steps=10) for k in (1, 2))
    assert one.conclusion == two.conclusion and one.conclusion.real > 0
    other = compare(*pair, seed=1, n_paths=9_000, n_steps=10)
    assert other.conclusion != one.conclusion


def test_own_systems_run_what_is_decided():
    drift = [rg.exp(-X0) * TAU + X1, -X1]
    made = system(drift, noise=2)
    x = np.random.default_rng(0).normal(size=(7, 2))
    expected = np.stack([np.exp(-x[:, 0]) * 0.3 + x[:, 1], -x[:, 1]], axis=1)
    assert np.allclose(made.drift(x, 0.3), expected, rtol=1e-15)
    assert made.noise(0.1) == 2 and isinstance(made, fp.Process)
    line = system(-X * TAU, noise=1 + TAU)
    assert np.allclose(line.drift(x[:, 0], 0.5), -0.5 * x[:, 0]) and line.noise(0.5) == 1.5


GOOD = system(-X), system(1 - X)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare(GOOD[0], 3), "upper must be a process, got 3"),
        (lambda: compare(GOOD[0], system(X, horizon=2.0)), "horizon must be the same"),
        (lambda: compare(GOOD[0], system([X0, X1])), "dimension must be the same"),
        (lambda: compare(*GOOD, order="z"), "order must be componentwise"),
        (lambda: compare(*GOOD, order=[[1, 2]]), "order must be nonzero vectors of length 1"),
        (lambda: compare(*GOOD, order=[["a"]]), "order must be vectors of numbers"),
        (lambda: compare(*GOOD, order=X0), "order must depend on"),
        (lambda: compare(*GOOD, order="log-ratios"), "order 'log-ratios' needs two reverse"),
        (lambda: compare(*GOOD, region={"y": (0, 1)}), "region must bound coordinates"),
        (lambda: compare(*GOOD, region={"x": (1, 0)}), "must have low <= high"),
        (lambda: compare(*GOOD, theorem="gronwall"), "theorem must be one of auto, scalar-ode"),
        (lambda: compare(*GOOD, rule="heun"), "rule must be one of"),
        (lambda: compare(*GOOD, starts=[1.0]), "starts must be two laws or points"),
        (lambda: compare(*GOOD, starts=2.0), "starts must be two laws or points"),
        (lambda: compare(*GOOD, equals=[]), "equals must have 1 forms, got 0"),
        (lambda: compare(*GOOD, n_paths=-1), "n_paths must be >= 0, got -1"),
        (lambda: compare(GOOD[0], step_map(X, n_steps=2)), "must be the same|step map"),
        (lambda: compare(GOOD[0], system(rg.variables("y")[0], names="y")), "names must be the"),
        (lambda: system(lambda x, tau: x), "drift must be expressions"),
        (lambda: system([X0, X]), "drift must depend on .* got 'x'"),
        (lambda: system([X0, X1], noise=[1]), "noise must have 2 components, got 1"),
        (lambda: system(X, time="x"), "time must differ from the coordinates"),
        (lambda: system(X, initial=PLANE), "initial must be a GaussianMixture in dimension 1"),
        (lambda: system(X, horizon=0), "horizon must be > 0"),
        (lambda: step_map(X, n_steps=0), "n_steps must be >= 1, got 0"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
