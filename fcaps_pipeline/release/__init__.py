"""From finished runs to a dataset for others: built, compared, taken back, exported, published, checked."""
