"""What a style caption states about a voice: read from captions of any author, and changed one attribute at a time."""
