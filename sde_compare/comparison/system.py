r"""A user's own systems, stated as expressions: what runs is what is decided about.

.. math:: dx_i = f_i(x, \tau)\,d\tau + \sigma_i(x, \tau)\,dB_i , \qquad\text{or}\qquad
          x' = F(x, n) + C\,\xi .
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokker_planck.model import GaussianMixture, Process
from fokker_planck.model.checks import real_number, shown, whole_number
from sde_compare.regions import Expr, Function, variables
from sde_compare.regions.expression import lift

Array = NDArray[np.float64]
Terms = tuple[Expr, ...]


def substitute(e: Expr, given: Mapping[str, Any]) -> Expr:
    """Return an expression with variables replaced by expressions or numbers."""
    known: dict[int, Expr] = {}
    todo = [e]
    while todo:
        item = todo[-1]
        missing = [arg for arg in item.args if id(arg) not in known]
        if missing:
            todo.extend(missing)
            continue
        todo.pop()
        if item.rule == "var":
            known[id(item)] = lift(given.get(item.value, item))
        elif not item.args:
            known[id(item)] = item
        else:
            known[id(item)] = Expr(item.rule, tuple(known[id(a)] for a in item.args), item.value)
    return known[id(e)]


def used(e: Expr) -> set[str]:
    """Return the names of the variables of an expression."""
    return set(Function(e).variables)


class Evaluated:
    """Components as one function of points (n,) or (n, d) and a time, in floating point."""

    def __init__(self, terms: Terms, names: tuple[str, ...], time: str) -> None:
        self.functions = [Function(e) for e in terms]
        self.names, self.time = names, time

    def __call__(self, x: Any, tau: Any) -> Array:
        """Return the components at points, in the shape of the points."""
        x = np.asarray(x, dtype=float)
        plain = len(self.names) == 1 and (x.ndim == 0 or x.shape[-1] != 1 or x.ndim == 1)
        columns = [x] if plain else [x[..., i] for i in range(len(self.names))]
        at: dict[str, Any] = {**dict(zip(self.names, columns, strict=True)), self.time: tau}
        shape = np.shape(columns[0])
        values = [
            np.broadcast_to(f(**{n: at[n] for n in f.variables}), shape) for f in self.functions
        ]
        return np.asarray(values[0] if plain else np.stack(values, axis=-1))


class System(Process):
    """An :class:`fokker_planck.Process` made of expressions; build it with :func:`system`.

    Attributes
    ----------
    names : tuple of str
    time : str
    terms : tuple of Expr
        The drift.
    amplitude : tuple of Expr
        The noise, one for every coordinate: here the same for all, and a function of time alone.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        time: str,
        terms: Terms,
        amplitude: Terms,
        initial: GaussianMixture,
        horizon: float,
    ) -> None:
        self.names, self.time, self.terms, self.amplitude = names, time, terms, amplitude
        g = Function(amplitude[0])
        noise: Any = float(g()) if not g.variables else (lambda s: float(g(**{time: s})))
        super().__init__(Evaluated(terms, names, time), noise, initial, horizon)


@dataclass(frozen=True, eq=False)
class Diffusion:
    """A system whose noise depends on the state or the coordinate; build it with :func:`system`.

    Coordinate i is driven by a Brownian motion of its own. Attributes as of :class:`System`.
    """

    names: tuple[str, ...]
    time: str
    terms: Terms
    amplitude: Terms
    initial: GaussianMixture
    horizon: float

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return len(self.names)


@dataclass(frozen=True, eq=False)
class StepMap:
    """A discrete process x' = F(x, n) + C xi; build it with :func:`step_map`.

    Attributes
    ----------
    names, time, terms, initial
        As of :class:`System`, with F in place of the drift and the number of the step as time.
    amplitude : tuple of Expr
        C, the same number for all coordinates.
    n_steps : int
    """

    names: tuple[str, ...]
    time: str
    terms: Terms
    amplitude: Terms
    initial: GaussianMixture
    n_steps: int

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return len(self.names)

    @property
    def horizon(self) -> float:
        """Number of the last step."""
        return float(self.n_steps - 1)


