"""From raw speech to committed shards: sources, segmentation, engines, verification, captioning, the run."""
