"""The house style, the colours that mean something, and saving."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = Path(__file__).with_name("house.mplstyle")
ODE, SDE = "#0072B2", "#D55E00"
GREEN, PURPLE, GREY, LIGHT = "#009E73", "#AA4499", "#777777", "#D9D9D9"
FULL_WIDTH = 7.0  # inches
SUFFIXES = (".pdf", ".svg", ".png")


def sampler_colour(noise_level: float) -> str:
    """Return the colour of a noise level: blue for the ODE, vermilion otherwise."""
    return ODE if noise_level == 0 else SDE


def sampler_name(noise_level: float) -> str:
    """Return the name of a noise level: ODE, SDE, or the number."""
    named = {0.0: "ODE", 1.0: "SDE"}
    return named.get(noise_level, f"noise level {noise_level:g}")


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the house style, on top of matplotlib's defaults and nobody's own settings."""
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        yield


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorate a drawing function so that it draws in the house style."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Figure:
        with house_style():
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (inches) that lays its panels out itself."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settled(figure: Figure) -> Figure:
    """Lay the panels out once and for all, so that saving in three formats does not repeat it."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def panel_letter(ax: Axes, letter: str) -> None:
    """Put a bold letter at the upper left of a panel."""
    ax.set_title(letter, loc="left", fontweight="bold", fontsize=8)


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure to ``path`` atomically, the same bytes for the same figure."""
    target = Path(path)
    kind = target.suffix.lower().lstrip(".")
    # no date in the file: the same record gives the same bytes
    metadata: dict[str, Any] = {
        "pdf": {"CreationDate": None, "ModDate": None},
        "svg": {"Date": None},
        "png": {"Software": None},
    }[kind]
    part = target.with_name(f".{target.name}.part")
    with house_style():
        figure.savefig(part, format=kind, metadata=metadata)
    os.replace(part, target)
    return target
