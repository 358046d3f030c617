"""Schedules against quadrature, extended precision and the processes made of them."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

import fokker_planck as fp
from fokker_planck.model import Schedule
from fokker_planck.model.schedule import horizon_limits

SCHEDULES = [
    fp.OrnsteinUhlenbeck(),
    fp.LinearVP(),
    fp.LinearVP(0.0, 5.0, span=2.0),
    fp.Cosine(),
    fp.Cosine(offset=0.0),
    fp.VarianceExploding(),
    fp.VarianceExploding(rate=3.0),
]
PAIR = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("share", [1e-3, 0.3, 0.9])
def test_signal_and_variance_are_the_integrals_that_define_them(schedule, share):
    """Log r = int f, and v = r^2 int g^2 / r^2."""
    t = share * horizon_limits(schedule)[0]
    log_r = quad(lambda s: float(schedule.drift_rate(s)), 0, t, epsabs=1e-13)[0]
    assert np.log(schedule.signal(t)) == pytest.approx(log_r, rel=1e-9, abs=1e-12)
    grown = quad(
        lambda s: 2 * float(schedule.diffusivity(s)) / float(schedule.signal(s)) ** 2,
        0,
        t,
        epsrel=1e-12,
    )[0]
    assert schedule.variance(t) == pytest.approx(schedule.signal(t) ** 2 * grown, rel=1e-9)


@pytest.mark.parametrize("t", [1e-14, 1e-8, 1e-3, 0.2, 0.95])
def test_small_variances_keep_their_relative_accuracy(t):
    with mpmath.workdps(50):
        s, x = mpmath.mpf("0.008"), mpmath.mpf(t)
        angle, start = (mpmath.pi / 2 * (y + s) / (1 + s) for y in (x, 0))
        cosine = 1 - (mpmath.cos(angle) / mpmath.cos(start)) ** 2
        spent = mpmath.mpf("0.1") * x + (20 - mpmath.mpf("0.1")) * x * x / 2
        linear = 1 - mpmath.exp(-spent)
    assert fp.Cosine().variance(t) == pytest.approx(float(cosine), rel=3e-13)
    assert fp.LinearVP().variance(t) == pytest.approx(float(linear), rel=1e-14)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_the_closed_weight_of_the_exponential_rule_is_its_integral(schedule):
    if not hasattr(schedule, "score_weight"):
        return
    t, s = (share * horizon_limits(schedule)[0] for share in (0.8, 0.5))

    def integrand(u: float) -> float:
        return float(schedule.diffusivity(u) * schedule.signal(s) / schedule.signal(u))

    assert schedule.score_weight(t, s) == pytest.approx(quad(integrand, s, t)[0], rel=1e-10)


@pytest.mark.parametrize(
    ("schedule", "horizon", "variance"),
    [
        (None, 5.0, 1.0),
        (fp.LinearVP(), 1.0, 1.0),
        (fp.LinearVP(span=3.0), 3.0, 1.0),
        (fp.Cosine(), 0.99, 1.0),
        (fp.VarianceExploding(), 5.0, 5.0),
        (fp.VarianceExploding(2.0), 5.0, 10.0),
    ],
    ids=repr,
)
def test_default_horizons_and_starts(schedule, horizon, variance):
    process = fp.reverse_process(PAIR, 1, schedule=schedule)
    assert process.horizon == process.start_time == horizon
    assert process.initial.covariances[0, 0, 0] == variance
    exact = fp.reverse_process(PAIR, 1, schedule=schedule, initial="exact")
    r, v = (float(f(horizon)) for f in (exact.schedule.signal, exact.schedule.variance))
    assert exact.initial.covariances[0, 0, 0] == pytest.approx(r * r + v)


def test_names():
    assert isinstance(fp.schedule_named("ve", rate=2.0), fp.VarianceExploding)
    for name, schedule in (("ou", "OrnsteinUhlenbeck"), ("linear-vp", "LinearVP")):
        assert type(fp.schedule_named(name)).__name__ == schedule
    for schedule in SCHEDULES:
        assert isinstance(schedule, Schedule)
        again = fp.schedule_named(**schedule.spec())
        assert again.spec() == schedule.spec()


def test_a_users_own_schedule_is_taken():
    class Slow:
        """OU at half speed."""

        name = "slow"
        inner = fp.OrnsteinUhlenbeck()

        def signal(self, t):
            return self.inner.signal(0.5 * np.asarray(t))

        def variance(self, t):
            return self.inner.variance(0.5 * np.asarray(t))

        def drift_rate(self, t):
            return 0.5 * self.inner.drift_rate(t)

        def diffusivity(self, t):
            return 0.5 * self.inner.diffusivity(t)

        def stationary_variance(self, horizon):
            return 1.0

        def spec(self):
            return {"name": self.name}

    slow = fp.reverse_process(PAIR, 1, strength=2.0, schedule=Slow(), horizon=6.0)
    fast = fp.reverse_process(PAIR, 1, strength=2.0, horizon=3.0)
    x = np.linspace(-3, 3, 7)
    assert slow.horizon == 6.0
    assert np.allclose(slow.drift(x, 2.0), 0.5 * fast.drift(x, 1.0), rtol=1e-14)
    assert np.allclose(slow.noise(2.0), fast.noise(1.0) * np.sqrt(0.5))


def test_early_stopping_is_the_same_process_cut_short():
    long = fp.reverse_process(PAIR, 1, strength=2.0, schedule=fp.Cosine())
    short = fp.reverse_process(PAIR, 1, strength=2.0, schedule=fp.Cosine(), stop=0.1)
    assert (short.stop, short.start_time) == (0.1, pytest.approx(0.99))
    assert short.horizon == pytest.approx(0.89)
    x = np.linspace(-3, 3, 7)
    for tau in (0.0, 0.4, 0.88):
        assert np.allclose(short.drift(x, tau), long.drift(x, tau), rtol=1e-11)
    # the output time is met exactly
    assert float(short.forward_time(short.horizon)) == 0.1
    assert float(short.forward_time(short.horizon + 1.0)) == 0.1
    assert "stop" in short.spec() and "stop" not in long.spec()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fp.LinearVP(-1.0), "beta_min must be >= 0"),
        (lambda: fp.LinearVP(3.0, 1.0), "beta_max must be >= 3"),
        (lambda: fp.LinearVP(0.0, 0.0), "beta_max must be > 0"),
        (lambda: fp.LinearVP(0.1, 1e9), "beta_max must leave a signal"),
        (lambda: fp.LinearVP(span=0.0), "span must be > 0"),
        (lambda: fp.Cosine(-0.1), "offset must be >= 0"),
        (lambda: fp.VarianceExploding(0.0), "rate must be >="),
        (lambda: fp.schedule_named("vp"), "schedule must be one of ou, linear-vp, cosine, ve"),
        (lambda: fp.reverse_process(PAIR, 1, schedule=fp.Cosine(), horizon=1.0), "horizon must"),
        (lambda: fp.reverse_process(PAIR, 1, schedule=fp.LinearVP(), horizon=2.0), "horizon must"),
        (lambda: fp.reverse_process(PAIR, 1, stop=-0.1), "stop must be >= 0"),
        (lambda: fp.reverse_process(PAIR, 1, stop=5.0), "stop must lie below the horizon 5"),
        (lambda: fp.reverse_process(PAIR, 1, stop=1e-300), "stop must be 0 or >="),
        (lambda: fp.reverse_process(PAIR, 1, stop="soon"), "stop must be a real number"),
    ],
)
def test_bad_input_names_the_field_in_one_line(make, words):
    with pytest.raises(ValueError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
