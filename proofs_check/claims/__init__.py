"""All claims, in the order in which they are shown."""

from proofs_check.claims import e1, i4

CLAIMS = (e1.CLAIM, i4.CLAIM)
