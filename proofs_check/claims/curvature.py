r"""K1, K2: log P_t(y|x) is concave, and guidance contracts: each proved for a continuum of models.

Nothing is derived by hand: the functions are second derivatives of log P_t(y|x), formed by the
rules of differentiation, and the sums of squares that exhibit their sign are compared with them in
exact arithmetic. Statements and proofs: docs/theory.md, K1 and K2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from proofs_check.claims.hypotheses import (
    COMMON,
    CONSTANT,
    ISOTROPIC,
    OU,
    REGULAR,
    SMALL,
    rivals,
)
from proofs_check.claims.proofs import proof_evidence, replayed_witness
from proofs_check.claims.tables import case
from proofs_check.evidence import Evidence, Witness
from proofs_check.registry import Case, Claim, Context, Level
from sde_compare import regions as rg

Range = dict[str, tuple[object, object]]
REALS = ("-inf", "inf")


class Model:
    """K Gaussian components in dimension d with symbols for everything: means, weights, point.

    The point moves along a line, x + z e, so that directional derivatives are derivatives in z.
    """

    def __init__(self, components: int, dimension: int) -> None:
        self.k, self.d = components, dimension
        axes = range(dimension)
        self.means = [rg.variables([f"m{k}{i}" for i in axes]) for k in range(components)]
        self.weights = rg.variables([f"a{k}" for k in range(components)])  # log-weights
        self.point = rg.variables([f"x{i}" for i in axes])
        self.direction = rg.variables([f"e{i}" for i in axes])
        (self.z,) = rg.variables("z")
        names = [v.value for v in (*self.weights, *self.point, *self.direction, self.z)]
        names += [v.value for mean in self.means for v in mean]
        self.region: Range = dict.fromkeys(names, REALS)

    def moved(self) -> list[rg.Expr]:
        """Return the point x + z e."""
        pairs = zip(self.point, self.direction, strict=True)
        return [x + self.z * e for x, e in pairs]

    def pairs(self) -> list[tuple[int, int]]:
        """Return all pairs of components."""
        return list(combinations(range(self.k), 2))


def second(f: rg.Expr) -> rg.Expr:
    """Return the second derivative along the line."""
    return rg.derivative(rg.derivative(f, "z"), "z")


def concavity(components: int, dimension: int) -> rg.Decision:
    r"""Decide -e' Hess log P_t(y|x) e >= 0 for every common covariance.

    Sigma_t = L L' with L lower triangular, the diagonal written as exponentials; the means are
    those at time t, r mu_k, hence any vectors.
    """
    model = Model(components, dimension)
    grow = rg.variables([f"h{i}" for i in range(dimension)])
    below = {(i, j): rg.variables(f"l{i}{j}")[0] for i in range(dimension) for j in range(i)}

    def solved(v: Sequence[rg.Expr]) -> list[rg.Expr]:
        """Return L^-1 v by forward substitution."""
        out: list[rg.Expr] = []
        for i in range(dimension):
            rest = rg.total([v[i], *(-below[i, j] * out[j] for j in range(i))])
            out.append(rest * rg.exp(-grow[i]))
        return out

    x = model.moved()
    terms = []
    for weight, mean in zip(model.weights, model.means, strict=True):
        y = solved([a - m for a, m in zip(x, mean, strict=True)])
        terms.append(weight - rg.total([v**2 for v in y]) / 2)
    f = -second(terms[0] - rg.lse(*terms))
    shares, ahead = rg.shares(*terms), solved(model.direction)
    squares = []
    for k, m in model.pairs():
        gap = solved([a - b for a, b in zip(model.means[k], model.means[m], strict=True)])
        squares.append(shares[k] * shares[m] * _dot(gap, ahead) ** 2)
    names = [v.value for v in (*grow, *below.values())]
    region = {**model.region, **dict.fromkeys(names, REALS)}
    return rg.decide(f, region, equals=rg.total(squares), name="-e' Hess log P(y|x) e")


def contraction(components: int, dimension: int) -> rg.Decision:
    r"""Decide alpha |e|^2 - e' grad b e >= 0 with alpha = 1 - (1 + lambda^2) / s_t.

    Ornstein-Uhlenbeck, covariance sigma^2 I; the strength, lambda^2 and t are variables.
    """
    model = Model(components, dimension)
    t, eta, level, log_variance = rg.variables("t eta lambda2 log_sigma2")
    r = rg.exp(-t)
    s = r**2 * rg.exp(log_variance) + (1 - r) * (1 + r)  # a sum whose sign shows
    x = model.moved()

    def gap(mean: Sequence[rg.Expr]) -> list[rg.Expr]:
        return [a - r * m for a, m in zip(x, mean, strict=True)]

    quadratic = [rg.total([v**2 for v in gap(mean)]) / (2 * s) for mean in model.means]
    terms = [w - q for w, q in zip(model.weights, quadratic, strict=True)]
    log_p = terms[0] - rg.lse(*terms)
    size = rg.total([e**2 for e in model.direction])
    # <e, b(x + z e)> is the derivative in z of |x + z e|^2 / 2 + (1 + lambda^2)(log p + eta log P)
    potential = rg.total([v**2 for v in x]) / 2 + (1 + level) * (eta * log_p - quadratic[0])
    f = (1 - (1 + level) / s) * size - second(potential)
    shares = rg.shares(*terms)
    squares = []
    for k, m in model.pairs():
        between = [a - b for a, b in zip(model.means[k], model.means[m], strict=True)]
        squares.append(shares[k] * shares[m] * _dot(between, model.direction) ** 2)
    form = rg.product([1 + level, eta, (r / s) ** 2, rg.total(squares)])
    region = {
        **model.region,
        "t": (0, "inf"),
        "eta": (0, "inf"),
        "lambda2": (0, "inf"),
        "log_sigma2": REALS,
    }
    return rg.decide(f, region, equals=form, name="alpha |e|^2 - e' grad b e")


def _dot(a: Sequence[rg.Expr], b: Sequence[rg.Expr]) -> rg.Expr:
    return rg.total([x * y for x, y in zip(a, b, strict=True)])


def shape(item: Case) -> tuple[int, int]:
    """Return the number of components of positive weight, and the dimension."""
    return 1 + len(rivals(item.process)), item.process.dimension


def cases(level: Level, seed: int) -> Sequence[Case]:
    """Return one model for every number of components and dimension: the proof is for all."""
    table = [case("two", 3, "sde"), case("three-extreme", 4, "sde"), case("plane-three", 2, "sde")]
    if level == "full":
        table += [case("plane-two", 2, "sde"), case("plane-four", 2, "sde")]
    return table


def gather_concavity(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the proof for the case's number of components and dimension."""
    k, d = shape(item)
    text = (
        f"{k} components in dimension {d}: -e' Hess log P_t(y|x) e >= 0 for all points x + z e and "
        "directions e, all weights exp(a), all means (at time t) and all covariances L L' that the "
        "components have in common at time t."
    )
    return [proof_evidence("concavity of log P(y|x)", text, [concavity(k, d)])]


