"""Differences made short: equal terms of sums of products taken together, exactly."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from sde_compare.regions import Expr, product, total
from sde_compare.regions.structure import key

#: longer sums are left as they are
MOST_TERMS = 400
Terms = dict[tuple[tuple[str, int], ...], Fraction]


class _Collector:
    """Expands an expression over its atoms: whatever is no sum, product or power."""

    def __init__(self) -> None:
        self.atoms: dict[str, Expr] = {}
        self.most = 0

    def terms(self, e: Expr) -> Terms | None:
        """Return coefficients by monomial, None if there are too many."""
        if e.rule == "const":
            return {(): Fraction(e.value)} if e.value else {}
        if e.rule == "add":
            out: Terms = {}
            for arg in e.args:
                part = self.terms(arg)
                if part is None:
                    return None
                for m, c in part.items():
                    out[m] = out.get(m, Fraction(0)) + c
                self.most = max(self.most, len(out))
            return {m: c for m, c in out.items() if c} if len(out) <= MOST_TERMS else None
        if e.rule == "mul" or (e.rule == "pow" and e.args[0].rule in ("add", "mul")):
            args = e.args if e.rule == "mul" else (e.args[0],) * e.value
            done: Terms | None = {(): Fraction(1)}
            for arg in args:
                part = self.terms(arg)
                if part is None or done is None or len(part) * len(done) > MOST_TERMS:
                    return None
                done = _times(done, part)
            return done
        power, base = (e.value, e.args[0]) if e.rule == "pow" else (1, e)
        name = key(base)
        self.atoms[name] = base
        return {((name, power),): Fraction(1)}

    def built(self, terms: Terms) -> Expr:
        """Return the sum of the terms."""
        return total(
            [product([c, *(self.atoms[n] ** p for n, p in m)]) for m, c in terms.items()] or [0]
        )


def _times(p: Terms, q: Terms) -> Terms:
    out: Terms = {}
    for a, x in p.items():
        for b, y in q.items():
            powers = Counter(dict(a))
            powers.update(dict(b))
            m = tuple(sorted(powers.items()))
            out[m] = out.get(m, Fraction(0)) + x * y
    return {m: c for m, c in out.items() if c}


def collected(e: Expr) -> Expr | None:
    """Return a sum with equal terms taken together, None if that makes nothing shorter."""
    if e.rule not in ("add", "mul"):
        return None
    collector = _Collector()
    found = collector.terms(e)
    if found is None or len(found) >= collector.most:
        return None
    return collector.built(found)
