"""Confidence and entropy against strength: density curves with sampler points on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import fokker_planck as fp
import sde_compare as sc
from proofs_check.figures.model import (
    TOLERANCE,
    describe,
    largest,
    numbers,
    plain,
    reference_process,
)
from proofs_check.figures.style import (
    FULL_WIDTH,
    new_figure,
    panel_letter,
    sampler_colour,
    sampler_name,
    settled,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fokker_planck import ReverseProcess, Solution

TOP = 16.0
SAMPLED = (0, 4, 6, 8, 10, 12, 14, 16)  # of the sixteen strengths TOP (k/16)^2
PATHS = {"quick": 20_000, "full": 400_000}
STEPS = {"quick": 400, "full": 2000}
RULE = "exponential"
CURVES = ("posterior_mass", "complement_mass", "entropy")


def sampled_entropy(samples: Any, solution: Solution) -> dict[str, Any]:
    """Return the sample mean of -log p under the density, with its empirical Bernstein interval.

    -log p is truncated to a bounded function, which lowers its average by about 1e-5.
    """
    density = solution.density(-1)
    assert isinstance(density, fp.Density)
    surprisal = sc.Surprisal(density)
    return plain(samples.expectation(surprisal, surprisal.lower, surprisal.upper))


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record: curves over strengths for ODE and SDE, and sampler points."""
    base = reference_process() if process is None else process
    finer = 1 if level == "quick" else 3
    grid = TOP * (np.arange(16 * finer + 1) / (16 * finer)) ** 2
    curves = []
    for noise_level in (0.0, 1.0):
        family = base.with_noise_level(noise_level)
        cases = [family.with_strength(float(strength)) for strength in grid]
        solutions = [fp.solve(case, tol=TOLERANCE) for case in cases]
        curve: dict[str, Any] = {"noise_level": noise_level, "strength": grid.tolist()}
        for name in CURVES:
            curve[name] = [plain(getattr(solution, name), -1) for solution in solutions]
        curve["points"] = []
        for k in SAMPLED:
            case, solution = cases[k * finer], solutions[k * finer]
            samples = sc.sample(case, PATHS[level], STEPS[level], rule=RULE, seed=seed)
            curve["points"].append(
                {
                    "strength": case.strength,
                    "posterior_mass": plain(samples.posterior_mass),
                    "complement_mass": plain(samples.complement_mass),
                    "entropy": sampled_entropy(samples, solution),
                }
            )
        curves.append(curve)
    settings = {"n_paths": PATHS[level], "n_steps": STEPS[level], "rule": RULE, "seed": seed}
    text = caption(describe(base), curves, settings)
    return {"model": base.spec(), "sampling": settings, "curves": curves, "caption": text}


