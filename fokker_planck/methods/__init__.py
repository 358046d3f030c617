"""Numerical methods for the Fokker-Planck equation, one module each, found by name."""

from __future__ import annotations

from importlib import import_module

from fokker_planck.methods.base import Method

#: per dimension, name -> module and function; modules are imported when first used
METHODS: dict[int, dict[str, tuple[str, str]]] = {
    1: {
        "characteristics": ("fokker_planck.methods.characteristics", "solve_characteristics"),
        "spectral": ("fokker_planck.methods.spectral", "solve_spectral"),
        "central": ("fokker_planck.methods.central", "solve_central"),
        "finite-volume": ("fokker_planck.methods.finite_volume", "solve_finite_volume"),
    },
    2: {
        "characteristics": ("fokker_planck.methods.characteristics", "solve_characteristics"),
        "spectral": ("fokker_planck.methods.spectral_plane", "solve_spectral_plane"),
        "central": ("fokker_planck.methods.central_plane", "solve_central_plane"),
        "finite-volume": (
            "fokker_planck.methods.finite_volume_plane",
            "solve_finite_volume_plane",
        ),
    },
}
NAMES = tuple(METHODS[1])


def method_named(name: str, dimension: int) -> Method:
    """Return the method of that name for a dimension."""
    module, function = METHODS[dimension][name]
    method: Method = getattr(import_module(module), function)
    return method
