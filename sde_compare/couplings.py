"""Two processes on one probability space, path by path: same noise, mirrored, or turned round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model import Dynamics
from fokker_planck.model.checks import whole_number
from sde_compare.engine import (
    Progress,
    Track,
    block_generator,
    block_size,
    drive,
    run_blocks,
)
from sde_compare.observables import gap_functions
from sde_compare.pairs import Pairing, make_pairing
from sde_compare.recorder import Recorder
from sde_compare.rules import subdivide, time_nodes
from sde_compare.samplers import run_content

Array = NDArray[np.float64]
Observables = Sequence[str] | dict[str, Callable[..., Any]] | None


@dataclass(frozen=True, eq=False)
class CoupledPaths:
    """Output and running minima of two coupled processes.

    Attributes
    ----------
    process_a, process_b, n_paths, n_steps, rule, seed, observables
        What was run, at this resolution.
    pairing : Pairing
        The coupling and the laws of the two starts.
    tau : ndarray, shape (n_steps + 1,)
        The reverse times of the steps.
    points_a, points_b : ndarray, shape (n_paths, d)
        Output points.
    times : ndarray, shape (m,)
        Nodes at which states were stored, if asked for.
    states_a, states_b : ndarray, shape (m, n_paths, d)
        The states there.
    minimum : dict of str to ndarray, shape (n_paths,)
        Least value of every observable over steps 1..n_steps, for every path. The start is left
        out: synchronous paths agree there.
    minimum_step : dict of str to ndarray of int, shape (n_paths,)
        The first step at which it was reached.
    meeting_time : ndarray, shape (n_paths,)
        Reverse time of the first node, the start included, at which the two states are equal to
        the bit; inf where they never are. Only reflected paths meet for a reason other than a
        common start: for the other couplings equality later on is a matter of rounding.
    refined : CoupledPaths or None
        The same Brownian paths at ``refine`` times as many steps.
    """

    process_a: Dynamics
    process_b: Dynamics
    n_paths: int
    n_steps: int
    rule: str
    seed: int
    tau: Array = field(repr=False)
    points_a: Array = field(repr=False)
    points_b: Array = field(repr=False)
    times: Array = field(repr=False)
    states_a: Array = field(repr=False)
    states_b: Array = field(repr=False)
    minimum: dict[str, Array] = field(repr=False)
    minimum_step: dict[str, NDArray[np.int64]] = field(repr=False)
    meeting_time: Array = field(repr=False)
    content: Any = field(repr=False)
    fine_tau: Array = field(repr=False)
    pairing: Pairing = field(repr=False)
    observables: Observables = field(repr=False, default=None)
    refined: CoupledPaths | None = None

    @property
    def coupling(self) -> str:
        """Name of the coupling."""
        return self.pairing.coupling

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return int(self.points_a.shape[1])


def couple(
    process_a: Dynamics,
    process_b: Dynamics,
    n_paths: int,
    n_steps: int,
    coupling: str = "synchronous",
    seed: int = 0,
    rule: str = "euler",
    *,
    starts: Any = None,
    refine: int = 1,
    observables: Observables = None,
    times: ArrayLike | None = None,
    time_grid: ArrayLike | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CoupledPaths:
    r"""Run two processes on one probability space; each keeps its own law exactly.

    =============  ==============================  ===========================================
    coupling       noise of b                      starts with laws F_a, F_b
    =============  ==============================  ===========================================
    synchronous    :math:`\xi_b = \xi_a`           one law, one point; if given, see ``starts``
    reflection     :math:`\xi_a` in a mirror until   the same point for one law, otherwise
                   they meet, by the maximal       from the same random numbers
                   coupling of every step
    antithetic     :math:`\xi_b = -\xi_a`          opposite random numbers; for one Gaussian
                                                   the reflection about the mean
    monotone       :math:`\xi_b = \xi_a`           quantiles at the same level; dimension one
    =============  ==============================  ===========================================

    Parameters
    ----------
    process_a, process_b : ReverseProcess or Process
        With the same horizon and dimension, such as one process at two strengths; for the
        synchronous coupling with the same initial law, for reflection with the same noise.
    n_paths, n_steps, seed, rule, time_grid, threads, progress
        As in :func:`sde_compare.sample`.
    coupling : {"synchronous", "reflection", "antithetic", "monotone"}
        How the two share their randomness.
    starts : pair, optional
        A law (``GaussianMixture``) or a fixed point for each, in place of the processes' initial
        laws. Synchronous and reflected starts then come from the same normals and the same
        uniform, which picks the component.
    refine : int
        Above 1, ``.refined`` holds the same Brownian paths at ``refine`` times as many steps: the
        normals of the coarse run are sums of those of the fine one. Under reflection that is the
        Brownian path of a; the mirror of b is set up anew at each resolution.
    observables : sequence of {"log_ratio", "log_odds"} or dict, optional
        What to take the running minimum of, see :func:`sde_compare.observables.gap_functions`.
        Default: the first, where it is defined.
    times : array_like, optional
        Reverse times at which to keep the states; each goes to the nearest node.

    Returns
    -------
    CoupledPaths

    Raises
    ------
    ValueError
        If a field is out of range, naming it and its value.

    Notes
    -----
    The monotone coupling keeps the order of the starts if the two step maps are ordered alike and
    one of them increases. Source: docs/theory.md, C6.
    """
    pairing = make_pairing(process_a, process_b, rule, coupling, starts)
    refine = whole_number("refine", refine, minimum=1)
    strides = (1,) if refine == 1 else (refine, 1)
    return resolutions(
        *(process_a, process_b, n_paths, n_steps, pairing, seed, rule, strides),
        observables=observables,
        times=times,
        time_grid=time_grid,
        threads=threads,
        progress=progress,
    )


def resolutions(
    process_a: Dynamics,
    process_b: Dynamics,
    n_paths: int,
    n_steps: int,
    pairing: Pairing,
    seed: int,
    rule: str,
    strides: Sequence[int],
    *,
    observables: Observables = None,
    times: ArrayLike | None = None,
    time_grid: ArrayLike | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CoupledPaths:
    """Run a pairing at several step sizes on the same random numbers.

    ``strides`` falls to 1: steps per step of the finest run, of which the first has ``n_steps``.
    Other arguments as in :func:`couple`; every result holds the next finer one as ``.refined``.
    """
    n_paths = whole_number("n_paths", n_paths, minimum=1)
    seed = whole_number("seed", seed, minimum=0)
    processes = (process_a, process_b)
    fine = subdivide(time_nodes(process_a, n_steps, time_grid), strides[0])
    content = run_content(processes, fine, rule, seed, time_grid) + pairing.content()
    tracks: list[Track] = []
    recorders = []
    for stride in strides:
        pair = pairing.tracks(processes, fine, rule, stride)
        gaps = gap_functions(process_a, process_b, pair[0].table.tau, observables)
        recorders.append(Recorder(pair, len(tracks), n_paths, times, gaps, pairing.together))
        tracks.extend(pair)

    def task(block: int) -> None:
        observers = [recorder.observer(block) for recorder in recorders]

        def observe(j: int, states: Sequence[Array]) -> None:
            for observer in observers:
                observer(j, states)

        rng = block_generator(content, block)
        drive(
            pairing.steppers(tracks, *pairing.starts(process_a, rng)), len(fine) - 1, rng, observe
        )

    run_blocks(task, -(-n_paths // block_size(process_a.dimension)), threads, progress)
    result = None
    for r in reversed(recorders):
        result = CoupledPaths(
            *(process_a, process_b, n_paths, len(r.tau) - 1, rule, seed, r.tau),
            *(r.points[0], r.points[1], r.tau[r.nodes], r.states[0], r.states[1]),
            *(r.minimum, r.step, r.met, content),
            fine_tau=fine,
            pairing=pairing,
            observables=observables,
            refined=result,
        )
    assert result is not None
    return result
