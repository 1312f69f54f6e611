"""From the shards of finished runs to a trained dual encoder."""
