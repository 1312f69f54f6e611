"""What can be measured in a Segment without a model: pitch, rate, level, pauses, noise, clipping."""
