"""`fcaps release build`: rows are selected, divided and written, shard by shard."""