def caption(model: str, curves: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """Return the caption, with parameters and errors."""
    worst = {
        name: largest(item["error"] for curve in curves for item in curve[name]) for name in CURVES
    }
    strengths = [point["strength"] for point in curves[0]["points"]]
    return (
        f"Confidence P (A), its complement 1 - P on a logarithmic axis (B) and differential "
        f"entropy H (C) at the output against guidance strength; {model}. Curves: density at "
        f"{len(curves[0]['strength'])} strengths, joined by a cubic spline; errors "
        f"at most {worst['posterior_mass']} in P, {worst['complement_mass']} in 1 - P and "
        f"{worst['entropy']} nats in H, drawn as a band where wider than the line. Points: "
        f"{settings['n_paths']} paths of {settings['n_steps']} steps, {settings['rule']} rule, "
        f"seed {settings['seed']}, at strengths {numbers(strengths)}; bars are 99 % intervals "
        f"(empirical Bernstein; in C of -log p averaged) and do not cover the bias of the "
        f"step size."
    )


def smooth(strength: list[float], values: Any, log: bool) -> tuple[Any, Any]:
    """Return a cubic spline in the root of the strength, through values or their logarithms."""
    from scipy.interpolate import CubicSpline

    known = np.isfinite(values) & ((values > 0) if log else True)
    roots, values = np.sqrt(strength)[known], values[known]
    if roots.size < 2:
        return roots**2, values
    fine = np.linspace(roots[0], roots[-1], 161)
    if log:
        return fine**2, np.exp(CubicSpline(roots, np.log(values))(fine))
    return fine**2, CubicSpline(roots, values)(fine)


def curve_panel(ax: Axes, record: dict[str, Any], name: str, log: bool = False) -> None:
    """Draw one quantity against strength."""
    for curve in record["curves"]:
        colour = sampler_colour(curve["noise_level"])
        values = np.array([item["value"] for item in curve[name]], dtype=float)
        error = np.array([item["error"] for item in curve[name]], dtype=float)
        floor = 1e-6 * values if log else -np.inf
        low, high = np.maximum(values - error, floor), values + error
        ax.fill_between(curve["strength"], low, high, color=colour, alpha=0.2, lw=0, zorder=1)
        ax.plot(*smooth(curve["strength"], values, log), color=colour, zorder=2)
        x = [point["strength"] for point in curve["points"]]
        y = np.array([point[name]["value"] for point in curve["points"]], dtype=float)
        bar = np.array([point[name]["error"] for point in curve["points"]], dtype=float)
        # on a logarithmic axis an interval that reaches 0 is drawn down to the edge of the panel
        lower = np.minimum(bar, 0.999999 * y) if log else bar
        ax.errorbar(
            x, y, yerr=[lower, bar], fmt="o", ms=3, mfc="white", color=colour, lw=0.8, zorder=3
        )
    ax.set_xlabel(r"strength $\eta$")
    ax.set_xlim(-0.4, TOP + 0.4)
    ax.set_xticks(np.arange(0, TOP + 1, 4))


def label_curves(ax: Axes, record: dict[str, Any], name: str, below: bool = False) -> None:
    """Write the samplers' names beside their curves, where these lie farthest apart.

    Above each curve; with ``below``, the lower curve has its name below.
    """
    curves = record["curves"]
    x = np.array(curves[0]["strength"])
    free = [j for j in range(x.size) if 4 < x[j] < 12 and x[j] not in sampled(record)]
    heights = [
        ax.transData.transform([(x[j], curve[name][j]["value"] or np.nan) for j in free])[:, 1]
        for curve in curves
    ]
    gaps = np.ptp(heights, axis=0)
    best = int(np.argmax(np.where(np.isfinite(gaps), gaps, -1.0)))
    ranks = np.argsort(np.argsort([height[best] for height in heights]))
    for curve, rank in zip(curves, ranks, strict=True):
        ax.annotate(
            sampler_name(curve["noise_level"]),
            (x[free[best]], curve[name][free[best]]["value"] or np.nan),
            xytext=(2, -9 if below and rank == 0 else 9),
            textcoords="offset points",
            color=sampler_colour(curve["noise_level"]),
            ha="center",
            va="center",
            fontweight="bold",
        )


def sampled(record: dict[str, Any]) -> set[float]:
    """Return the strengths at which samples were drawn."""
    return {point["strength"] for curve in record["curves"] for point in curve["points"]}


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record."""
    figure = new_figure(FULL_WIDTH, 2.3)
    confidence, complement, entropy = figure.subplots(1, 3)
    curve_panel(confidence, record, "posterior_mass")
    confidence.set_ylabel(r"confidence $P$")
    bottom, _ = confidence.get_ylim()
    confidence.set_ylim(bottom, 1 + 0.1 * (1 - bottom))
    label_curves(confidence, record, "posterior_mass", below=True)
    curve_panel(complement, record, "complement_mass", log=True)
    complement.set_yscale("log")
    values = [c["value"] for curve in record["curves"] for c in curve["complement_mass"]]
    positive = [value for value in values if value is not None and value > 1e-300]
    complement.set_ylim(0.4 * min(positive, default=0.1), 1.5 * max(positive, default=1.0))
    complement.set_ylabel(r"$1 - P$")
    label_curves(complement, record, "complement_mass")
    curve_panel(entropy, record, "entropy")
    entropy.set_ylabel(r"entropy $H$ (nats)")
    label_curves(entropy, record, "entropy")
    for ax, letter in zip((confidence, complement, entropy), "ABC", strict=True):
        panel_letter(ax, letter)
    return settled(figure)
