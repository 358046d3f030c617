"""Claims about guided samplers, and verdicts on them with the evidence attached.

Names are imported when first used, so that ``proofs-check --help`` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proofs_check.runner import Report, verify

#: public name -> module that defines it
_WHERE = {"Report": "proofs_check.runner", "verify": "proofs_check.runner"}

__all__ = ["Report", "verify"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
