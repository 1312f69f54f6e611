"""Whether a caption is kept: rules, measured evidence, selection, and what becomes of the Segment."""