def _terms(field: str, given: Any, names: tuple[str, ...], time: str) -> Terms:
    """Return checked expressions, one per coordinate."""
    many = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if len(many) != len(names):
        raise ValueError(f"{field} must have {len(names)} components, got {len(many)}")
    out = []
    for e in many:
        if callable(e) and not isinstance(e, Expr):
            raise ValueError(
                f"{field} must be expressions (for a plain function use fp.Process), got {shown(e)}"
            )
        made = lift(e)
        if extra := used(made) - {*names, time}:
            raise ValueError(f"{field} must depend on {(*names, time)}, got {sorted(extra)[0]!r}")
        out.append(made)
    return tuple(out)


def _names(names: Sequence[str] | str | None, terms: Any) -> tuple[str, ...]:
    many = len(terms) if isinstance(terms, Sequence) else 1
    if names is None:
        return ("x",) if many == 1 else tuple(f"x{i}" for i in range(many))
    return tuple(str(v.value) for v in variables(names))


def _initial(law: Any, dimension: int) -> GaussianMixture:
    if law is None:
        return GaussianMixture([1.0], np.zeros((1, dimension)))
    if not isinstance(law, GaussianMixture) or law.dimension != dimension:
        raise ValueError(
            f"initial must be a GaussianMixture in dimension {dimension}, got {shown(law)}"
        )
    return law


def system(
    drift: Any,
    *,
    names: Sequence[str] | str | None = None,
    time: str = "tau",
    noise: Any = 0,
    initial: GaussianMixture | None = None,
    horizon: float = 1.0,
) -> System | Diffusion:
    r"""State a process by expressions, :math:`dx_i = f_i\,d\tau + \sigma_i\,dB_i`.

    Parameters
    ----------
    drift : Expr or sequence of Expr
        The components f_i.
    names : sequence of str, optional
        The coordinates; x, or x0, x1, ... if left out.
    time : str
        The variable of time.
    noise : number, Expr, or one for every coordinate
        The amplitude; with a sequence every coordinate has its own.
    initial : GaussianMixture, optional
        Law of the start; the standard normal if left out.
    horizon : float
        Length of the time interval.

    Returns
    -------
    System
        An ``fp.Process`` whose drift evaluates the expressions, if the noise is one function of
        time for all coordinates; otherwise a Diffusion, which :func:`compare` takes.

    Raises
    ------
    ValueError
        If a field is out of range or an expression has an unknown variable.
    """
    found = _names(names, drift)
    if time in found:
        raise ValueError(f"time must differ from the coordinates {found}, got {time!r}")
    terms = _terms("drift", drift, found, time)
    each = isinstance(noise, Sequence) and not isinstance(noise, str)
    amplitude = _terms("noise", noise if each else [noise] * len(found), found, time)
    law, end = (
        _initial(initial, len(found)),
        real_number("horizon", horizon, minimum=0, strict=True),
    )
    if any(used(a) - {time} for a in amplitude) or (each and len(found) > 1):
        return Diffusion(found, time, terms, amplitude, law, end)
    return System(found, time, terms, amplitude, law, end)


def step_map(
    step: Any,
    *,
    n_steps: int,
    names: Sequence[str] | str | None = None,
    time: str = "n",
    noise: float = 0.0,
    initial: GaussianMixture | None = None,
) -> StepMap:
    """State a discrete process x' = F(x, n) + C xi, with the number n = 0, 1, ... of the step.

    Parameters are those of :func:`system`, with F in place of the drift.

    Raises
    ------
    ValueError
        If a field is out of range or an expression has an unknown variable.
    """
    found = _names(names, step)
    terms = _terms("step", step, found, time)
    amplitude = lift(real_number("noise", noise, minimum=0))
    n = whole_number("n_steps", n_steps, minimum=1)
    return StepMap(found, time, terms, (amplitude,) * len(found), _initial(initial, len(found)), n)
