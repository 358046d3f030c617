"""A density in the plane over reverse time: one row per sampler, and the same as an animation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import fokker_planck as fp
from proofs_check.figures import plane
from proofs_check.figures.style import house_style, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fokker_planck import ReverseProcess, Solution

#: shares of the horizon that panels show: most happens at the end
SHARES = (0.0, 0.6, 0.8, 0.9, 1.0)
#: frames of an animation, how many times the last one is shown, and frames per second
N_FRAMES, HELD, RATE = 31, 12, 10


def frame_times(horizon: float) -> list[float]:
    """Return the reverse times of an animation's frames, closer towards the end."""
    s = np.linspace(0, 1, N_FRAMES)
    return [float(t) for t in horizon * (1 - (1 - s) ** 2)]


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record of the figure: ODE and SDE at several reverse times."""
    base = plane.reference_plane() if process is None else process
    times = [share * base.horizon for share in SHARES]
    cases = [base.with_noise_level(noise_level) for noise_level in (0.0, 1.0)]
    solutions = [fp.solve(case, taus=times, tol=plane.TOLERANCES[level]) for case in cases]
    edges = plane.extent(solutions)
    panels = [plane.panel(s, i, edges) for s in solutions for i in range(len(times))]
    what = f"Density over reverse time at strength {base.strength:g}"
    return {
        "model": base.spec(),
        "panels": panels,
        "caption": plane.caption(what, plane.describe_plane(base), panels),
    }


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record: rows are samplers, columns are reverse times."""
    return plane.small_multiples(record, "tau", r"reverse time $\tau$")


def frames_record(solution: Solution) -> dict[str, Any]:
    """Return the record of an animation: every output time of a solution on one square."""
    process: Any = solution.process
    edges = plane.extent([solution])
    panels = [plane.panel(solution, i, edges) for i in range(len(solution))]
    return {"model": process.spec(), "panels": panels}


def save_animation(record: dict[str, Any], path: str | os.PathLike[str], dpi: int = 120) -> Path:
    """Write the frames of a record as an animated GIF, atomically; the last one is held."""
    from io import BytesIO

    from PIL import Image

    frames = []
    for i in range(len(record["panels"])):
        stream = BytesIO()
        figure = plane.draw_single(record, i)
        with house_style():
            figure.savefig(stream, format="png", dpi=dpi)
        stream.seek(0)
        frames.append(Image.open(stream).convert("RGB"))
    # one palette for all frames, from the last, which has every colour: no flicker
    palette = frames[-1].quantize(255)
    shown = [frame.quantize(255, palette=palette, dither=Image.Dither.NONE) for frame in frames]
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    step = 1000 // RATE
    shown[0].save(
        part,
        format="GIF",
        save_all=True,
        append_images=shown[1:],
        duration=[step] * (len(shown) - 1) + [HELD * step],
        loop=0,
    )
    os.replace(part, target)
    return target
