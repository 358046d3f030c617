"""Final density over the histogram of samples, with standardised residuals below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import fokker_planck as fp
import sde_compare as sc
from proofs_check.figures.model import describe, plain, reference_process
from proofs_check.figures.style import (
    FULL_WIDTH,
    GREY,
    LIGHT,
    new_figure,
    sampler_colour,
    sampler_name,
    settled,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fokker_planck import ReverseProcess

PATHS = {"quick": 100_000, "full": 1_000_000}
STEPS = {"quick": 500, "full": 4000}
RULE = "exponential"
N_BINS = 60
FAMILY_LEVEL = 1e-3
LEAST_EXPECTED = 25


def bin_probabilities(density: Any, edges: Any) -> tuple[Any, float]:
    """Return the probability of every bin, and how far half the points of the density change it."""
    node, weight = np.polynomial.legendre.leggauss(8)
    half = 0.5 * np.diff(edges)[:, None]
    x = 0.5 * (edges[1:] + edges[:-1])[:, None] + half * node
    every, other = ((half * weight * law.pdf(x)).sum(axis=1) for law in (density, thinned(density)))
    return every, float(np.abs(every - other).max())


def thinned(density: Any) -> Any:
    """Return the density on every other of its points."""
    parts = (density.points, density.values, 2 * density.mass, density.log_values)
    return type(density)(*(part[::2] for part in parts))


def bin_edges(density: Any, n_paths: int) -> Any:
    """Return equal bins over the bulk, each with at least ``LEAST_EXPECTED`` paths expected."""
    points = density.points
    total = density.cdf(points)
    inside = points[(total > 1e-4) & (total < 1 - 1e-4)]
    edges = np.linspace(inside.min(), inside.max(), N_BINS + 1)
    expected = n_paths * np.diff(density.cdf(edges))
    good = np.flatnonzero(expected >= LEAST_EXPECTED)
    return edges[good.min() : good.max() + 2]


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record: bins, counts, probabilities from the density, and its curve."""
    base = reference_process() if process is None else process
    n_paths = PATHS[level]
    panels = []
    for noise_level in (0.0, 1.0):
        case = base.with_noise_level(noise_level)
        solution = fp.solve(case)
        density = solution.density(-1)
        samples = sc.sample(case, n_paths, STEPS[level], rule=RULE, seed=seed)
        edges = bin_edges(density, n_paths)
        probability, error = bin_probabilities(density, edges)
        pad = 0.1 * (edges[-1] - edges[0])
        x = np.linspace(edges[0] - pad, edges[-1] + pad, 301)
        panels.append(
            {
                "noise_level": noise_level,
                "strength": case.strength,
                "edges": edges.tolist(),
                "counts": np.histogram(samples.points[:, 0], edges)[0].tolist(),
                "probability": probability.tolist(),
                "probability_error": error,
                "x": x.tolist(),
                "pdf": density.pdf(x).tolist(),
                "entropy": plain(solution.entropy, -1),
            }
        )
    settings = {"n_paths": n_paths, "n_steps": STEPS[level], "rule": RULE, "seed": seed}
    record = {"model": base.spec(), "sampling": settings, "panels": panels}
    return {**record, "caption": caption(describe(base), base.strength, record)}


def residuals(panel: dict[str, Any], n_paths: int) -> Any:
    """Return (count - n p) / sqrt(n p (1 - p)) of every bin."""
    p = np.array(panel["probability"])
    return (np.array(panel["counts"]) - n_paths * p) / np.sqrt(n_paths * p * (1 - p))


def family_band(n_bins: int) -> float:
    """Return the height that no residual of ``n_bins`` exceeds but with chance ``FAMILY_LEVEL``."""
    from scipy.special import ndtri

    return float(-ndtri(FAMILY_LEVEL / (2 * n_bins)))


def caption(model: str, strength: float, record: dict[str, Any]) -> str:
    """Return the caption, with parameters and errors."""
    n = record["sampling"]["n_paths"]
    worst = max(float(np.abs(residuals(panel, n)).max()) for panel in record["panels"])
    gap = max(float(panel["probability_error"]) for panel in record["panels"])
    return (
        f"Final density (line, integrated over the bins) over the histogram of {n} samples of "
        f"{record['sampling']['n_steps']} steps, {record['sampling']['rule']} rule, seed "
        f"{record['sampling']['seed']}; {model}, "
        f"strength {strength:g}. Below: (count - expected) / standard deviation of every bin; grey "
        f"band: 95 % of the residuals; dotted: exceeded anywhere in a panel with chance "
        f"{FAMILY_LEVEL:g}. Largest residual {worst:.1f}; error of a bin's probability at most "
        f"{gap:.0e}, from half the points. Residuals include the bias of the step size."
    )


def density_panel(ax: Axes, panel: dict[str, Any], n_paths: int) -> None:
    """Draw histogram and density."""
    colour = sampler_colour(panel["noise_level"])
    edges = np.array(panel["edges"])
    height = np.array(panel["counts"]) / (n_paths * np.diff(edges))
    ax.stairs(height, edges, fill=True, color=colour, alpha=0.28, lw=0)
    ax.plot(panel["x"], panel["pdf"], color=colour)
    ax.set_ylim(0, 1.4 * max(panel["pdf"]))
    ax.tick_params(labelbottom=False)
    name, entropy = sampler_name(panel["noise_level"]), panel["entropy"]["value"]
    ax.text(
        *(0.03, 0.95, f"{name}, $\\eta$ = {panel['strength']:g}\n$H$ = {entropy:.4f} nats"),
        transform=ax.transAxes,
        va="top",
        color=colour,
        fontweight="bold",
        linespacing=1.5,
    )


def residual_panel(ax: Axes, panel: dict[str, Any], n_paths: int) -> None:
    """Draw the standardised residuals with their expected bands."""
    edges = np.array(panel["edges"])
    middle = 0.5 * (edges[1:] + edges[:-1])
    r = residuals(panel, n_paths)
    limit = family_band(r.size)
    ax.axhspan(-1.96, 1.96, color=LIGHT, alpha=0.6, lw=0)
    for side in (-limit, limit):
        ax.axhline(side, color=GREY, lw=0.8, ls=":")
    ax.axhline(0, color=GREY, lw=0.6)
    ax.plot(middle, r, "o", ms=2.2, color=sampler_colour(panel["noise_level"]))
    reach = max(1.2 * limit, 1.1 * float(np.abs(r).max()))
    ax.set_ylim(-reach, reach)
    ax.set_xlabel("$x$")


def label_bands(ax: Axes, n_bins: int) -> None:
    """Name the bands at the right of a panel of residuals."""
    limit = family_band(n_bins)
    for height, text in ((0, "95 %"), (limit, f"{FAMILY_LEVEL:g}")):
        ax.annotate(
            *(text, (1.0, height)),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            color=GREY,
            fontsize=6.5,
        )


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record."""
    n = record["sampling"]["n_paths"]
    figure = new_figure(FULL_WIDTH, 3.1)
    axes = figure.subplots(
        2, len(record["panels"]), squeeze=False, sharex="col", height_ratios=(2.4, 1)
    )
    for (top, bottom), panel in zip(axes.T, record["panels"], strict=True):
        density_panel(top, panel, n)
        residual_panel(bottom, panel, n)
        top.set_xlim(panel["x"][0], panel["x"][-1])
    label_bands(axes[1, -1], len(record["panels"][-1]["counts"]))
    axes[0, 0].set_ylabel("density")
    axes[1, 0].set_ylabel("residual / s.d.")
    return settled(figure)
