"""Shards as batches: which rows there are, how they are divided, ordered, read and decoded."""
