"""Two datasets held against each other, row by row, and the version that the differences ask for."""
