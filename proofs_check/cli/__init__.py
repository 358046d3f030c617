"""The command line ``proofs-check``: verify, list, show, solve, sample, figures.

Nothing heavy is imported here or at the top of any module below: ``--help`` must answer at once.
"""

from proofs_check.cli.app import main, run

__all__ = ["main", "run"]
