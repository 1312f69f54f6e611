"""What each verifier finds, and what it costs, against known truth."""
