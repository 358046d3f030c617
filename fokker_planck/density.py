"""A density at one time: values per unit length or area on points, on the line or the plane."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator, make_interp_spline
from scipy.ndimage import map_coordinates, spline_filter
from scipy.signal import resample

Array = NDArray[np.float64]


class Density:
    """A probability density on increasing points of the line.

    Parameters
    ----------
    points : ndarray, shape (n,)
        Increasing; not necessarily equally spaced.
    values : ndarray, shape (n,)
        Density per unit length, as computed: never clipped, never rescaled.
    mass : ndarray, shape (n,)
        Probability attached to each point: what integrals are summed with.
    log_values : ndarray, shape (n,), optional
        Logarithm of the density where the method carries it.
    distribution : ndarray, shape (n,), optional
        Distribution function at the points where the method knows it.
    floor : float
        Value below which the logarithm of the density is not to be trusted.
    """

    def __init__(
        self,
        points: Array,
        values: Array,
        mass: Array,
        log_values: Array | None = None,
        distribution: Array | None = None,
        floor: float = 0.0,
    ) -> None:
        self.points = points
        self.values = values
        self.mass = mass
        if log_values is None:
            with np.errstate(divide="ignore", invalid="ignore"):
                log_values = np.log(np.abs(values))
        self.log_values = log_values
        self._distribution = distribution
        self.floor = floor

    def integral(self, weight: ArrayLike = 1.0) -> float:
        """Return the integral of density times ``weight`` (values at the points)."""
        return float(np.sum(self.mass * np.asarray(weight, dtype=float)))

    @cached_property
    def reliable(self) -> slice:
        """The run of points where the logarithm of the density means something.

        Around the maximum, as long as the density stays above 1e-13 of it, where rounding begins,
        and above the floor that its error sets.
        """
        top = int(np.argmax(self.values))
        floor = self.log_values[top] + np.log(1e-13)
        if self.floor > 0:
            floor = max(floor, np.log(self.floor))
        good = (self.values > 0) & (self.log_values > floor)
        bad_left = np.flatnonzero(~good[:top])
        bad_right = np.flatnonzero(~good[top:])
        start = int(bad_left[-1]) + 1 if bad_left.size else 0
        stop = top + int(bad_right[0]) if bad_right.size else self.points.size
        return slice(start, stop)

    @cached_property
    def _log_spline(self) -> Any:
        where = self.reliable
        degree = min(5, where.stop - where.start - 1)
        return make_interp_spline(self.points[where], self.log_values[where], k=degree)

    def log_pdf(self, x: ArrayLike) -> Array:
        """Return log p at any points: a quintic spline, continued as a parabola in the tails."""
        x = np.asarray(x, dtype=float)
        knots = self.points[self.reliable]
        inside = np.clip(x, knots[0], knots[-1])
        out = np.asarray(self._log_spline(inside))
        slope = self._log_spline(inside, 1)
        bend = np.minimum(self._log_spline(inside, 2), 0.0)
        step = x - inside
        # a density falls outwards of where it can be trusted
        slope = np.where(step * slope > 0, 0.0, slope)
        return np.asarray(out + step * slope + 0.5 * step**2 * bend)

    def pdf(self, x: ArrayLike) -> Array:
        """Return p at any points."""
        return np.exp(self.log_pdf(x))

    @cached_property
    def _cdf(self) -> tuple[Array, Array]:
        if self._distribution is not None:
            return self.points, self._distribution
        spline = make_interp_spline(self.points, self.values, k=5).antiderivative()
        return self.points, np.asarray(spline(self.points) - spline(self.points[0]))

    def cdf(self, x: ArrayLike) -> Array:
        """Return the distribution function at any points (monotone interpolation)."""
        points, values = self._cdf
        where = np.concatenate([[True], np.diff(points) > 0])
        curve = PchipInterpolator(points[where], values[where], extrapolate=False)
        x = np.asarray(x, dtype=float)
        inner = np.clip(x, points[0], points[-1])
        return np.asarray(curve(inner))


class PlaneDensity:
    """A probability density in the plane, on the nodes of a tensor grid.

    Parameters
    ----------
    points : ndarray, shape (n1 * n2, 2)
        Nodes in C order: an affine image of a rectangular grid, or such a grid carried by a flow.
    values : ndarray, shape (n1 * n2,)
        Density per unit area, as computed: never clipped, never rescaled.
    mass : ndarray, shape (n1 * n2,)
        Probability attached to each point: what integrals are summed with.
    shape : tuple of int
        (n1, n2).
    log_values : ndarray, shape (n1 * n2,), optional
        Logarithm of the density where the method carries it.
    floor : float
        Value below which the logarithm of the density is not to be trusted.
    affine : bool
        Whether the nodes are an affine image of a rectangular grid: only then can it be
        interpolated.
    """

    def __init__(
        self,
        points: Array,
        values: Array,
        mass: Array,
        shape: tuple[int, ...],
        log_values: Array | None = None,
        floor: float = 0.0,
        affine: bool = True,
    ) -> None:
        self.points = points
        self.values = values
        self.mass = mass
        self.shape = shape
        if log_values is None:
            with np.errstate(divide="ignore", invalid="ignore"):
                log_values = np.log(np.abs(values))
        self.log_values = log_values
        self.floor = floor
        self.affine = affine

    def integral(self, weight: ArrayLike = 1.0) -> float:
        """Return the integral of density times ``weight`` (values at the points)."""
        return float(np.sum(self.mass * np.asarray(weight, dtype=float)))

    def grid(self) -> tuple[Array, Array]:
        """Return points (n1, n2, 2) and values (n1, n2)."""
        return self.points.reshape(*self.shape, 2), self.values.reshape(self.shape)

    def halved(self) -> PlaneDensity:
        """Return the same density on every other node along each axis."""
        skip = (slice(None, None, 2),) * 2
        points, values = (item[skip] for item in self.grid())
        log_values = self.log_values.reshape(self.shape)[skip]
        mass = 4 * self.mass.reshape(self.shape)[skip]
        return PlaneDensity(
            points.reshape(-1, 2),
            values.ravel(),
            mass.ravel(),
            values.shape,
            log_values.ravel(),
            self.floor,
            self.affine,
        )

    def index_of(self, x: ArrayLike) -> Array:
        """Return grid coordinates (2, ...) of points (..., 2): 0 at the first node.

        Raises
        ------
        ValueError
            If the nodes are not an affine image of a rectangular grid.
        """
        if not self.affine:
            raise ValueError(
                "a density carried by characteristics is known at its own nodes; "
                "use Solution.log_density for other points"
            )
        points, _ = self.grid()
        steps = np.stack([points[1, 0] - points[0, 0], points[0, 1] - points[0, 0]], axis=1)
        offset = np.asarray(x, dtype=float) - points[0, 0]
        return np.moveaxis(offset @ np.linalg.inv(steps).T, -1, 0)

    @cached_property
    def rounded(self) -> NDArray[np.bool_]:
        """Nodes, shape (n1, n2), where the density is below 1e-13 of its maximum: rounding."""
        low = self.log_values[np.argmax(self.values)] + np.log(1e-13)
        return np.reshape((self.values <= 0) | (self.log_values < low), self.shape)

    @cached_property
    def _coefficients(self) -> Array:
        """Spline coefficients of the logarithm, constant where there is only rounding."""
        low = float(self.log_values[np.argmax(self.values)]) + np.log(1e-13)
        logs = np.where(self.rounded.ravel(), low, self.log_values)
        return np.asarray(spline_filter(logs.reshape(self.shape), order=5))

    @cached_property
    def _closer(self) -> PlaneDensity:
        """The density on nodes twice as close, by its trigonometric interpolant.

        It falls to nothing at the edges; what lies between nodes that resolve it follows to
        rounding, which a spline through the nodes themselves does not give.
        """
        points, values = self.grid()
        for axis in (0, 1):
            count = self.shape[axis]
            inner = (slice(None),) * axis + (slice(0, 2 * count - 1),)
            values = resample(values, 2 * count, axis=axis)[inner]
        index = [np.arange(2 * n - 1) / 2 for n in self.shape]
        steps = np.stack([points[1, 0] - points[0, 0], points[0, 1] - points[0, 0]])
        nodes = points[0, 0] + np.stack(np.meshgrid(*index, indexing="ij"), axis=-1) @ steps
        mass = values * abs(float(np.linalg.det(steps))) / 4
        return PlaneDensity(nodes.reshape(-1, 2), values.ravel(), mass.ravel(), values.shape)

    def log_pdf(self, x: ArrayLike, closer: bool = True) -> Array:
        """Return log p at points (..., 2): a quintic spline in the grid's coordinates.

        Through nodes twice as close as the grid's, unless ``closer`` is false.
        """
        if closer and self.affine:
            return self._closer.log_pdf(x, closer=False)
        index = self.index_of(x)
        found = map_coordinates(
            self._coefficients, index.reshape(2, -1), order=5, prefilter=False, mode="nearest"
        )
        return np.asarray(found.reshape(index.shape[1:]))

    def pdf(self, x: ArrayLike, closer: bool = True) -> Array:
        """Return p at points (..., 2); zero off the grid."""
        index = self.index_of(x)
        last = np.reshape(self.shape, (2,) + (1,) * (index.ndim - 1)) - 1
        inside = np.all((index >= 0) & (index <= last), axis=0)
        return np.where(inside, np.exp(self.log_pdf(x, closer)), 0.0)
