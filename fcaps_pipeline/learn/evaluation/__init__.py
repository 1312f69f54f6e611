"""How good a speech-text model is: retrieval, zero-shot classes, human ratings, timing, each with an interval.

A clip is here one audio of an evaluation set, whether a Segment of a shard or a file of another corpus.
The package knows embeddings, labels and files; it knows no model and no trainer.
"""
