"""Sound in: header probe, streaming decode to mono 16 kHz int16, resampling, FLAC bytes."""
