"""Where Recordings come from: folders, JSONL manifests, Lhotse recordings and cuts."""
