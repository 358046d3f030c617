"""Panels of boxes coloured by depth, and their enlargements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from proofs_check.figures.style import SDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import BoundaryNorm, Colormap


def axes(root: Sequence[Sequence[float]], n: int) -> list[Any]:
    """Return n equally spaced points along every axis of a region."""
    return [np.linspace(low, high, n) for low, high in root]


def level_of(data: dict[str, Any]) -> float:
    """Return a level of f a little above its least value, in one digit."""
    return float(f"{4 * data['grid_least']:.0e}")


def scale(panels: Sequence[dict[str, Any]]) -> tuple[Colormap, BoundaryNorm]:
    """Return one colour for every number of cuts that occurs, and what maps them."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap

    every = [d for data in panels for d in data["depth"]]
    first, last = min(every), max(every)
    shades = colormaps["YlGnBu"](np.linspace(0.12, 1.0, last - first + 1))
    return ListedColormap(list(shades)), BoundaryNorm(
        np.arange(first - 0.5, last + 1), last - first + 1
    )


def boxes(ax: Axes, data: dict[str, Any], colours: Colormap, norm: BoundaryNorm, lw: float) -> Any:
    """Draw the proved boxes, coloured by depth; return what a colour bar needs."""
    from matplotlib.collections import PolyCollection

    (left, bottom), (right, top) = np.array(data["low"]), np.array(data["high"])
    corners = np.stack(
        [
            np.stack(pair, axis=1)
            for pair in ((left, bottom), (right, bottom), (right, top), (left, top))
        ],
        axis=1,
    )
    drawn = PolyCollection(
        list(corners),
        array=np.array(data["depth"]),
        cmap=colours,
        norm=norm,
        edgecolors="white",
        linewidths=lw,
    )
    return ax.add_collection(drawn)


def region_panel(ax: Axes, data: dict[str, Any], colours: Colormap, norm: BoundaryNorm) -> Any:
    """Draw one region with its boxes and the line along which f is small."""
    from matplotlib.ticker import MultipleLocator

    drawn = boxes(ax, data, colours, norm, 0.2)
    if data["status"] == "proved":
        ax.contour(
            *(*axes(data["root"], len(data["values"])), np.array(data["values"])),
            levels=[level_of(data)],
            colors=[SDE],
            linewidths=0.8,
            linestyles="dashed",
        )
    ax.set_xlim(data["root"][0])
    ax.set_ylim(data["root"][1])
    ax.xaxis.set_major_locator(MultipleLocator(0.5))
    ax.set_xlabel("later time $s$")
    return drawn


def insets(ax: Axes, data: dict[str, Any], colours: Colormap, norm: BoundaryNorm) -> None:
    """Draw the box of the witness, enlarged, and the dip in it, enlarged once more."""
    from matplotlib.patches import Rectangle

    (left, right), (bottom, top) = data["box"]
    near, far = ax.inset_axes((0.59, 0.07, 0.37, 0.40)), ax.inset_axes((0.59, 0.55, 0.37, 0.40))
    boxes(near, data, colours, norm, 0.4)
    near.add_patch(
        Rectangle((left, bottom), right - left, top - bottom, fc="white", ec="black", lw=0.9)
    )
    s, q = data["witness"]["s"], data["witness"]["q"]
    # as far around the witness as its box reaches
    reach = [1.75 * max(q - bottom, top - q, s - left, right - s), 3.2 * spread(data["zero"])]
    for zoom, half in zip((near, far), reach, strict=True):
        zoom.fill(*data["zero"], fc="#F6D5C3", ec=SDE, lw=0.8)
        zoom.set_xlim(s - half, s + half)
        zoom.set_ylim(q - half, q + half)
        zoom.set_xticks([])
        zoom.set_yticks([])
        zoom.patch.set_facecolor("white")
        for side in zoom.spines.values():
            side.set_visible(True)
        scale_bar(zoom, half)
    far.plot(s, q, "+", color="black", ms=6, mew=0.7)
    far.annotate(
        *("$f < 0$", (s, q)), xytext=(9, 9), textcoords="offset points", color=SDE, fontsize=6.5
    )
    for outer, inner in ((ax, near), (near, far)):
        outer.indicate_inset_zoom(inner, edgecolor="black", lw=0.5, alpha=1.0)


def spread(curve: Sequence[Sequence[float]]) -> float:
    """Return half the larger side of the box around a curve."""
    return 0.5 * max(max(side) - min(side) for side in curve)


def scale_bar(ax: Axes, half: float) -> None:
    """Draw a bar of a round length at the lower right of a square view of width 2 half."""
    decade = 10.0 ** np.floor(np.log10(half))
    length = max(k * decade for k in (0.5, 1.0, 2.0, 5.0) if k * decade <= 0.8 * half)
    right, bottom = ax.get_xlim()[1] - 0.12 * half, ax.get_ylim()[0] + 0.12 * half
    ax.plot([right - length, right], [bottom, bottom], color="black", lw=1.2, solid_capstyle="butt")
    ax.annotate(
        *(power_text(length), (right, bottom)),
        xytext=(0, 2),
        textcoords="offset points",
        fontsize=6.5,
        color="black",
        ha="right",
    )


def power_text(value: float) -> str:
    """Return a number in two digits times a power of ten."""
    head, power = f"{value:.1e}".split("e")
    return rf"${head.removesuffix('.0')} \times 10^{{{int(power)}}}$"
