r"""Identities: two functions as quotients of polynomials in atoms, compared exactly.

Atoms are variables, :math:`e^{m/D}` for monomials m of exponents (D a common denominator of their
coefficients), logarithms and roots. Used are :math:`e^{a+b} = e^a e^b`,
:math:`\log(e^a u) = a + \log u`, :math:`e^{k \log u} = u^k`, :math:`\sqrt u^2 = u`, and the
definitions of tanh, share and lse by exponentials. All hold wherever both functions are defined,
and nothing is divided by that does not divide in one of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flint import Ordering, fmpq, fmpq_mpoly, fmpq_mpoly_ctx

from sde_compare.regions.replay.form import Node, Region, RejectedError
from sde_compare.regions.replay.signs import ranges

Ratio = tuple[fmpq_mpoly, fmpq_mpoly]
MOST_TERMS = 50_000  # in a product, before equal ones are gathered
MOST_ATOMS = 1024
MOST_STARTS = 50
POWER = 10**6


class _RestartError(Exception):
    """More atoms, or a finer D, are needed."""


class Atoms:
    """Atoms met so far, and arithmetic on quotients of polynomials in them."""

    def __init__(self, size: int, scales: dict[Any, int]) -> None:
        names = [f"a{k}" for k in range(size)]
        self.context = fmpq_mpoly_ctx.get(names, Ordering.lex)
        self.gens = self.context.gens()
        self.one = self.context.constant(1)
        self.scales = scales
        self.place: dict[Any, int] = {}
        self.meaning: dict[int, tuple[str, Ratio]] = {}  # what is under exp, log, sqrt

    def atom(self, key: Any, inside: Ratio | None = None) -> fmpq_mpoly:
        """Return the atom with a name, made at its first use."""
        if key not in self.place:
            if len(self.place) == len(self.gens):
                raise _RestartError
            self.place[key] = len(self.place)
            if inside is not None:
                self.meaning[self.place[key]] = key[0], inside
        return self.gens[self.place[key]]

    def product(self, a: fmpq_mpoly, b: fmpq_mpoly) -> fmpq_mpoly:
        """Return a b, unless it is too large."""
        if len(a) * len(b) > MOST_TERMS:
            raise RejectedError(f"identity: more than {MOST_TERMS} terms")
        return a * b

    def power(self, a: fmpq_mpoly, n: int) -> fmpq_mpoly:
        """Return a**n, unless it is too large."""
        if n > POWER:
            raise RejectedError(f"identity: a power above {POWER}")
        out = self.one
        for bit in f"{int(n):b}":
            out = self.product(out, out)
            out = self.product(out, a) if bit == "1" else out
        return out

    def normal(self, top: fmpq_mpoly, bottom: fmpq_mpoly) -> Ratio:
        """Return a quotient in lowest terms with leading coefficient 1 below."""
        for k in sorted(self.meaning, reverse=True):
            kind, inside = self.meaning[k]
            if kind == "sqrt":
                top, below_top = self._unroot(top, k, inside)
                bottom, below_bottom = self._unroot(bottom, k, inside)
                top, bottom = self.product(top, below_bottom), self.product(bottom, below_top)
        if bottom.is_zero():
            raise RejectedError("identity: division by an expression that is 0 everywhere")
        if top.is_zero():
            return top, self.one
        if not bottom.is_constant():
            common = top.gcd(bottom)
            top, bottom = top / common, bottom / common
        lead = bottom.leading_coefficient()
        return top / lead, bottom / lead

    def _unroot(self, p: fmpq_mpoly, k: int, inside: Ratio) -> Ratio:
        """Return p with squares of root k replaced, as a quotient."""
        degree = int(p.degrees()[k]) // 2
        if not degree:
            return p, self.one
        out = self.context.constant(0)
        for powers, c in p.to_dict().items():
            twice, left = divmod(int(powers[k]), 2)
            rest = self.context.from_dict({(*powers[:k], left, *powers[k + 1 :]): c})
            inner = self.product(
                self.power(inside[0], twice), self.power(inside[1], degree - twice)
            )
            out += self.product(rest, inner)
        return out, self.power(inside[1], degree)

    def add(self, a: Ratio, b: Ratio) -> Ratio:
        """Return a + b."""
        if a[1] == b[1]:
            return self.normal(a[0] + b[0], a[1])
        top = self.product(a[0], b[1]) + self.product(b[0], a[1])
        return self.normal(top, self.product(a[1], b[1]))

    def mul(self, a: Ratio, b: Ratio) -> Ratio:
        """Return a b."""
        return self.normal(self.product(a[0], b[0]), self.product(a[1], b[1]))

    def exp(self, u: Ratio) -> Ratio:
        """Return the exponential, a product over the terms above the fraction's line."""
        out = (self.one, self.one)
        below = _frozen(u[1])
        for powers, c in u[0].to_dict().items():
            out = self.mul(out, self._exp_term(tuple(powers), c, u[1], below))
        return out

    def _exp_term(self, powers: tuple[int, ...], c: fmpq, bottom: fmpq_mpoly, below: Any) -> Ratio:
        single = _sparse(powers)
        kind, inside = self.meaning.get(single[0][0], ("", None)) if single else ("", None)
        if kind == "log" and len(single) == 1 and single[0][1] == 1 and bottom.is_one():
            if c.q == 1 and inside is not None:  # e^(k log u) = u^k
                return self._whole_power(inside, int(c.p))
        key = ("exp", single, below)
        scale = self.scales.setdefault(key, 1)
        if (c * scale).q != 1:
            self.scales[key] = math.lcm(scale, int(c.q))
            raise _RestartError
        term = self.context.from_dict({powers: fmpq(1, scale)})
        base = self.atom(key, (term, bottom))
        return self._whole_power((base, self.one), int((c * scale).p))

    def _whole_power(self, u: Ratio, n: int) -> Ratio:
        a, b = u if n >= 0 else (u[1], u[0])
        return self.normal(self.power(a, abs(n)), self.power(b, abs(n)))

    def log(self, u: Ratio) -> Ratio:
        """Return the logarithm, common exponentials taken out."""
        out = (self.context.constant(0), self.one)
        top, bottom = u
        for k, (kind, inside) in list(self.meaning.items()):
            if kind == "exp":
                top, many = self._taken_out(top, k)
                bottom, fewer = self._taken_out(bottom, k)
                if many != fewer:
                    out = self.add(out, (inside[0] * (many - fewer), inside[1]))
        rest = self.normal(top, bottom)
        if rest[0].is_one() and rest[1].is_one():
            return out
        return self.add(out, (self.atom(("log", _key(rest)), rest), self.one))

    def _taken_out(self, p: fmpq_mpoly, k: int) -> tuple[fmpq_mpoly, int]:
        least = min((powers[k] for powers in p.monoms()), default=0)
        return (p / self.gens[k] ** least, least) if least else (p, 0)

    def rule(self, node: Node, inner: Sequence[Ratio]) -> Ratio:
        """Return the value of one node."""
        rule, _, value = node
        if rule == "var":
            return self.atom(("var", value)), self.one
        if rule == "const":
            return self.context.constant(fmpq(value.numerator, value.denominator)), self.one
        if rule in ("add", "mul"):
            out = inner[0]
            for other in inner[1:]:
                out = self.add(out, other) if rule == "add" else self.mul(out, other)
            return out
        u = inner[0]
        if rule == "div":
            return self.mul(u, (inner[1][1], inner[1][0]))
        if rule == "pow":
            return self._whole_power(u, value)
        if rule == "exp":
            return self.exp(u)
        if rule == "log":
            return self.log(u)
        if rule == "sqrt":
            return self.atom(("sqrt", _key(u)), u), self.one
        if rule == "tanh":
            top, bottom = self.exp((2 * u[0], u[1]))
            return self.normal(top - bottom, top + bottom)
        terms = [self.exp(v) for v in inner]
        total = terms[0]
        for other in terms[1:]:
            total = self.add(total, other)
        if rule == "lse":
            return self.log(total)
        return self.mul(terms[value], (total[1], total[0]))

    def value(self, nodes: Sequence[Node]) -> Ratio:
        """Return a function as a quotient."""
        made: list[Ratio] = []
        for node in nodes:
            made.append(self.rule(node, [made[i] for i in node[1]]))
        return made[-1]


