"""An LLM that checks claims with tools: what it may ask, what it is shown, and what its word is worth."""
