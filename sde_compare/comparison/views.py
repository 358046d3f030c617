r"""What a theorem looks at: two drifts or step maps in the coordinates of an order.

In the rows of W a state is q = W x. With W of full row rank, right inverse W^+ and null space N,
the drift f is one of q alone if W (grad f) N = 0, and its slopes there are
:math:`\Lambda = W\,(\nabla f)\,W^+`. Where grad f is a multiple of the identity, it is that
multiple for any W. For log-ratios the system in q is written down itself,

.. math:: q_j' = \alpha q_j + \beta\,(\langle w_j, \mu_y\rangle
                 + \eta \sum_k \langle w_j, v_k\rangle P_k(q)),

on all of space and all times at once. That W b has this form, and that the difference of two
strengths is :math:`(\eta' - \eta)\beta \sum_k \langle w_j, v_k\rangle P_k`, is checked in exact
arithmetic for all alpha, beta and log-ratios, as free variables; there remains beta >= 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fokker_planck.model import ReverseProcess
from sde_compare.comparison.hypotheses import Condition, jacobian
from sde_compare.comparison.linear import (
    combination,
    null_space,
    parallel,
    rank,
    right_inverse,
    solve,
    transpose,
)
from sde_compare.comparison.order import Order, ratio_rows
from sde_compare.comparison.steps import step_coefficients
from sde_compare.comparison.system import Diffusion, StepMap, System, substitute
from sde_compare.observables import share_classifier
from sde_compare.regions import Expr, Region, derivative, number, total, variables
from sde_compare.symbolic import (
    affine_log_ratios,
    clock,
    fraction,
    guidance_masses,
    guided,
    inner,
    isotropic,
    mean,
    pull,
    rivals,
    single,
    symbolic,
)

SIDES = ("lower", "upper")


@dataclass(frozen=True, eq=False)
class Described:
    """A process with its expressions, if it has any."""

    process: Any
    names: tuple[str, ...]
    time: str
    terms: tuple[Expr, ...] | None = None
    amplitude: tuple[Expr, ...] | None = None
    why: str = ""
    stepped: bool = False

    @property
    def discrete(self) -> bool:
        """Whether it is a step map."""
        return isinstance(self.process, StepMap)


def names_of(process: Any) -> tuple[str, ...]:
    """Return the usual names of a process's coordinates."""
    d = process.dimension
    return ("x",) if d == 1 else tuple(f"x{i}" for i in range(d))


def described(process: Any, names: tuple[str, ...] | None = None, time: str = "tau") -> Described:
    """Return a process with its expressions; without them ``why`` says why there are none."""
    if isinstance(process, (System, Diffusion, StepMap)):
        return Described(process, process.names, process.time, process.terms, process.amplitude)
    d = process.dimension
    own = names or names_of(process)
    if isinstance(process, ReverseProcess):
        try:
            found = symbolic(process)
        except ValueError as problem:
            return Described(process, own, time, why=str(problem))
        given = {
            a: variables(b)[0]
            for a, b in zip((*found.names, found.time), (*own, time), strict=True)
        }
        terms = tuple(substitute(e, given) for e in found.drift)
        noise = substitute(found.noise, given)
        return Described(process, own, time, terms, (noise,) * d)
    return Described(process, own, time, why="given as a function only")


@dataclass(frozen=True, eq=False)
class Side:
    """One process in the coordinates of the order.

    Attributes
    ----------
    slopes : list of list of Expr
        Lambda: how row i of W f changes with coordinate j of the order.
    feed : list of (str, Expr)
        What must vanish for W f to be a function of the order's coordinates.
    """

    slopes: list[list[Expr]]
    feed: list[tuple[str, Expr]]


@dataclass(frozen=True, eq=False)
class Abstract:
    """Two strengths of one model, with alpha, beta >= 0 and the log-ratios as free variables.

    ``gap`` and ``links`` are on ``region``; ``signs``, on ``times``, say that beta >= 0.
    """

    region: Region
    gap: list[Condition]
    links: list[tuple[str, Expr]]
    times: Region
    signs: list[Condition]


@dataclass(frozen=True, eq=False)
class View:
    """Both processes in the coordinates of the order, on a region.

    Without expressions ``gap`` is None; ``refutable`` is whether every point is a state.
    """

    region: Region
    gap: list[Condition] | None
    sides: dict[str, Side | None]
    refutable: bool = True
    abstract: Abstract | None = None


def _multiple_of_identity(j: list[list[Expr]]) -> bool:
    d = len(j)
    off = [j[i][k] for i in range(d) for k in range(d) if i != k]
    if any(not (e.rule == "const" and e.value == 0) for e in off):
        return False
    return all(repr(j[i][i]) == repr(j[0][0]) for i in range(d))


def plain_side(terms: tuple[Expr, ...], names: tuple[str, ...], order: Order) -> Side | None:
    """Return slopes and feed of a drift in the rows of W; None if its rows are dependent."""
    w, j = order.rows, jacobian(terms, names)
    m = len(w)
    if _multiple_of_identity(j):
        zero = number(0)
        return Side([[j[0][0] if a == b else zero for b in range(m)] for a in range(m)], [])
    if rank(w) < m:
        return None
    lift_, free = right_inverse(w), null_space(w)
    wj = [[combination(row, column) for column in zip(*j, strict=True)] for row in w]
    slopes = [[combination(c, row) for c in transpose(lift_)] for row in wj]
    feed = [
        (f"slope of {label} off the order", combination(n, row))
        for label, row in zip(order.labels, wj, strict=True)
        for n in free
    ]
    return Side(slopes, feed)


