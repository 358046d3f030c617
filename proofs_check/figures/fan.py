"""Coupled guided and unguided paths, and the log-odds that guidance gains on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import fokker_planck as fp
import sde_compare as sc
from proofs_check.figures.model import describe, numbers, plain, reference_process
from proofs_check.figures.style import (
    GREY,
    PURPLE,
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

N_DRAWN, N_GAINS, N_TIMES = 10, 40, 121
PATHS = {"quick": 10_000, "full": 100_000}
SHOWN_FROM = 0.4  # of the horizon: before, little happens
STEPS = {"quick": 600, "full": 3000}
RULE = "exponential"


def centre_process() -> ReverseProcess:
    """Return the case of counterexample X1: the target lies between the other components."""
    mixture = fp.GaussianMixture([1 / 3, 1 / 3, 1 / 3], [-2.0, 0.0, 2.0])
    return fp.reverse_process(mixture, 1, strength=1.0, sampler="sde", horizon=6.0)


def log_odds(process: ReverseProcess, x: Any, tau: float) -> Any:
    """Return log P/(1 - P) of points at one time."""
    return process.log_posterior(x, tau) - process.log_complement(x, tau)


def panel(process: ReverseProcess, seed: int, level: str) -> dict[str, Any]:
    """Return one column of the figure: some paths, and how many end with less confidence."""
    unguided = process.with_strength(0.0)
    n = PATHS[level]
    paths = sc.couple(
        *(process, unguided, n, STEPS[level]),
        seed=seed,
        rule=RULE,
        times=np.linspace(0, process.horizon, N_TIMES),
    )
    guided_x, plain_x = paths.states_a[..., 0], paths.states_b[..., 0]
    gain = np.array(
        [
            log_odds(process, a, float(tau)) - log_odds(process, b, float(tau))
            for tau, a, b in zip(paths.times, guided_x, plain_x, strict=True)
        ]
    )
    losing = int(np.sum(gain[-1] < 0))
    return {
        "noise_level": process.noise_level,
        "strength": process.strength,
        "model": describe(process),
        "means": process.mixture.means[:, 0].tolist(),
        "target": process.target,
        "taus": paths.times.tolist(),
        "guided": guided_x[:, :N_DRAWN].T.tolist(),
        "unguided": plain_x[:, :N_DRAWN].T.tolist(),
        "gain": gain[:, :N_GAINS].T.tolist(),
        "quantiles": np.quantile(gain, (0.01, 0.99), axis=1).tolist(),
        "n_losing": losing,
        "share_losing": plain(sc.clopper_pearson(losing, n)),
    }


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record: ODE and SDE of one case, and the centre target of X1."""
    base = reference_process() if process is None else process
    cases = [base.with_noise_level(0.0), base.with_noise_level(1.0)]
    if base.strength == 0:
        cases = [case.with_strength(1.0) for case in cases]
    if process is None:
        cases.append(centre_process())
    panels = [panel(case, seed, level) for case in cases]
    settings = {"n_paths": PATHS[level], "n_steps": STEPS[level], "rule": RULE, "seed": seed}
    text = caption(panels, settings)
    return {"sampling": settings, "panels": panels, "caption": text}


