"""Claims about guided samplers, and verdicts on them with the evidence attached.

``verify`` is the front door. Names are imported when they are first used, so that the command
line answers before numpy is loaded.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proofs_check.records import Report
    from proofs_check.registry import Case, Claim, all_claims
    from proofs_check.runner import verify
    from proofs_check.verdict import Verdict

__all__ = ["Case", "Claim", "Report", "Verdict", "all_claims", "verify"]

_HOME = {
    "Case": "registry",
    "Claim": "registry",
    "Report": "records",
    "Verdict": "verdict",
    "all_claims": "registry",
    "verify": "runner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'proofs_check' has no attribute {name!r}")
    return getattr(importlib.import_module(f"proofs_check.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
