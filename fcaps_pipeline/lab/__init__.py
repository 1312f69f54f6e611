"""How true and how fast: speech with known truth, how the shipped captioner is made, benchmarks."""
