"""What containers promise about the sound in them: where it ends, how long it is, whether it is whole."""
