"""``solve`` and ``sample``: one density or one set of paths, with error bars."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from proofs_check.cli.errors import REAL, WHOLE, BadInputError, FailedRunError, bad_input
from proofs_check.cli.options import build_process, model_options, writable_file
from proofs_check.cli.output import estimate_text, print_json, progress_bar, quantity_table

if TYPE_CHECKING:
    from pathlib import Path

    from fokker_planck import Estimate, Solution
    from sde_compare import Samples

#: what a path and a step take, with the working arrays of their averages
PATH_BYTES, STEP_BYTES = 128, 4096
#: what --figure writes, by dimension; a GIF is the animation
FIGURE_SUFFIXES = {1: (".pdf", ".png", ".svg"), 2: (".pdf", ".png", ".svg", ".gif")}
QUANTITIES = ("entropy", "posterior_mass", "mass", "mean", "covariance")
STEP_RULES = ("euler", "exponential", "ddim", "ddpm", "heun")
TIME_GRIDS = ("uniform", "signal", "log-snr", "linear-beta")
METHODS = ("auto", "characteristics", "spectral", "central", "finite-volume")
WORTH = {
    "bound": "certified",
    "residual": "certified up to quadrature",
    "refinement": "from two resolutions or methods",
    "interval": "statistical",
}


def worth(estimate: Estimate) -> str:
    """Return in words what the error of an estimate is worth."""
    if estimate.confidence is None:
        return WORTH[estimate.kind]
    return f"{WORTH[estimate.kind]}, {100 * estimate.confidence:g} %"


def report_numbers(numbers: dict[str, Estimate], extra: dict[str, Any], title: str) -> None:
    """Print the table of a solve or a sample."""
    rows = [(name, estimate_text(value), worth(value)) for name, value in numbers.items()]
    rows += [(name, str(value), "") for name, value in extra.items()]
    quantity_table(title, rows)


def quantities_of(process: Any) -> list[str]:
    """Return what a solution of a process says; a pair of laws has no posterior."""
    return [k for k in QUANTITIES if k != "posterior_mass" or hasattr(process, "log_posterior")]


def check_numbers(source: str, numbers: dict[str, Estimate]) -> None:
    """Fail if a value is not a number."""
    import numpy as np

    broken = [name for name, number in numbers.items() if not np.all(np.isfinite(number.value))]
    if broken:
        raise FailedRunError(f"{source} gave no number for {', '.join(broken)}")


def check_points(samples: Samples) -> None:
    """Fail if a path left the numbers."""
    import numpy as np

    lost = int(np.count_nonzero(~np.isfinite(samples.points).all(axis=1)))
    if lost:
        raise FailedRunError(
            f"the {samples.rule} rule gave no number on {lost} of {samples.n_paths} paths: "
            "more steps or a smaller strength may help"
        )


@contextmanager
def numpy_silent() -> Iterator[None]:
    """Keep numpy from warning of overflow, in every thread: what it leads to is checked."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@contextmanager
def enough_memory(paths: int, steps: int) -> Iterator[None]:
    """Turn a lack of memory into bad input."""
    try:
        yield
    except MemoryError:
        raise BadInputError(
            f"paths and steps must fit into memory, got {paths} and {steps}"
        ) from None


