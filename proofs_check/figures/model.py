"""The case that figures show, and its parameters in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fokker_planck as fp

if TYPE_CHECKING:
    from fokker_planck import Estimate, ReverseProcess


#: what is asked of solutions that are drawn; what was reached stands in the caption
TOLERANCE = 1e-7


def reference_process() -> ReverseProcess:
    """Return the case of the built-in figures: two unit components at -1 and 1."""
    mixture = fp.GaussianMixture([0.5, 0.5], [-1.0, 1.0])
    return fp.reverse_process(mixture, 1, strength=3.0, sampler="sde", horizon=5.0)


#: more components than this are the nodes of a law, not groups to be marked
MOST_MARKS = 12


def marks(process: Any) -> tuple[Any, list[int]]:
    """Return the means to mark, shape (k, d), and the indices of those of the target's class.

    The components of a mixture, or of both laws of a pair; the mean of the class alone where there
    are too many.
    """
    import numpy as np

    own = process.class_law
    mixture = getattr(process, "mixture", None)
    if mixture is None:
        others = process.total_law.means
        means = np.concatenate([others, own.means])
        members = list(range(len(others), len(means)))
    else:
        means, members = mixture.means, mixture.members(process.target).tolist()
    if len(means) > MOST_MARKS:
        return own.mean[None], [0]
    return means, members


def guidance_text(strength: float | None) -> str:
    """Return the strength for a title; what has no constant one is called guided."""
    import math

    if strength is None or not math.isfinite(strength):
        return "varying strength"
    return rf"strength $\eta$ = {strength:g}"


def plain(estimate: Estimate, index: int | None = None) -> dict[str, Any]:
    """Return an estimate as JSON data, unknown errors as None."""
    import math

    part = estimate if index is None else estimate[index]
    out = part.to_dict()
    for key in ("value", "error"):
        if not isinstance(out[key], list) and not math.isfinite(out[key]):
            out[key] = None
    return out


def number(value: float) -> str:
    """Return a number in four digits, with a true minus sign."""
    return f"{float(value):.4g}".replace("-", "\N{MINUS SIGN}")


def numbers(values: Any) -> str:
    """Return numbers as a short list in words."""
    return ", ".join(number(v) for v in values)


def describe(process: ReverseProcess) -> str:
    """Return the model in words, for captions."""
    mixture = process.mixture
    means, weights = mixture.means[:, 0], mixture.weights
    equal = bool((weights == weights[0]).all())
    shares = "equal weights" if equal else f"weights ({numbers(weights)})"
    text = f"means ({numbers(means)}), {shares}, "
    variances = mixture.covariances[:, 0, 0]
    if (variances != 1).any():
        text += f"variances ({numbers(variances)}), "
    return text + f"target mean {number(means[process.target])}, horizon {process.horizon:g}"


def largest(errors: Any) -> str:
    """Return the largest of some errors as text; unknown if any is unknown."""
    items = list(errors)
    if not items or any(item is None for item in items):
        return "unknown"
    return f"{max(items):.1e}"
