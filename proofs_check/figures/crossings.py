"""Gains in log-ratio along coupled paths, and where they first cross below zero.

Each case is run twice on the same Brownian paths. Crossings of the coarse run are told apart:
real ones, and artefacts of the step size. Source: docs/theory.md, C6, T1-discrete, X1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import fokker_planck as fp
import sde_compare as sc
from proofs_check.figures.fan import centre_process, log_odds, share_text
from proofs_check.figures.model import describe, number, plain
from proofs_check.figures.style import (
    FULL_WIDTH,
    GREY,
    PURPLE,
    new_figure,
    settled,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fokker_planck import ReverseProcess

N_DRAWN = 48
#: where panels begin, in units of the horizon: before, gains are too small to be seen
SHOWN_FROM = (0.75, 0.4)
PATHS = {"quick": 400, "full": 4000}
RULE = "euler"
#: a loss above this, in nats, counts as a crossing where the sign of small gains is anyone's
LOSS = 0.1
COLOURS = {"none": "#9A9A9A", "real": PURPLE, "artefact": "#E69F00", "undecided": "black"}
MARKERS = {"real": "o", "artefact": "D", "undecided": "X"}
NAMES = {"real": "real crossing", "artefact": "artefact of the step", "undecided": "undecided"}


def separated_process() -> ReverseProcess:
    """Return a case of T1 on which large Euler steps overshoot: two components at -2 and 2."""
    mixture = fp.GaussianMixture([0.5, 0.5], [-2.0, 2.0])
    return fp.reverse_process(mixture, 1, strength=8.0, sampler="sde", horizon=6.0)


def gain_above(process: ReverseProcess, loss: float) -> Callable[[Any, Any, float], Any]:
    """Return the gain in log P/(1 - P) plus a loss that is allowed, of pairs of points."""

    def gain(a: Any, b: Any, tau: float) -> Any:
        return log_odds(process, a, tau) - log_odds(process, b, tau) + loss

    return gain


def curves(run: sc.CoupledPaths, gain: Callable[[Any, Any, float], Any], loss: float) -> Any:
    """Return the gain of the paths that are drawn at every node, shape (n_drawn, n_steps + 1)."""
    whole = sc.replay(run, np.arange(min(N_DRAWN, run.n_paths)))
    columns = [
        gain(
            np.ascontiguousarray(whole.path_a[:, k, 0]),
            np.ascontiguousarray(whole.path_b[:, k, 0]),
            float(tau),
        )
        - loss
        for k, tau in enumerate(whole.tau)
    ]
    return np.stack(columns, axis=1)


def panel(
    process: ReverseProcess, n_steps: int, refine: int, loss: float, n_paths: int, seed: int
) -> dict[str, Any]:
    """Return one case: drawn gains at two step sizes, first crossings, and what became of them.

    Parameters
    ----------
    n_steps, refine : int
        Steps of the coarse run, and how many of the fine run make one of them.
    loss : float
        A crossing is a gain below minus this.
    """
    gain = gain_above(process, loss)
    paths = sc.couple(
        *(process, process.with_strength(0.0), n_paths, n_steps),
        seed=seed,
        rule=RULE,
        refine=refine,
        observables={"gain": gain},
    )
    fine = paths.refined
    assert fine is not None
    found = sc.crossings(paths)
    runs = []
    for run, first in ((paths, found.coarse_step), (fine, found.refined_step)):
        drawn = curves(run, gain, loss)
        runs.append(
            {
                "n_steps": run.n_steps,
                "taus": run.tau.tolist(),
                "gain": np.round(drawn, 6).tolist(),
                "first": first[: len(drawn)].tolist(),
                "n_crossing": int(np.sum(first >= 0)),
                "n_negative": int(np.sum(drawn[:, 1:].min(axis=1) < 0)),
            }
        )
    return {
        "model": describe(process),
        "strength": process.strength,
        "horizon": process.horizon,
        "loss": loss,
        "kind": found.kind[:N_DRAWN].tolist(),
        "counts": {kind: found.count(kind) for kind in ("none", *MARKERS)},
        "share_real": plain(found.share("real")),
        "runs": runs,
    }


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record: the centre target of X1, and a case of T1.

    Raises
    ------
    ValueError
        If a process is given: the figure is of two cases.
    """
    if process is not None:
        raise ValueError(f"process must be None for crossings, got {process}")
    n = PATHS[level]
    panels = [
        panel(centre_process(), 24, 8, LOSS, n, seed),
        panel(separated_process(), 5, 16, 0.0, n, seed),
    ]
    settings = {"n_paths": n, "rule": RULE, "seed": seed}
    return {"sampling": settings, "panels": panels, "caption": caption(panels, settings)}


