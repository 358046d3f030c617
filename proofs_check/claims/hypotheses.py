"""Hypotheses of the theorems, decided exactly for the floats that a process holds.

Every number of a model is a float, that is, a rational number. Conditions that are polynomial in
them are decided in rational arithmetic, so "proved" and "refuted" are meant literally.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, combinations_with_replacement

import numpy as np

from fokker_planck import ReverseProcess
from proofs_check.registry import Condition, Hypothesis


def rivals(process: ReverseProcess) -> list[int]:
    """Return the components k != y of positive weight."""
    weights = process.mixture.weights
    return [k for k in range(weights.size) if k != process.target and weights[k] > 0]


def exact_gram(process: ReverseProcess) -> dict[tuple[int, int], Fraction]:
    """Return <mu_y - mu_k, mu_y - mu_l> for k <= l, exactly."""
    means = [[Fraction(float(x)) for x in row] for row in process.mixture.means]
    own = means[process.target]
    v = {k: [a - b for a, b in zip(own, means[k], strict=True)] for k in rivals(process)}
    return {
        (k, m): sum((a * b for a, b in zip(v[k], v[m], strict=True)), Fraction(0))
        for k, m in combinations_with_replacement(sorted(v), 2)
    }


def _gram(process: ReverseProcess) -> Condition:
    gram = exact_gram(process)
    bad = {pair: value for pair, value in gram.items() if value < 0}
    if bad:
        (k, m), value = min(bad.items(), key=lambda item: item[1])
        return Condition("refuted", f"G[{k},{m}] = {float(value):.6g} < 0 in exact arithmetic")
    least = min(gram.values(), default=Fraction(0))
    return Condition("proved", f"all {len(gram)} entries >= {float(least):.6g} in exact arithmetic")


def _not_gram(process: ReverseProcess) -> Condition:
    found = _gram(process)
    return Condition("proved" if found.status == "refuted" else "refuted", found.detail)


def _common(process: ReverseProcess) -> Condition:
    used = [process.target, *rivals(process)]
    covariances = process.mixture.covariances[used]
    if np.all(covariances == covariances[0]):
        return Condition("proved", "the covariances are equal to the bit")
    return Condition("refuted", "the covariances of the components differ")


def _not_common(process: ReverseProcess) -> Condition:
    found = _common(process)
    return Condition("proved" if found.status == "refuted" else "refuted", found.detail)


def _isotropic(process: ReverseProcess) -> Condition:
    common = _common(process)
    if common.status == "refuted":
        return common
    own = process.mixture.covariances[process.target]
    if np.all(own == own[0, 0] * np.eye(process.dimension)):
        return Condition("proved", f"every covariance is {own[0, 0]:.6g} times the identity")
    return Condition("refuted", "the common covariance is not a multiple of the identity")


def _two(process: ReverseProcess) -> Condition:
    count = 1 + len(rivals(process))
    return Condition(
        "proved" if count == 2 else "refuted", f"{count} components of positive weight"
    )


def _noise(process: ReverseProcess) -> str:
    return f"the noise level is {process.noise_level:g}"


def _is_ode(process: ReverseProcess) -> Condition:
    return Condition("proved" if process.noise_level == 0 else "refuted", _noise(process))


def _is_sde(process: ReverseProcess) -> Condition:
    return Condition("proved" if process.noise_level == 1 else "refuted", _noise(process))


def _is_noisy(process: ReverseProcess) -> Condition:
    return Condition("proved" if process.noise_level > 0 else "refuted", _noise(process))


def _gaussian_start(process: ReverseProcess) -> Condition:
    initial = process.initial
    if int(np.count_nonzero(initial.weights)) != 1:
        return Condition("refuted", f"the start is a mixture of {initial.n_components}")
    own = initial.covariances[int(np.argmax(initial.weights))]
    if np.all(own == own[0, 0] * np.eye(initial.dimension)):
        return Condition("proved", f"the start is Gaussian with variance {own[0, 0]:.6g}")
    return Condition("refuted", "the covariance of the start is not a multiple of the identity")


def _constant(process: ReverseProcess) -> Condition:
    name = process.guidance.name
    return Condition("proved" if name == "constant" else "refuted", f"the rule is {name!r}")


def _dimension_one(process: ReverseProcess) -> Condition:
    d = process.dimension
    return (
        Condition("proved") if d == 1 else Condition("undecided", f"no density solver for d = {d}")
    )


def _ornstein_uhlenbeck(process: ReverseProcess) -> Condition:
    name = process.schedule.name
    return Condition("proved" if name == "ou" else "refuted", f"the schedule is {name!r}")


def _unguided(process: ReverseProcess) -> Condition:
    zero = process.strength == 0
    return Condition("proved" if zero else "refuted", f"the strength is {process.strength:g}")


def _one_gaussian(process: ReverseProcess) -> Condition:
    count = process.mixture.members(process.target).size
    if count == 1 and process.mixture.labels is None:
        return Condition("proved")
    what = f"the class of the target has {count} components" if count > 1 else "there are labels"
    return Condition("refuted", what)


def _exact(process: ReverseProcess) -> Condition:
    error = process.perturbation
    if error is None:
        return Condition("proved")
    return Condition("refuted", f"the {error.kind} has a stated error")


def _unit(process: ReverseProcess) -> Condition:
    own = process.mixture.covariances[process.target]
    one = bool(np.all(own == np.eye(process.dimension)))
    return Condition("proved" if one else "refuted", f"the covariance is {own.tolist()}")


def _line(process: ReverseProcess) -> Condition:
    d = process.dimension
    return Condition("proved" if d == 1 else "refuted", f"the dimension is {d}")


def _regular(process: ReverseProcess) -> Condition:
    singular = process.mixture.singular
    return Condition("refuted" if singular else "proved", "point masses" if singular else "")


UNIT = Hypothesis("unit covariance", "every component has covariance I", _unit)


def _whole(process: ReverseProcess) -> Condition:
    return Condition("refuted" if process.stop else "proved", f"the output is at {process.stop:g}")


WHOLE = Hypothesis("no early stopping", "the output is at forward time 0", _whole)
LINE = Hypothesis("on the line", "the data are one-dimensional", _line)
REGULAR = Hypothesis("no point masses", "the variances are positive", _regular)


def _small(process: ReverseProcess) -> Condition:
    k, d = 1 + len(rivals(process)), process.dimension
    if k * d <= 10 and d <= 3:
        return Condition("proved", f"{k} components in dimension {d}")
    return Condition("undecided", f"{k} components in dimension {d}: the identity has not been run")


SMALL = Hypothesis("size", "at most 10 coordinates of means, dimension at most 3", _small)


def movers(process: ReverseProcess) -> dict[int, tuple[Fraction, ...]]:
    """Return the distinct vectors v_k = mu_y - mu_k other than 0, each by its first component.

    Components with one mean act as one with the sum of their weights, and a rival with the
    target's own mean has a constant log-ratio.
    """
    means = [[Fraction(float(x)) for x in row] for row in process.mixture.means]
    own = means[process.target]
    found: dict[int, tuple[Fraction, ...]] = {}
    for k in rivals(process):
        v = tuple(a - b for a, b in zip(own, means[k], strict=True))
        if any(v) and v not in found.values():
            found[k] = v
    return found


def monotone_kind(process: ReverseProcess) -> str:
    """Return which case of T1-mono applies: "two", "line", "orthogonal", or "".

    "line": all v_k point the same way, so that the log-ratios depend on one coordinate and the
    target's mean is extreme on that line.
    """
    keys, gram = list(movers(process)), exact_gram(process)
    if len(keys) < 2:
        return "two"
    pairs = [(min(k, m), max(k, m)) for k, m in combinations(keys, 2)]
    if all(gram[p] > 0 and gram[p] ** 2 == gram[p[0], p[0]] * gram[p[1], p[1]] for p in pairs):
        return "line"
    return "orthogonal" if all(gram[p] == 0 for p in pairs) else ""


def _monotone(process: ReverseProcess) -> Condition:
    kind = monotone_kind(process)
    known = {
        "two": "two components, or means",
        "line": "the means lie on a line, the target's at its end",
        "orthogonal": "the v_k are orthogonal in exact arithmetic",
    }
    if kind:
        return Condition("proved", known[kind])
    words = "three means or more: neither orthogonal nor all on one side of a line"
    return Condition("refuted", words)


MONOTONE = Hypothesis(
    "monotone case",
    "two components, or means on a line with the target's at its end, or orthogonal mu_y - mu_k",
    _monotone,
)
GRAM = Hypothesis(
    "Gram condition", "<mu_y - mu_k, mu_y - mu_l> >= 0 for all k, l != y of positive weight", _gram
)
NOT_GRAM = Hypothesis(
    "Gram condition dropped", "<mu_y - mu_k, mu_y - mu_l> < 0 for some k, l != y", _not_gram
)
COMMON = Hypothesis("common covariance", "all components have one covariance", _common)
ISOTROPIC = Hypothesis(
    "common isotropic covariance", "all components have covariance sigma^2 I", _isotropic
)
NOT_COMMON = Hypothesis("unequal covariances", "the components differ in covariance", _not_common)
TWO = Hypothesis("two components", "exactly two components have positive weight", _two)
ODE = Hypothesis("ODE sampler", "noise level 0", _is_ode)
SDE = Hypothesis("SDE sampler", "noise level 1", _is_sde)
NOISY = Hypothesis("sampler with noise", "noise level above 0", _is_noisy)
GAUSSIAN_START = Hypothesis(
    "Gaussian start", "the initial law is one Gaussian, isotropic", _gaussian_start
)
CONSTANT = Hypothesis("constant strength", "one strength at every noise level", _constant)
ONE_D = Hypothesis("dimension one", "the data are one-dimensional", _dimension_one)
OU = Hypothesis(
    "Ornstein-Uhlenbeck", "the forward process is dX = -X dt + sqrt(2) dB", _ornstein_uhlenbeck
)
UNGUIDED = Hypothesis("strength 0", "the guidance strength is 0", _unguided)
ONE_GAUSSIAN = Hypothesis(
    "class of one Gaussian", "the target's class is a single component", _one_gaussian
)
EXACT = Hypothesis("exact scores", "score and classifier are those of the model", _exact)
#: what every claim supposes unless it says that it covers more; reported where it is not so
IMPLIED = (ONE_GAUSSIAN, CONSTANT, EXACT)
