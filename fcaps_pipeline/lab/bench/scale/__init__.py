"""The dispatcher under the load of hundreds of engines: real queues, segmenters and shards, engines made of clocks."""
