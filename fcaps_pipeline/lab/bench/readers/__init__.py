"""How the reader stands damaged files: mutations of small files of every format, each under a budget."""
