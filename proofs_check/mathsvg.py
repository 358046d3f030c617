"""A formula as an inline SVG path: drawn by matplotlib's own maths layout, no script needed."""

from __future__ import annotations

import re
from typing import Any

SIZE = 15.0  # font size in CSS pixels
_SIZED = re.compile(r"\\(?:[bB]igg?[lr]?)(?![a-zA-Z])")
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_SHORT = re.compile(r"\\(le|ge|ne|dots)(?![a-zA-Z])")
_LONG = {"le": r"\leq", "ge": r"\geq", "ne": r"\neq", "dots": r"\ldots"}


def simplified(latex: str) -> str:
    r"""Return LaTeX in the subset that matplotlib lays out: no sized delimiters, no \text."""
    plain = _SIZED.sub("", latex)
    plain = _SHORT.sub(lambda m: _LONG[m.group(1)] + " ", plain)
    return _TEXT.sub(lambda m: r"\mathrm{" + m.group(1).replace(" ", r"\ ") + "}", plain)


def to_svg(latex: str) -> str | None:
    """Return an ``<svg>`` element in the colour of the text around it, None if not possible."""
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    from proofs_check.figures.style import house_style

    try:
        with house_style():
            shape = TextPath((0, 0), f"${simplified(latex)}$", size=SIZE)
    except ValueError:
        return None
    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}
    parts = []
    for points, code in shape.iter_segments(curves=True, simplify=False):
        if code == Path.CLOSEPOLY:
            parts.append("Z")
        else:
            parts.append(letters[code] + " ".join(_coordinates(points)))
    box = shape.get_extents()
    left, top = box.x0 - 1, -box.y1 - 2
    width, height = box.width + 2, box.height + 4
    return (
        f'<svg class="formula" width="{width:.1f}" height="{height:.1f}" role="img" '
        f'viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}">'
        f'<path fill="currentColor" d="{"".join(parts)}"/></svg>'
    )


def _coordinates(points: Any) -> list[str]:
    signs = (1, -1) * (len(points) // 2)  # the SVG axis points down
    return [f"{sign * value:.2f}" for sign, value in zip(signs, points, strict=True)]
