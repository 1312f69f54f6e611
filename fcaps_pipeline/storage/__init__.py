"""Files, wherever they lie: written whole, locked, claimed by one job."""