def abstracted(lower: Any, upper: Any, order: Order, beta: Expr, times: Region) -> Abstract | None:
    """Return what order and form of two strengths of one model come down to; None for others."""
    if not (isinstance(lower, ReverseProcess) and isinstance(upper, ReverseProcess)):
        return None
    same = lower.noise_level == upper.noise_level and lower.horizon == upper.horizon
    if not same or not share_classifier(lower, upper):
        return None
    if single(lower) is None or not isotropic(lower):
        return None
    y, w = single(lower), order.rows
    assert y is not None
    ratios = dict(zip(rivals(lower), variables([f"l{k}" for k in rivals(lower)]), strict=True))
    x = variables([f"x{i}" for i in range(lower.dimension)])
    a, b = variables("alpha beta")
    masses, ways = guidance_masses(ratios), ratio_rows(lower)

    def push(row: list[Any]) -> Expr:
        return total([g * masses[k] for k, v in ways.items() if (g := inner(row, v))] or [0])

    drifts = [guided(p, x, a, b, masses) for p in (lower, upper)]
    more = fraction(upper.strength) - fraction(lower.strength)
    gap: list[Condition] = []
    links = []
    for row, label in zip(w, order.labels, strict=True):
        f, h = (combination(row, drift) for drift in drifts)
        gap.append((f"rise of {label}", h - f, more * b * push(row) if more else number(0)))
        for name, e, p in zip(SIDES, (f, h), (lower, upper), strict=True):
            inside = total([inner(row, mean(p, y)), fraction(p.strength) * push(row)])
            links.append((f"{label} of {name}", e - (a * combination(row, x) + b * inside)))
    free = [n.value for n in (*x, *ratios.values(), a)]
    region = Region({**dict.fromkeys(free, ("-inf", "inf")), "beta": (0, "inf")})
    return Abstract(region, gap, links, times, [("beta", beta, None)])


def plain_view(
    lower: Described, upper: Described, order: Order, region: Region, equals: Any
) -> View:
    """Return the view in the coordinates of the state."""
    gap = None
    if lower.terms is not None and upper.terms is not None:
        rise = [h - f for f, h in zip(lower.terms, upper.terms, strict=True)]
        forms = equals if equals is not None else [None] * len(order.rows)
        gap = [
            (f"rise of {label}", combination(row, rise), form)
            for label, row, form in zip(order.labels, order.rows, forms, strict=True)
        ]
    sides = {
        name: None if d.terms is None else plain_side(d.terms, d.names, order)
        for name, d in zip(SIDES, (lower, upper), strict=True)
    }
    brief = None
    a = lower.process
    if equals is None and isinstance(a, ReverseProcess) and lower.terms and not lower.stepped:
        tau = variables([lower.time])[0]
        c = clock(a, fraction(a.stop) + fraction(a.horizon) - tau)
        times = Region({lower.time: region.ranges[lower.time]})
        if isotropic(a) and single(a) is not None:
            brief = abstracted(a, upper.process, order, pull(a, c)[1], times)
    return View(region, gap, sides, abstract=brief)


def ratio_view(
    lower: ReverseProcess, upper: ReverseProcess, order: Order, region: Region, step: str | None
) -> View:
    """Return the view in the log-ratios of one mixture; ``step`` names a step rule, None: drifts.

    The region has a range of time (tau, or u and h for a step) and none of space.
    """
    w, m = order.rows, len(order.rows)
    independent = rank(w) == m
    x_names = names_of(lower)
    q = variables([f"q{j}" for j in range(m)])
    x = variables(x_names)
    y = single(lower)
    assert y is not None
    ways = ratio_rows(lower)
    inside = {}  # <v_k, x> in terms of q
    for k in rivals(lower):
        if k not in ways:
            inside[k] = number(0)
            continue
        same = [(j, ratio) for j in range(m) if (ratio := parallel(ways[k], w[j])) is not None]
        if same:
            inside[k] = same[0][1] * q[same[0][0]]
        else:
            weights = solve(transpose(w), ways[k])
            assert weights is not None
            inside[k] = combination(weights, q)
    if step is None:
        (tau,) = variables("tau")
        c = clock(lower, fraction(lower.stop) + fraction(lower.horizon) - tau)
        alpha, beta = pull(lower, c)
    else:
        c, alpha, beta = step_coefficients(lower, step)
    masses = guidance_masses(affine_log_ratios(lower, c, inside))
    mu = mean(lower, y)

    def push(j: int) -> Expr:
        terms = [inner(w[j], ways[k]) * masses[k] for k in ways if inner(w[j], ways[k])]
        return total(terms or [0])

    def drift(process: ReverseProcess, j: int) -> Expr:
        return alpha * q[j] + beta * total([inner(w[j], mu), fraction(process.strength) * push(j)])

    drifts = {
        n: [drift(p, j) for j in range(m)] for n, p in zip(SIDES, (lower, upper), strict=True)
    }
    back = {f"q{j}": combination(w[j], x) for j in range(m)}

    def shown(e: Expr) -> Expr:  # where rows are dependent only q = W x is reached
        return e if independent else substitute(e, back)

    gap: list[Condition] = [
        (f"rise of {label}", shown(h - f), None)
        for label, f, h in zip(order.labels, drifts["lower"], drifts["upper"], strict=True)
    ]
    sides: dict[str, Side | None] = {}
    for name in SIDES:
        slopes = [[shown(derivative(f, f"q{i}")) for i in range(m)] for f in drifts[name]]
        sides[name] = Side(slopes, [])
    names = [f"q{j}" for j in range(m)] if independent else list(x_names)
    whole = Region({**dict.fromkeys(names, ("-inf", "inf")), **region.ranges})
    brief = abstracted(lower, upper, order, beta, region)
    return View(whole, gap, sides, independent, brief)
