"""Labelled corpora of others: how they lie on disk, and what was published about them."""