def caption(panels: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """Return the caption, with parameters and errors."""
    shares = "; ".join(
        f"({letter}) {p['model']}, {sampler_name(p['noise_level'])}, strength {p['strength']:g}: "
        f"{p['n_losing']} of {settings['n_paths']} paths end with less confidence, "
        f"{share_text(p['share_losing'])}"
        for letter, p in zip("ABC", panels, strict=False)
    )
    return (
        f"Guided (colour) and unguided (grey) paths with the same start and the same noise; below, "
        f"the log-odds log P/(1-P) that guidance gains along each path, with the band of 98 % of "
        f"all. Paths that end with a loss are purple. {shares}. "
        f"Intervals are Clopper-Pearson's, at 99 %. {settings['n_steps']} steps, "
        f"{settings['rule']} rule, seed {settings['seed']}; drawn are {N_DRAWN} paths above and"
        f" {N_GAINS} below, over the last part of the time."
    )


def share_text(share: dict[str, Any]) -> str:
    """Return a share with its interval, cut to [0, 1], which Clopper and Pearson's lies in."""
    value, error = share["value"], share["error"]
    low, high = max(0.0, value - error), min(1.0, value + error)
    return f"a share in [{low:.3g}, {high:.3g}]"


def path_panel(ax: Axes, data: dict[str, Any]) -> None:
    """Draw coupled paths in x, with the component means at the right."""
    taus = data["taus"]
    colour = sampler_colour(data["noise_level"])
    for path in data["unguided"]:
        ax.plot(taus, path, color="#9A9A9A", lw=0.45, zorder=1)
    for path, gain in zip(data["guided"], data["gain"], strict=False):
        losing = gain[-1] < 0
        ax.plot(
            taus,
            path,
            color=PURPLE if losing else colour,
            lw=0.6,
            alpha=0.9,
            zorder=3 if losing else 2,
        )
    for k, mean in enumerate(data["means"]):
        own = k == data["target"]
        ax.plot(
            *(1.025, mean, "<"),
            transform=ax.get_yaxis_transform(),
            color="black" if own else GREY,
            mfc="black" if own else "white",
            ms=4,
            clip_on=False,
        )
    ax.set_xlim(SHOWN_FROM * taus[-1], taus[-1])
    ax.tick_params(labelbottom=False)


def gain_panel(ax: Axes, data: dict[str, Any], n_paths: int) -> None:
    """Draw the gained log-odds, zero marked, losing paths apart."""
    from matplotlib.ticker import MultipleLocator

    taus = data["taus"]
    colour = sampler_colour(data["noise_level"])
    low, high = data["quantiles"]
    ax.fill_between(taus, low, high, color=colour, alpha=0.15, lw=0)
    ax.axhline(0, color="black", lw=0.7, zorder=2.5)
    for gain in data["gain"]:
        losing = gain[-1] < 0
        ax.plot(taus, gain, color=PURPLE if losing else colour, lw=0.7, zorder=3 if losing else 2)
    share, error = data["share_losing"]["value"], data["share_losing"]["error"]
    if data["n_losing"]:
        text = f"{100 * share:.1f} ± {100 * error:.1f} % lose"
    else:
        text = f"none of {n_paths:,} loses".replace(",", "\u2009")
    ax.text(
        *(0.04, 0.95, text),
        transform=ax.transAxes,
        va="top",
        color=PURPLE if data["n_losing"] else colour,
        fontweight="bold",
    )
    reach = max(abs(min(low)), max(high))
    losses = [min(gain) for gain in data["gain"] if gain[-1] < 0]
    bottom = min([-0.12 * reach, 1.25 * min(low), *(1.08 * loss for loss in losses)])
    ax.set_ylim(bottom, 1.2 * max(high))
    ax.set_xlim(SHOWN_FROM * taus[-1], taus[-1])
    ax.xaxis.set_major_locator(MultipleLocator(1.0 if taus[-1] > 2 else 0.2))
    ax.set_xlabel(r"reverse time $\tau$")


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record."""
    panels = record["panels"]
    figure = new_figure(2.33 * len(panels), 3.5)
    axes = figure.subplots(2, len(panels), squeeze=False, sharex="col", height_ratios=(1.25, 1))
    for j, (data, letter) in enumerate(zip(panels, "ABC", strict=False)):
        path_panel(axes[0, j], data)
        gain_panel(axes[1, j], data, record["sampling"]["n_paths"])
        name = sampler_name(data["noise_level"])
        axes[0, j].set_title(
            rf"$\bf{{{letter}}}$  {name}, $\eta$ = {data['strength']:g}, means "
            + f"({numbers(data['means'])})",
            fontsize=7.5,
            loc="left",
        )
    axes[0, 0].set_ylabel("$x$")
    axes[1, 0].set_ylabel("gain in log-odds")
    return settled(figure)
