"""`fcaps evaluate`, `score` and `rerank`: a trained model measured on rows and files."""
