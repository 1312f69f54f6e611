"""Job files: what a run of a command is told, its prompts and overrides, and what ships with the package."""
