"""Paths of guided samplers: sampling, couplings, and agreement with their densities."""
