"""Rows of finished runs: catalogue, splits, epochs, batches, the loader."""
