"""Synthetic styled speech whose voice, pitch, rate, level, pauses and changes are known."""
