"""Watching a run: progress in sums, who listens to it, metrics, the run log and what can be told from it."""
