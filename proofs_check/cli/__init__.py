"""The command line ``proofs-check``: verify, list, show, solve, sample, figures.

Nothing heavy is imported here or at the top of any module below: ``--help`` must answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    from proofs_check.cli import app

    return app.run(arguments)


def main() -> None:
    """Run the command line of this process and exit."""
    try:
        from proofs_check.cli import app

        app.main()
    except KeyboardInterrupt:  # so early, or so late, that nobody else took it
        sys.stderr.write("proofs-check: interrupted\n")
        sys.exit(130)


__all__ = ["main", "run"]
