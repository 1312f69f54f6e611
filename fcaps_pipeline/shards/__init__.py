"""Shards: what a row looks like, how a unit is written and committed, how shards are read back."""
