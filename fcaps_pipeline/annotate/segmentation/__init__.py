"""From decoded sound to Segments: voice detection, planning of cuts, one pass per Recording."""
