"""The command line: stdout is the result, stderr is progress and messages."""
