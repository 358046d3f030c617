"""Certificates: the L1 error of a solution from a residual that shares nothing with its method."""
