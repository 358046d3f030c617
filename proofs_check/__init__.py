"""Claims about guided samplers, and verdicts on them with the evidence attached."""
