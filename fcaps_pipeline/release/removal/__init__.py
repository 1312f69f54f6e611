"""Taking back: what a person asks not to be there any more, in runs and in releases."""
