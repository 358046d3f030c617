"""Samples of a guided sampler: the public ``sample`` and what can be read off its points."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck import Estimate
from fokker_planck.model import Dynamics, ReverseProcess
from fokker_planck.model.checks import real_array, shown, whole_number
from sde_compare.engine import (
    Progress,
    Track,
    block_generator,
    block_size,
    numeric_content,
    run_blocks,
    simulate_block,
)
from sde_compare.estimators import empirical_bernstein, missed_share, neighbour_entropy
from sde_compare.rules import check_rule, time_nodes
from sde_compare.surprisal import last_surprisal

if TYPE_CHECKING:
    from fokker_planck import Solution

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Samples:
    """Independent output points of a discretised sampler.

    Attributes
    ----------
    process, n_paths, n_steps, rule, seed
        What was run.
    tau : ndarray, shape (n_steps + 1,)
        The reverse times of the steps.
    points : ndarray, shape (n_paths, d)
        Output points; ``points[:, 0]`` in dimension one.
    times : ndarray, shape (m,)
        Nodes of ``tau`` at which states were stored, if asked for.
    states : ndarray, shape (m, n_paths, d)
        The states there.

    Notes
    -----
    Intervals cover the statistical error of the discretised sampler's law, not its discretisation
    error: for that see :func:`sde_compare.two_step_sizes` and :func:`sde_compare.agreement`.
    """

    process: Dynamics
    n_paths: int
    n_steps: int
    rule: str
    seed: int
    tau: Array = field(repr=False)
    points: Array = field(repr=False)
    times: Array = field(repr=False)
    states: Array = field(repr=False)

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return int(self.points.shape[1])

    def expectation(
        self,
        function: Callable[[Array], ArrayLike],
        lower: float,
        upper: float,
        confidence: float = 0.99,
    ) -> Estimate:
        """Return E[f(x)] with an empirical Bernstein interval.

        Parameters
        ----------
        function : callable
            Takes points (n, d), plain (n,) in dimension one; returns (n,) values in
            [lower, upper].
        lower, upper : float
            The range of f, known before sampling.
        """
        x = self.points[:, 0] if self.dimension == 1 else self.points
        return empirical_bernstein(np.asarray(function(x)), lower, upper, confidence)

    def _classified(self) -> ReverseProcess:
        if not isinstance(self.process, ReverseProcess):
            raise ValueError(f"process must have a posterior, got {shown(self.process)}")
        return self.process

    @cached_property
    def posterior_mass(self) -> Estimate:
        """E[P_0(y|x)], empirical Bernstein, 99 %."""
        p, end = self._classified(), self.process.horizon
        return self.expectation(lambda x: np.exp(p.log_posterior(x, end)), 0.0, 1.0)

    @cached_property
    def complement_mass(self) -> Estimate:
        """E[1 - P_0(y|x)], accurate where the posterior mass rounds to 1; 99 %."""
        p, end = self._classified(), self.process.horizon
        return self.expectation(lambda x: np.exp(p.log_complement(x, end)), 0.0, 1.0)

    @cached_property
    def entropy(self) -> Estimate:
        """Nearest-neighbour entropy: a diagnostic that decides nothing (``neighbour_entropy``)."""
        return neighbour_entropy(self.points)

    def cross_entropy(self, solution: Solution, confidence: float = 0.99) -> Estimate:
        """E[-log p(x)], p the density of ``solution`` at its last time, truncated to be bounded.

        It equals ``last_surprisal(solution).expectation(solution)``, and so the entropy up
        to about 1e-5, if the points have law p. Dimension one or two.
        """
        surprisal = last_surprisal(solution)
        return self.expectation(surprisal, surprisal.lower, surprisal.upper, confidence)

    @cached_property
    def mean(self) -> Estimate:
        """Mean, shape (d,), with the 99 % interval of Chebyshev at the sample variance.

        Points are unbounded, so this interval is nominal; it decides nothing.
        """
        n = self.n_paths
        if n < 2:
            return Estimate(self.points[0], np.inf, "interval", 0.99)
        spread = np.sqrt(self.points.var(axis=0, ddof=1) / (n * missed_share(0.99)))
        return Estimate(self.points.mean(axis=0), spread, "interval", 0.99)

    def to_dict(self) -> dict[str, Any]:
        """Return settings and estimates as plain data for JSON records."""
        out: dict[str, Any] = {
            "n_paths": self.n_paths,
            "n_steps": self.n_steps,
            "rule": self.rule,
            "seed": self.seed,
            "mean": self.mean.to_dict(),
            "entropy": self.entropy.to_dict(),
        }
        if isinstance(self.process, ReverseProcess):
            out["posterior_mass"] = self.posterior_mass.to_dict()
            out["complement_mass"] = self.complement_mass.to_dict()
        return out


def run_content(
    processes: Iterable[Dynamics], tau: Array, rule: str, seed: int, time_grid: ArrayLike | None
) -> list[Any]:
    """Return what the random streams of a run are computed from."""
    content = [numeric_content(process, tau) for process in processes]
    return [content, rule, len(tau) - 1, seed, None if time_grid is None else tau.tolist()]


def stored_nodes(tau: Array, times: ArrayLike | None) -> NDArray[np.intp]:
    """Return the indices of the nodes nearest to the times asked for, sorted, each once."""
    if times is None:
        return np.zeros(0, dtype=np.intp)
    wanted = np.atleast_1d(real_array("times", times)).ravel()
    if np.any((wanted < 0) | (wanted > tau[-1] * (1 + 1e-12))):
        raise ValueError(f"times must lie in [0, {tau[-1]:g}], got {shown(times)}")
    return np.unique(np.argmin(np.abs(wanted[:, None] - tau), axis=1))


def sample(
    process: Dynamics,
    n_paths: int,
    n_steps: int,
    rule: str = "euler",
    seed: int = 0,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    time_grid: ArrayLike | None = None,
    times: ArrayLike | None = None,
) -> Samples:
    r"""Run a discretised sampler, :math:`x' = A x + B\,s(x, \tau) + C\,\xi` in every step.

    Parameters
    ----------
    process : ReverseProcess or Process
        What to sample; a process of the user's own takes the Euler rule.
    n_paths, n_steps : int
        Number of independent paths, and of steps.
    rule : {"euler", "exponential", "ddim", "ddpm"}
        The step rule (:func:`sde_compare.rules.step_table`). ddim needs the ODE sampler, ddpm the
        SDE sampler.
    seed : int
        Whole number >= 0. Random streams are computed from it and from the content of the call.
    threads : int, optional
        Threads over blocks; the result does not depend on it. Default: all cores.
    progress : callable, optional
        ``progress(done, total)`` after every block.
    time_grid : array_like, shape (n_steps + 1,), optional
        Reverse times from 0 to the horizon, in place of equal steps.
    times : array_like, optional
        Reverse times at which to keep the states; each goes to the nearest node.

    Returns
    -------
    Samples

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.

    Notes
    -----
    The same call gives the same bits for any number of threads, and its first paths are those
    of a call with fewer. Source of the rules: docs/theory.md, section 5, T1-discrete.
    """
    check_rule(process, rule)
    n_paths = whole_number("n_paths", n_paths, minimum=1)
    seed = whole_number("seed", seed, minimum=0)
    tau = time_nodes(process, n_steps, time_grid)
    nodes = stored_nodes(tau, times)
    d, size = process.dimension, block_size(process.dimension)
    content = run_content([process], tau, rule, seed, time_grid)
    track = Track(process, tau, rule)
    points = np.empty((n_paths, d))
    states = np.empty((len(nodes), n_paths, d))
    position = {int(node): i for i, node in enumerate(nodes)}

    def task(block: int) -> None:
        rows = slice(block * size, min((block + 1) * size, n_paths))
        count = rows.stop - rows.start

        def observe(j: int, current: Any) -> None:
            if j in position:
                states[position[j], rows] = current[0].reshape(size, d)[:count]

        rng = block_generator(content, block)
        end = simulate_block([track], len(tau) - 1, rng, observe if position else None)[0]
        points[rows] = end.reshape(size, d)[:count]

    run_blocks(task, -(-n_paths // size), threads, progress)
    return Samples(process, n_paths, n_steps, rule, seed, tau, points, tau[nodes], states)
