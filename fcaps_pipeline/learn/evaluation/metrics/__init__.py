"""Pure measures with intervals: retrieval, classes, detection, grounding, ratings, similarity."""
