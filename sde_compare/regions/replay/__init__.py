"""Independent replay of proofs in Arb; it shares no code with the search that found them."""

from sde_compare.regions.replay.check import PartRecord, Replayed, replay, replay_file

__all__ = ["PartRecord", "Replayed", "replay", "replay_file"]