def memory_limit(bytes_each: int) -> int:
    """Return how many things of a size fit into the memory of this machine."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not known here
        total = 2**33
    return max(1, total // bytes_each)


def at_most(field: str, value: int, limit: int) -> None:
    """Refuse a size that does not fit into memory."""
    if value > limit:
        raise BadInputError(f"{field} must be <= {limit} (memory of this machine), got {value}")


def figure_times(process: Any, path: Path) -> list[float]:
    """Return the output times that a figure of a solution shows."""
    from proofs_check.figures import plane_time, travel

    if process.dimension == 1:
        return travel.frame_times(process.horizon)
    if path.suffix.lower() == ".gif":
        return plane_time.frame_times(process.horizon)
    return [float(process.horizon)]


def draw_solution(solution: Solution, path: Path) -> None:
    """Draw a solution at the times of :func:`figure_times`."""
    from proofs_check.figures import plane, plane_time, save_figure, travel

    if path.suffix.lower() == ".gif":
        plane_time.save_animation(plane_time.frames_record(solution), path)
        return
    module: Any = travel if solution.dimension == 1 else plane
    save_figure(module.draw_single(module.single_record(solution)), path)


def _chain(
    process: Any,
    steps: int | None,
    rule: str | None,
    grid: str | None,
    method: str,
    certify: bool,
    figure: str | None,
) -> Any:
    """Return the chain that the options state, None without --steps."""
    from fokker_planck.model import chain, time_grid
    from fokker_planck.model.checks import one_of, whole_number

    if steps is None:
        for field, value in (("step_rule", rule), ("time_grid", grid)):
            if value is not None:
                raise BadInputError(f"{field} needs --steps, got {value!r}")
        return None
    unfit: tuple[tuple[str, Any, Any], ...] = (
        ("method", method, "auto"),
        ("certify", certify, False),
        ("figure", figure, None),
    )
    for field, given, only in unfit:
        if given != only:
            raise BadInputError(f"{field} must be left out with --steps, got {given!r}")
    with bad_input():
        whole_number("steps", steps, minimum=1)
        one_of("step_rule", rule or "euler", STEP_RULES)
        one_of("time_grid", grid or "uniform", TIME_GRIDS)
        at_most("steps", steps, memory_limit(STEP_BYTES * process.dimension**2))
        return chain(process, time_grid(process, steps, grid or "uniform"), rule or "euler")


@click.command(short_help="Solve the density equation.")
@model_options(required=True)
@click.option("--method", default="auto", metavar="|".join(METHODS), help="Default auto.")
@click.option("--tol", type=REAL, default=1e-8, help="Wanted error; default 1e-8.")
@click.option("--certify", is_flag=True, help="Certify the L1 error, and what follows from it.")
@click.option("--steps", type=WHOLE, help="Law of the sampler in so many discrete steps.")
@click.option("--step-rule", metavar="|".join(STEP_RULES), help="With --steps; default euler.")
@click.option("--time-grid", metavar="|".join(TIME_GRIDS), help="With --steps; default uniform.")
@click.option(
    "--figure",
    metavar="FILE",
    help="Draw the density (.pdf .png .svg); in the plane also an animation (.gif).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def solve(
    method: str,
    tol: float,
    certify: bool,
    steps: int | None,
    step_rule: str | None,
    time_grid: str | None,
    figure: str | None,
    as_json: bool,
    quiet: bool,
    **model: Any,
) -> int:
    r"""Solve the Fokker-Planck equation of a guided sampler and print what comes out.

    With --steps: the law of the discretised sampler, with no discretisation error.

    \b
    proofs-check solve --weights '[.5,.5]' --means '[-1,1]' --target 1 --strength 3 --sampler sde
    proofs-check solve --weights '[.3,.3,.4]' --means '[[0,2],[-1.7,-1],[1.7,-1]]' --target 0 \
        --strength 2 --figure density.png
    proofs-check solve --weights '[.5,.5]' --means '[-1,1]' --target 1 --strength 3 \
        --steps 50 --step-rule ddpm
    """
    process = build_process(model)
    chain = _chain(process, steps, step_rule, time_grid, method, certify, figure)
    from fokker_planck.model.checks import one_of, real_number

    with bad_input():
        one_of("method", method, METHODS)
        real_number("tol", tol, minimum=0.0, strict=True)
    if process.dimension not in FIGURE_SUFFIXES:
        raise BadInputError(f"means must have dimension 1 or 2, got {process.dimension}")
    if process.noise_level == 0 and method in ("spectral", "finite-volume"):
        raise BadInputError(f"method {method!r} needs noise_level > 0 (the SDE sampler), got 0")
    suffixes = FIGURE_SUFFIXES[process.dimension]
    path = None if figure is None else writable_file("figure", figure, suffixes)
    import numpy as np

    import fokker_planck as fp

    times = [process.horizon] if path is None else figure_times(process, path)
    start = perf_counter()
    with (
        progress_bar("solving", quiet) as progress,
        bad_input(("method", "tol", "means", "dimension", "certify", "process")),
        numpy_silent(),
    ):
        solution = fp.solve(
            chain or process,
            taus=times,
            method=method,
            tol=tol,
            progress=progress,
            certify=certify,
        )
        numbers = {name: getattr(solution, name)[-1] for name in quantities_of(process)}
    seconds = perf_counter() - start
    if path is not None:
        draw_solution(solution, path)
    l1_error = float(np.asarray(solution.l1_error)[-1])
    extra = {"l1_error": l1_error, "method": solution.method, "seconds": round(seconds, 4)}
    if chain is not None:
        extra = {**extra, "n_steps": chain.n_steps, "rule": chain.rule}
    if as_json:
        values = {name: number.to_dict() for name, number in numbers.items()}
        print_json({**values, **extra, "message": solution.message})
    elif not quiet:
        report_numbers(
            numbers,
            {
                "L1 error": f"{l1_error:.1e}"
                if np.isfinite(l1_error)
                else "unknown (not certified)",
                "method": solution.method,
                "seconds": f"{seconds:.2f}",
            },
            f"Density at reverse time {process.horizon:g}"
            if chain is None
            else f"Law of the sampler after {chain.n_steps} steps ({chain.rule})",
        )
    if solution.message and not quiet:
        click.echo(f"note: {solution.message}", err=True)
    check_numbers(solution.method, numbers)
    return 0


@click.command(short_help="Run the sampler.")
@model_options(required=True)
@click.option("--paths", type=WHOLE, required=True, help="Number of paths.")
@click.option("--steps", type=WHOLE, required=True, help="Number of time steps.")
@click.option("--step-rule", default="euler", metavar="euler|exponential|ddim|ddpm")
@click.option("--seed", type=WHOLE, default=0, help="Default 0.")
@click.option("--jobs", type=WHOLE, help="Threads; the result does not depend on it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def sample(
    paths: int,
    steps: int,
    step_rule: str,
    seed: int,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
    **model: Any,
) -> int:
    r"""Run a guided sampler and print averages over its output with their intervals.

    \b
    proofs-check sample --weights '[.5,.5]' --means '[-1,1]' --target 1 --strength 3 \
        --paths 100000 --steps 200
    """
    process = build_process(model)
    from fokker_planck.model.checks import one_of, whole_number

    with bad_input():
        whole_number("paths", paths, minimum=2)
        whole_number("steps", steps, minimum=1)
        whole_number("seed", seed, minimum=0)
        one_of("step_rule", step_rule, ("euler", "exponential", "ddim", "ddpm"))
        if jobs is not None:
            whole_number("jobs", jobs, minimum=1)
    at_most("paths", paths, memory_limit(PATH_BYTES * process.dimension))
    at_most("steps", steps, memory_limit(STEP_BYTES * process.dimension**2))
    import sde_compare as sc

    start = perf_counter()
    with (
        progress_bar("sampling", quiet) as progress,
        bad_input(("rule", "n_paths", "n_steps")),
        numpy_silent(),
        enough_memory(paths, steps),
    ):
        samples = sc.sample(
            process, paths, steps, rule=step_rule, seed=seed, threads=jobs, progress=progress
        )
        check_points(samples)
        record = samples.to_dict()
        averages = {"mean": samples.mean}
        if hasattr(process, "log_posterior"):
            averages = {"posterior_mass": samples.posterior_mass, **averages}
    seconds = perf_counter() - start
    if as_json:
        print_json({**record, "seconds": round(seconds, 4)})
    elif not quiet:
        numbers = {
            **averages,
            "entropy (neighbours, a diagnostic)": samples.entropy,
        }
        extra = {name: record[name] for name in ("n_paths", "n_steps", "rule", "seed")}
        title = "Sampler output (intervals do not cover the bias of the step size)"
        report_numbers(numbers, {**extra, "seconds": f"{seconds:.2f}"}, title)
    check_numbers(f"the {step_rule} rule", averages)
    return 0