def caption(panels: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """Return the caption, with parameters and errors."""
    words = []
    for letters, title, p in zip(("A, B", "C, D"), TITLES, panels, strict=True):
        coarse, fine = p["runs"]
        steps = [p["horizon"] / run["n_steps"] for run in p["runs"]]
        below = f"below {number(-p['loss'])}" if p["loss"] else "below zero"
        counts = p["counts"]
        text = (
            f"({letters}) {title}: {p['model']}, SDE, strength {p['strength']:g}, steps "
            f"{steps[0]:.4g} and {steps[1]:.4g}. Of {settings['n_paths']} paths "
            f"{coarse['n_crossing']} fall {below} at the large step, {fine['n_crossing']} at the "
            f"small one; on {counts['real']} paths the crossing is real ("
            f"{share_text(p['share_real'])}), on {counts['artefact']} an artefact, on "
            f"{counts['undecided']} undecided"
        )
        if p["loss"]:
            text += (
                f". Smaller losses do not count here: {fine['n_negative']} of the "
                f"{len(fine['gain'])} paths in B are negative somewhere"
            )
        words.append(text)
    return (
        f"What guidance gains in log P/(1 - P) along a path, over the unguided path with the same "
        f"start and noise; each row shows the same {len(panels[0]['kind'])} Brownian paths at two "
        f"step sizes of the {settings['rule']} rule. Marks: first crossing of a path, coloured by "
        f"what it is once the path is resolved further (an estimate from refinement); vertical "
        f"axis of C and D linear between -1 and 1, logarithmic outside. {'. '.join(words)}. "
        f"Intervals are Clopper-Pearson's, at 99 %. Seed {settings['seed']}."
    )


TITLES = ("a centre target (X1)", "a case of T1, the large step above 1")
HEADS = ("centre target (X1)", "two components (T1)")


# -- drawing -----------------------------------------------------------------------------------
def run_panel(ax: Axes, data: dict[str, Any], run: dict[str, Any], since: float) -> None:
    """Draw the gains of one run from a time on, coloured from the first crossing, a mark."""
    from matplotlib.ticker import MultipleLocator, SymmetricalLogLocator

    taus = np.array(run["taus"])
    ax.axhline(0, color="black", lw=0.7, zorder=2.5)
    if data["loss"]:
        ax.axhline(-data["loss"], color="black", lw=0.6, ls=(0, (4, 2)), zorder=2.5)
    width = 0.55 if taus.size < 40 else 0.45
    for gain, first, kind in zip(run["gain"], run["first"], data["kind"], strict=True):
        ax.plot(taus, gain, color=GREY, lw=width, alpha=0.55, zorder=2)
        if first < 0:
            continue
        ax.plot(taus[first - 1 :], gain[first - 1 :], color=COLOURS[kind], lw=1.4 * width, zorder=3)
        ax.plot(
            *(taus[first], gain[first], MARKERS[kind]),
            color=COLOURS[kind],
            ms=3.6,
            mec="white",
            mew=0.4,
            zorder=4,
            clip_on=False,
        )
    ax.set_xlim(since, taus[-1])
    if not data["loss"]:
        ax.set_yscale("symlog", linthresh=1.0, linscale=1.0)
        ax.yaxis.set_major_locator(SymmetricalLogLocator(linthresh=1.0, base=10.0))
        ax.yaxis.set_major_formatter(lambda y, _: number(y))
    else:
        ax.set_ylim(*(1.06 * end for end in bounds(data, since)))
    ax.xaxis.set_major_locator(MultipleLocator(0.5))


def bounds(data: dict[str, Any], since: float) -> tuple[float, float]:
    """Return the least and the largest gain that a row shows, at least the loss that counts."""
    shown = [np.array(run["gain"])[:, np.array(run["taus"]) >= since] for run in data["runs"]]
    low, high = min(x.min() for x in shown), max(x.max() for x in shown)
    return min(float(low), -2 * data["loss"]), max(float(high), 2 * data["loss"])


def name_lines(ax: Axes, loss: float) -> None:
    """Name the lines of no gain and of the loss that counts, at the left end."""
    names = [(0.0, "zero: no gain", 3.0), (-loss, f"loss of {loss:g}", -8.5)]
    if not loss:
        names = [(0.0, "zero: no gain", -8.5)]
    for y, text, rise in names:
        ax.annotate(
            *(text, (ax.get_xlim()[0], y)),
            xytext=(3, rise),
            textcoords="offset points",
            fontsize=6.5,
            color="black",
            bbox={"fc": "white", "alpha": 0.8, "lw": 0, "pad": 0.1},
        )


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record: rows are cases, columns step sizes."""
    from matplotlib.lines import Line2D

    panels = record["panels"]
    figure = new_figure(FULL_WIDTH, 4.6)
    axes = figure.subplots(2, 2, sharey="row", squeeze=False)
    for i, data in enumerate(panels):
        for j, run in enumerate(data["runs"]):
            ax = axes[i, j]
            run_panel(ax, data, run, SHOWN_FROM[i] * data["horizon"])
            step = data["horizon"] / run["n_steps"]
            letter = "ABCD"[2 * i + j]
            ax.set_title(rf"$\bf{{{letter}}}$  {HEADS[i]}, steps of {step:.4g}", loc="left")
            name_lines(ax, data["loss"])
        axes[i, 0].set_ylabel("gain in log-odds")
    for ax in axes[1]:
        ax.set_xlabel(r"reverse time $\tau$")
    present = {kind for data in panels for kind in data["kind"]} - {"none"}
    handles = [
        Line2D(
            [], [], color=COLOURS[k], marker=MARKERS[k], ms=4, lw=0.8, mec="white", label=NAMES[k]
        )
        for k in NAMES
        if k in present
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    return settled(figure)
