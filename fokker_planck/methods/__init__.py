"""Numerical methods for the Fokker-Planck equation, one module each, found by name."""

from __future__ import annotations

from importlib import import_module

from fokker_planck.methods.base import Method

#: name -> module and function; modules are imported when first used
METHODS: dict[str, tuple[str, str]] = {
    "characteristics": ("fokker_planck.methods.characteristics", "solve_characteristics"),
    "spectral": ("fokker_planck.methods.spectral", "solve_spectral"),
    "central": ("fokker_planck.methods.central", "solve_central"),
    "finite-volume": ("fokker_planck.methods.finite_volume", "solve_finite_volume"),
}


def method_named(name: str) -> Method:
    """Return the method of that name."""
    module, function = METHODS[name]
    method: Method = getattr(import_module(module), function)
    return method
