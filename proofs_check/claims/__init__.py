"""All claims, in the order in which they are shown."""

from proofs_check.claims import (
    curvature,
    d1,
    e1,
    e2,
    g0,
    i4,
    s0,
    steered,
    t1,
    t1_discrete,
    t1_sigma,
    t2,
    x1,
    x5,
)

CLAIMS = (
    t1.T1,
    t1_sigma.CLAIM,
    t1.T1_MONO,
    t1_discrete.CLAIM,
    t2.CLAIM,
    e1.CLAIM,
    e2.CLAIM,
    curvature.K1,
    curvature.K2,
    d1.CLAIM,
    i4.CLAIM,
    s0.CLAIM,
    g0.CLAIM,
    x1.CLAIM,
    steered.X3,
    steered.X4,
    x5.CLAIM,
    t1_discrete.X6,
)
