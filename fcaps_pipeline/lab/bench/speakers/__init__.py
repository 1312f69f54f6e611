"""What the detectors of speech and of several speakers find and miss, against synthetic truth."""
