"""A process from the user's own drift and noise functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokker_planck.model.checks import real_number, shown
from fokker_planck.model.mixture import GaussianMixture

Array = NDArray[np.float64]


#: times at which a noise function is looked at
N_LOOKS = 8192
ROUGHNESS = 0.01


class Process:
    """A process from the user's own functions: dx = drift(x, tau) dtau + noise(tau) dB.

    Parameters
    ----------
    drift : callable
        ``drift(x, tau)`` for points x of shape (n,) in dimension one or (n, d), and a number
        tau; returns the shape of x.
    noise : float or callable
        Noise amplitude g >= 0, a number or ``noise(tau)``. The diffusivity is g^2/2.
    initial : GaussianMixture
        Law at tau = 0.
    horizon : float
        Length T > 0 of the time interval.
    divergence : callable, optional
        ``divergence(x, tau)`` of shape (n,). By default an eighth-order central difference.

    Raises
    ------
    ValueError
        If a field has the wrong type or the drift returns a wrong shape or nan at the start.
    """

    def __init__(
        self,
        drift: Callable[..., Any],
        noise: float | Callable[..., Any],
        initial: GaussianMixture,
        horizon: float,
        divergence: Callable[..., Any] | None = None,
    ) -> None:
        if not callable(drift):
            raise ValueError(f"drift must be callable, got {shown(drift)}")
        if not isinstance(initial, GaussianMixture):
            raise ValueError(f"initial must be a GaussianMixture, got {shown(initial)}")
        if divergence is not None and not callable(divergence):
            raise ValueError(f"divergence must be callable, got {shown(divergence)}")
        self.horizon = real_number("horizon", horizon, minimum=0.0, strict=True)
        self.initial = initial
        self._drift = drift
        self._divergence = divergence
        self._noise = noise if callable(noise) else real_number("noise", noise, minimum=0.0)
        self.stencil_step = 0.02
        self.noise_time = float("inf")
        self._check_noise()
        probe = initial.means[:, 0] if self.dimension == 1 else initial.means
        for tau in (0.0, self.horizon):
            try:
                start = self.drift(probe, tau)
            except TypeError as error:
                raise ValueError(f"drift must take (x, tau), got {error}") from None
            if not np.all(np.isfinite(start)):
                raise ValueError(f"drift must be finite, got nan or inf at tau = {tau}")

    def _check_noise(self) -> None:
        """Refuse a noise that is negative, not a number, or changes faster than it is looked at.

        Solvers and tail bounds look at the noise at their own times. Over N_LOOKS equal steps
        its second differences must stay below ROUGHNESS of its maximum.
        """
        if not callable(self._noise):
            return
        taus = np.linspace(0.0, self.horizon, N_LOOKS + 1)
        try:
            g = self.noise(taus)
        except TypeError as error:
            raise ValueError(f"noise must return a number, got {error}") from None
        if not np.all(np.isfinite(g)) or np.any(g < 0):
            first = int(np.argmin(np.isfinite(g) & (g >= 0)))
            raise ValueError(
                f"noise must be finite and >= 0, got {g[first]} at tau = {taus[first]:g}"
            )
        bend: Array = np.abs(np.diff(g, n=2))
        if float(bend.max()) > ROUGHNESS * float(g.max()):
            worst = int(np.argmax(bend))
            raise ValueError(
                f"noise must be smooth in tau, got {g[worst]:g}, {g[worst + 1]:g}, "
                f"{g[worst + 2]:g} around tau = {taus[worst + 1]:g}"
            )
        change = float(np.abs(np.diff(g)).max()) / max(float(g.max()), 1e-300)
        #: time in which the noise changes by its own size: solvers step no further than this
        self.noise_time = float(self.horizon / N_LOOKS / max(change, 1e-12))

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return self.initial.dimension

    @property
    def deterministic(self) -> bool:
        """Whether the noise is the number 0."""
        return not callable(self._noise) and self._noise == 0

    @property
    def exact_divergence(self) -> bool:
        """Whether the divergence was given, not differenced."""
        return self._divergence is not None

    def noise(self, tau: ArrayLike) -> Array:
        """Return the noise amplitude g(tau)."""
        tau = np.asarray(tau, dtype=float)
        if not callable(self._noise):
            return np.full_like(tau, self._noise)
        if tau.ndim == 0:
            return np.asarray(float(self._noise(float(tau))))
        return np.array([float(self._noise(float(s))) for s in tau.ravel()]).reshape(tau.shape)

    def _call(self, name: str, function: Callable[..., Any], x: Array, tau: float) -> Array:
        value = np.asarray(function(x, tau), dtype=float)
        shape = x.shape if name == "drift" or self.dimension == 1 else x.shape[:-1]
        if value.shape != shape:
            try:
                value = np.broadcast_to(value, shape)
            except ValueError:
                raise ValueError(
                    f"{name} must return shape {shape}, got {value.shape} at tau = {tau}"
                ) from None
        return value

    def _each(self, name: str, function: Callable[..., Any], x: Any, tau: ArrayLike) -> Array:
        x = np.asarray(x, dtype=float)
        times = np.asarray(tau, dtype=float)
        if times.ndim == 0:
            return self._call(name, function, x, float(times))
        lead = np.broadcast_shapes(times.shape, x.shape if self.dimension == 1 else x.shape[:-1])
        times = np.broadcast_to(times, lead)
        points = np.broadcast_to(x, lead if self.dimension == 1 else (*lead, self.dimension))
        rows = [
            self._call(name, function, p, float(s.flat[0]))
            for p, s in zip(points, times, strict=True)
        ]
        return np.array(rows)

    def drift(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return the drift, shape of ``x``; several times go along the first axis."""
        return self._each("drift", self._drift, x, tau)

    def divergence(self, x: ArrayLike, tau: ArrayLike) -> Array:
        """Return the divergence of the drift, given or differenced."""
        if self._divergence is not None:
            return self._each("divergence", self._divergence, x, tau)
        points = np.asarray(x, dtype=float)
        total = np.zeros(1)
        h = self.stencil_step
        for axis in range(self.dimension):
            unit = 1.0 if self.dimension == 1 else np.eye(self.dimension)[axis]
            for j, weight in enumerate((4 / 5, -1 / 5, 4 / 105, -1 / 280), start=1):
                ahead = self.drift(points + j * h * unit, tau)
                behind = self.drift(points - j * h * unit, tau)
                step = weight * (ahead - behind) / h
                total = total + (step if self.dimension == 1 else step[..., axis])
        return np.asarray(total)

    def drift_and_divergence(self, x: ArrayLike, tau: ArrayLike) -> tuple[Array, Array]:
        """Return the drift and its divergence."""
        return self.drift(x, tau), self.divergence(x, tau)