def _sparse(powers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple((k, int(n)) for k, n in enumerate(powers) if n)


def _frozen(p: fmpq_mpoly) -> tuple[Any, ...]:
    return tuple(sorted((_sparse(n), int(c.p), int(c.q)) for n, c in p.to_dict().items()))


def _key(u: Ratio) -> tuple[Any, ...]:
    return _frozen(u[0]), _frozen(u[1])


def check_identity(f: Sequence[Node], g: Sequence[Node], region: Region) -> None:
    """Check that f is defined on the region and equals g wherever g is defined.

    Raises
    ------
    RejectedError
        If the rules do not show it.
    """
    if ranges(f, region)[-1] is None:
        raise RejectedError("identity: the rules of signs do not show the function to be defined")
    size, scales = 16, dict[Any, int]()
    for _ in range(MOST_STARTS):
        atoms = Atoms(size, scales)
        try:
            a, b = atoms.value(f), atoms.value(g)
            # over a common denominator, so that roots in it need no special care
            top = atoms.product(a[0], b[1]) - atoms.product(b[0], a[1])
            if not atoms.normal(top, atoms.one)[0].is_zero():
                raise RejectedError("identity: the two functions are not shown to be equal")
            return
        except _RestartError:
            if len(atoms.place) == size:
                size *= 2
        if size > MOST_ATOMS:
            break
    raise RejectedError("identity: too many different exponentials")