def gather_contraction(item: Case, context: Context) -> Sequence[Evidence]:
    """Return the proof for the case's number of components and dimension."""
    k, d = shape(item)
    text = (
        f"{k} components in dimension {d}: e' grad b e <= (1 - (1 + lambda^2) / s_t) |e|^2 for all "
        "points and directions, means, weights, variances sigma^2, strengths, noise levels and "
        "times; for sigma^2 = 1 and the SDE the factor is -1."
    )
    return [proof_evidence("contraction of the guided drift", text, [contraction(k, d)])]


def confirm(item: Case, context: Context, failed: Evidence) -> Witness:
    """Evaluate the point again in Arb."""
    return replayed_witness(failed)


K1 = Claim(
    id="K1",
    title="log P_t(y|x) is concave in x",
    statement=(
        "With a common covariance, x -> log P_t(y|x) is concave, at every time, for all means, "
        "weights and covariances."
    ),
    latex=r"\Sigma_k=\Sigma \;\Longrightarrow\; \nabla^2_x \log P_t(y\,|\,x) \preceq 0",
    status="theorem",
    hypotheses=(COMMON, SMALL),
    cases=cases,
    gather=gather_concavity,
    confirm=confirm,
    covers=frozenset({CONSTANT.name}),
    proves=True,
    note="Proved for all models of that number of components and dimension, not for one.",
)

K2 = Claim(
    id="K2",
    title="Guidance contracts",
    statement=(
        "With covariance sigma^2 I the guided drift contracts at least as fast as the unguided "
        "one, grad b_eta <= grad b_0 = alpha I, for all means, weights, strengths, noise levels "
        "and times; for sigma = 1 and the SDE grad b_eta <= -I."
    ),
    latex=r"\Sigma_k=\sigma^2 I \;\Longrightarrow\; \nabla b_\eta \preceq \nabla b_0 = \alpha I",
    status="theorem",
    hypotheses=(ISOTROPIC, OU, REGULAR, SMALL),
    cases=cases,
    gather=gather_contraction,
    confirm=confirm,
    proves=True,
    note="The step behind E2. Proved for all models of that number of components and dimension.",
)
