"""Captioned corpora of others as folders that every command here reads as runs."""
