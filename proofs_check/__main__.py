"""``python -m proofs_check``: the command line."""

from proofs_check.cli import main

main()
