"""One Brownian path at several step sizes: discretisation error told apart from sampling error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import Dynamics
from fokker_planck.model.checks import whole_number
from sde_compare.engine import (
    Progress,
    Track,
    block_generator,
    block_size,
    run_blocks,
    simulate_block,
)
from sde_compare.rules import check_rule, time_nodes
from sde_compare.samplers import Samples, run_content

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StepPair:
    """The same paths at n_steps and at half as many: path i of both saw the same noise.

    Attributes
    ----------
    fine : Samples
        At n_steps: to the bit what :func:`sde_compare.sample` returns for the same arguments.
    coarse : Samples
        At n_steps/2, on sums of the same noise. Its law is that of the rule at the coarse step.
    """

    fine: Samples
    coarse: Samples


def two_step_sizes(
    process: Dynamics,
    n_paths: int,
    n_steps: int,
    rule: str = "euler",
    seed: int = 0,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> StepPair:
    r"""Run a sampler at n_steps and n_steps/2 on the same Brownian paths.

    For an observable f with mean :math:`f_h = \mathrm{E} f + C h + O(h^2)`, the difference
    :math:`f_{2h} - f_h` measures C h, and :math:`2 f_h - f_{2h}` is free of it.

    Parameters
    ----------
    process, n_paths, rule, seed, threads, progress
        As in :func:`sde_compare.sample`.
    n_steps : int
        Even.

    Returns
    -------
    StepPair

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.
    """
    return StepPair(
        *step_sizes(process, n_paths, n_steps, rule, seed, 2, threads=threads, progress=progress)
    )


def step_sizes(
    process: Dynamics,
    n_paths: int,
    n_steps: int,
    rule: str = "euler",
    seed: int = 0,
    levels: int = 3,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Samples, ...]:
    """Run a sampler at steps h, 2h, ..., 2^(levels-1) h on the same Brownian paths.

    The first is to the bit what :func:`sde_compare.sample` returns.

    Parameters
    ----------
    process, n_paths, rule, seed, threads, progress
        As in :func:`sde_compare.sample`.
    n_steps : int
        Of the finest run; a multiple of 2^(levels-1).
    levels : int
        How many step sizes.

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.
    """
    check_rule(process, rule)
    n_paths = whole_number("n_paths", n_paths, minimum=1)
    seed = whole_number("seed", seed, minimum=0)
    largest = 2 ** (whole_number("levels", levels, minimum=1) - 1)
    if whole_number("n_steps", n_steps, minimum=largest) % largest:
        wanted = "even" if largest == 2 else f"a multiple of {largest}"
        raise ValueError(f"n_steps must be {wanted}, got {n_steps}")
    tau = time_nodes(process, n_steps)
    d, size = process.dimension, block_size(process.dimension)
    strides = [2**k for k in range(levels)]
    tracks = [Track(process, tau, rule, stride) for stride in strides]
    content = run_content([process], tau, rule, seed, None)
    points = np.empty((levels, n_paths, d))

    def task(block: int) -> None:
        rows = slice(block * size, min((block + 1) * size, n_paths))
        ends = simulate_block(tracks, n_steps, block_generator(content, block))
        for i, end in enumerate(ends):
            points[i, rows] = end.reshape(size, d)[: rows.stop - rows.start]

    run_blocks(task, -(-n_paths // size), threads, progress)
    none = np.empty((0, n_paths, d))
    grids = [tau[::stride] for stride in strides]
    return tuple(
        Samples(process, n_paths, len(t) - 1, rule, seed, t, end, t[:0], none)
        for t, end in zip(grids, points, strict=True)
    )
