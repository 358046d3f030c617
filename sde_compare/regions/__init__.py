"""Sign conditions over whole regions: decided by exact and interval arithmetic, and replayed.

>>> from sde_compare import regions as rg
>>> x, s = rg.variables("x s")
>>> found = rg.decide(rg.exp(s * x) - s * x - 1 + rg.number("0.01"), {"x": (-2, 2), "s": (0, 1)})
>>> found.status
'proved'

A function is built from variables and exact numbers with ``+ - * / **``, ``exp``, ``log``,
``sqrt``, ``tanh``, ``lse`` and ``shares`` (posteriors). Formulas: docs/theory.md, section 9.
"""

from sde_compare.regions.decide import Decision, decide, proof_of
from sde_compare.regions.derivative import derivative
from sde_compare.regions.expression import (
    Expr,
    Function,
    exp,
    log,
    lse,
    number,
    product,
    shares,
    sqrt,
    tanh,
    total,
    variables,
)
from sde_compare.regions.identity import identical
from sde_compare.regions.proof import read, write
from sde_compare.regions.region import Region
from sde_compare.regions.replay import Replayed, replay, replay_file

__all__ = [
    "Decision",
    "Expr",
    "Function",
    "Region",
    "Replayed",
    "decide",
    "derivative",
    "exp",
    "identical",
    "log",
    "lse",
    "number",
    "product",
    "proof_of",
    "read",
    "replay",
    "replay_file",
    "shares",
    "sqrt",
    "tanh",
    "total",
    "variables",
    "write",
]
