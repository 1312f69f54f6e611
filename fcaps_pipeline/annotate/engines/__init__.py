"""Audio LLMs, and the baseline, behind one protocol."""
