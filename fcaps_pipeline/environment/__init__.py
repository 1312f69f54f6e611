"""The tested set of packages (`constraints.txt`) and what makes it importable on a fresh machine."""
