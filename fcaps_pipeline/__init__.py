"""Raw speech in, validated style-caption datasets out."""

__version__ = "0.1.0"
