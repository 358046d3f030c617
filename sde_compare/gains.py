"""Means over coupled pairs: what guidance gains, at a fraction of the paths, with its interval."""

from __future__ import annotations

from fokker_planck import Estimate
from fokker_planck.model import Dynamics
from sde_compare.engine import Progress
from sde_compare.paired import Function, PairedEstimate, paired


class Gain(PairedEstimate):
    """E f(x^a) - E f(x^b)."""

    @property
    def difference(self) -> Estimate:
        """The difference at step size zero."""
        return self.estimate


class AntitheticMean(PairedEstimate):
    """E f(x), each value the mean of an antithetic pair."""

    @property
    def mean(self) -> Estimate:
        """The mean at step size zero."""
        return self.estimate


def gain(
    process_a: Dynamics,
    process_b: Dynamics,
    n_paths: int,
    n_steps: int,
    coupling: str = "synchronous",
    observable: str | Function = "posterior_mass",
    seed: int = 0,
    rule: str = "euler",
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.99,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Gain:
    r"""Return E f(x^a) - E f(x^b) at the output, from coupled pairs.

    With :math:`Y = f(x^a) - f(x^b)` on one set of random numbers at steps h, 2h and 4h the
    estimate is the mean of :math:`2 Y_h - Y_{2h}`; its error is that of theory N6: empirical
    Bernstein intervals, and an allowance for what extrapolation leaves. The posterior mass enters
    through 1 - P, which keeps its digits where P rounds to 1.

    Parameters
    ----------
    process_a, process_b, rule, seed, threads, progress
        As in :func:`sde_compare.couple`.
    n_paths : int
        Number of pairs.
    n_steps : int
        Of the finest run; a multiple of 4.
    coupling : {"synchronous", "reflection", "antithetic", "monotone"}
        See :func:`sde_compare.couple`.
    observable : {"posterior_mass", "complement_mass"} or callable
        A function takes output points (n, d), plain (n,) in dimension one, and returns (n,)
        values within ``bounds``.
    bounds : tuple of float
        The range of a function, known before sampling.
    confidence : float
        Coverage of every interval, at least.

    Returns
    -------
    Gain

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.

    Source: docs/theory.md, C6 and N6.
    """
    return Gain(
        *paired(
            *(process_a, process_b, n_paths, n_steps, coupling, observable, seed, rule),
            *((1.0, -1.0), bounds, confidence, threads, progress),
        )
    )


def antithetic_mean(
    process: Dynamics,
    n_paths: int,
    n_steps: int,
    observable: str | Function = "complement_mass",
    seed: int = 0,
    rule: str = "euler",
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.99,
    threads: int | None = None,
    progress: Progress | None = None,
) -> AntitheticMean:
    """Return E f(x) at the output from ``n_paths`` antithetic pairs.

    The variance ratio is against means of two independent paths: below 1 where f is nearly
    monotone or odd along the noise, above 1 where it is nearly even. Arguments, errors and
    source as in :func:`gain`.
    """
    return AntitheticMean(
        *paired(
            *(process, process, n_paths, n_steps, "antithetic", observable, seed, rule),
            *((0.5, 0.5), bounds, confidence, threads, progress),
        )
    )
