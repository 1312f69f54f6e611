"""What is asked about a Segment, at which granularity, and how often."""
