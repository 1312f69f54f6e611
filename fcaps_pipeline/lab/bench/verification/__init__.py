"""What each check of captions is worth: faults found, true statements lost, on speech whose truth is known."""
