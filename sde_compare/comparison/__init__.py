"""Comparison theorems applied: hypotheses decided over regions, conclusions tested on paths.

>>> from sde_compare import regions as rg
>>> from sde_compare.comparison import compare, system
>>> (x,) = rg.variables("x")
>>> found = compare(system(-(x**3)), system(1 - x**3), n_paths=0)
>>> found.applies, found.theorem.id
(True, 'scalar-ode')

The theorems, their hypotheses and proofs: docs/theory.md, C2, C3 and C7.
"""

from sde_compare.comparison.compare import compare
from sde_compare.comparison.hypotheses import Hypothesis
from sde_compare.comparison.order import Order
from sde_compare.comparison.paths import Conclusion
from sde_compare.comparison.result import Comparison
from sde_compare.comparison.system import Diffusion, StepMap, System, step_map, system
from sde_compare.comparison.theorems import THEOREMS, Theorem

__all__ = [
    "THEOREMS",
    "Comparison",
    "Conclusion",
    "Diffusion",
    "Hypothesis",
    "Order",
    "StepMap",
    "System",
    "Theorem",
    "compare",
    "step_map",
    "system",
]
