r"""A sign condition decided over a region: the boxes of its proof, and of a refutation.

The condition is the kernel of T1-Sigma for the ODE,

.. math:: \sum_i p_i\, \sigma_i(t)^{-1/2} \sigma_i(s)^{-3/2} \ge 0, \qquad
   \sigma_i(s) = 1 + (\Sigma_{ii} - 1) e^{-2s}, \quad t = q s,

with products :math:`p_i` of the coordinates of v_k and v_l. Source: docs/theory.md, T1-Sigma, R1.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

import fokker_planck as fp
from proofs_check.claims import t1_sigma
from proofs_check.figures.box_panels import (
    axes,
    insets,
    level_of,
    power_text,
    region_panel,
    scale,
)
from proofs_check.figures.model import numbers
from proofs_check.figures.style import FULL_WIDTH, new_figure, settled, styled
from sde_compare import regions as rg
from sde_compare.regions.expression import expression_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from fokker_planck import ReverseProcess

VARIANCES = (2.0, 1.5, 0.3)
#: coordinates of v_l, those of v_k being 1; the second one sets the margin, by level
SECOND, THIRD = {"quick": -0.99, "full": -0.994}, 0.1
HORIZON = 2.0
#: the planted dip: centre, depth and width
DIP_CENTRE, DIP_DEPTH, DIP_WIDTH = ("0.7435", "0.5012"), "1/100", "1/10000"
#: points of a plain grid along each axis, and of the function that is drawn
GRID, DRAWN = 1000, 61
DIGITS = 5


def border_process(level: str) -> ReverseProcess:
    """Return a model that meets the kernel condition by little."""
    second = [-1.0, -SECOND[level], -THIRD]
    mixture = fp.GaussianMixture([1 / 3] * 3, [[0.0] * 3, [-1.0] * 3, second], np.diag(VARIANCES))
    return fp.reverse_process(mixture, 0, strength=3.0, sampler="ode", horizon=HORIZON)


def dip(s: rg.Expr, q: rg.Expr) -> rg.Expr:
    """Return the planted dip: a skewed Gaussian bump, to be taken away."""
    ds, dq = s - rg.number(DIP_CENTRE[0]), q - rg.number(DIP_CENTRE[1])
    form = ds**2 + ds * dq + dq**2
    return rg.number(DIP_DEPTH) * rg.exp(-form / rg.number(DIP_WIDTH) ** 2)


def depths(low: Any, high: Any, root: Any) -> Any:
    """Return how often every box was cut: halvings along each axis, from the widths.

    Parameters
    ----------
    low, high : ndarray, shape (d, n)
    root : array_like, shape (d, 2)
    """
    root = np.asarray(root, dtype=float)
    halvings = np.log2((root[:, 1] - root[:, 0])[:, None] / (high - low))
    return np.rint(halvings).sum(axis=0).astype(int)


def outline(function: rg.Function, reach: float) -> list[list[float]]:
    """Return the closed curve on which a function with a dip is zero, by bisection on rays."""
    angle = np.linspace(0, 2 * np.pi, 73)
    rays = np.stack([np.cos(angle), np.sin(angle)])
    middle = np.array([[float(c)] for c in DIP_CENTRE])
    inner, outer = np.zeros(angle.size), np.full(angle.size, reach)
    for _ in range(40):
        r = 0.5 * (inner + outer)
        s, q = middle + r * rays
        negative = function(s=s, q=q) < 0
        inner, outer = np.where(negative, r, inner), np.where(negative, outer, r)
    return (middle + 0.5 * (inner + outer) * rays).tolist()


def panel(found: rg.Decision) -> dict[str, Any]:
    """Return what one decision did, as plain data.

    Raises
    ------
    ArithmeticError
        If the condition was not decided.
    """
    run = found.searches[-1] if found.searches else None
    if run is None or run.status != found.status or found.status == "undecided":
        raise ArithmeticError(f"the condition was not decided by boxes: {found.reason}")
    root = [[float(end) for end in found.region.ranges[name]] for name in ("s", "q")]
    grid, drawn = np.meshgrid(*axes(root, GRID)), np.meshgrid(*axes(root, DRAWN))
    values = found.function(s=drawn[0], q=drawn[1])
    witness = found.witness
    return {
        "status": found.status,
        "root": root,
        "low": run.low.tolist(),
        "high": run.high.tolist(),
        "depth": depths(run.low, run.high, root).tolist(),
        "examined": run.examined,
        "deepest": run.depth,
        "bound": found.part["proof"]["bound"] if found.status == "proved" else None,
        "grid_least": float(found.function(s=grid[0], q=grid[1]).min()),
        "values": [[float(f"{v:.{DIGITS - 1}e}") for v in row] for row in values],
        "witness": None if witness is None else {n: float(x) for n, x in witness.items()},
        "value": None if witness is None else found.value,
        "box": None if run.box is None else run.box.tolist(),
    }


def compute(seed: int, level: str, process: ReverseProcess | None = None) -> dict[str, Any]:
    """Return the record: the boxes of a proof and of a refutation.

    Nothing is random; ``level`` sets how near to the border the condition is.

    Raises
    ------
    ValueError
        If a process is given: the figure is of one case.
    """
    if process is not None:
        raise ValueError(f"process must be None for proof_boxes, got {process}")
    model = border_process(level)
    kernel = t1_sigma.decided(model)[1]
    planted = expression_of(kernel.function.spec()) - dip(*rg.variables("s q"))
    refuted = rg.decide(planted, kernel.region, name="kernel with a planted dip")
    panels = [panel(kernel), panel(refuted)]
    panels[1]["zero"] = outline(refuted.function, 20 * float(Fraction(DIP_WIDTH)))
    products = [1.0, SECOND[level], THIRD]
    return {
        "model": model.spec(),
        "variances": list(VARIANCES),
        "products": products,
        "panels": panels,
        "caption": caption(panels, products),
    }


def caption(panels: Sequence[dict[str, Any]], products: Sequence[float]) -> str:
    """Return the caption, with numbers from the run."""
    proof, planted = panels
    point = planted["witness"]
    grid = f"{GRID}".replace("000", "\N{THIN SPACE}000")
    return (
        f"Is f(s, q) >= 0, with f = sum_i p_i sigma_i(qs)^(-1/2) sigma_i(s)^(-3/2), "
        f"sigma_i(s) = 1 + (Sigma_ii - 1) exp(-2s): the kernel condition of T1-Sigma for the ODE; "
        f"Sigma = diag({numbers(VARIANCES)}), p = ({numbers(products)}), horizon {HORIZON:g}. "
        f"(A) Proved: {len(proof['depth'])} boxes tile the region, cut {min(proof['depth'])} to "
        f"{max(proof['depth'])} times; f is at least {proof['bound']:.2g} on every box, and "
        f"{proof['grid_least']:.2g} is the least value on a grid of {grid} x {grid} points. Boxes "
        f"are small where f is: the dashed line is f = {level_of(proof):g}. "
        f"(B) Refuted: f less a skewed Gaussian dip of depth {float(Fraction(DIP_DEPTH)):g} and "
        f"width {float(Fraction(DIP_WIDTH)):g}, of which that grid sees nothing (least value "
        f"{planted['grid_least']:.2g}). After {planted['examined']} boxes, "
        f"{len(planted['depth'])} of them proved, a box cut {box_depth(planted)} times holds a "
        f"point with f < 0: f({point['s']:.7g}, {point['q']:.7g}) = {planted['value']:.3g}; "
        f"white is still open. Insets: that box (black) and, enlarged again, the set f < 0 with "
        f"the witness (cross). Proof and witness were replayed in Arb and accepted."
    )


def box_depth(data: dict[str, Any]) -> int:
    """Return how often the box of a witness was cut."""
    low, high = np.array(data["box"]).T
    return int(depths(low[:, None], high[:, None], data["root"])[0])


@styled
def draw(record: dict[str, Any]) -> Figure:
    """Draw the figure from its record: the proof, and the refutation with its inset."""
    from matplotlib.ticker import MaxNLocator

    panels = record["panels"]
    figure = new_figure(FULL_WIDTH, 2.9)
    left, right = figure.subplots(1, 2, sharey=True)
    colours, norm = scale(panels)
    for ax, data in ((left, panels[0]), (right, panels[1])):
        drawn = region_panel(ax, data, colours, norm)
    insets(right, panels[1], colours, norm)
    left.set_ylabel("$q = t/s$")
    left.set_title(
        rf"$\bf{{A}}$  proved: {len(panels[0]['depth'])} boxes, $f \geq$ "
        + power_text(panels[0]["bound"]),
        loc="left",
    )
    right.set_title(
        r"$\bf{B}$  refuted: $f$ = " + power_text(panels[1]["value"]) + " at a point",
        loc="left",
    )
    bar = figure.colorbar(drawn, ax=[left, right], pad=0.015, aspect=28)
    bar.locator = MaxNLocator(integer=True)
    bar.update_ticks()
    bar.ax.minorticks_off()
    bar.set_label("times cut")
    bar.outline.set_linewidth(0.4)
    return settled(figure)
