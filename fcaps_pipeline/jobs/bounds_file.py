"""The file of bounds that a job may bring: its bytes decide what captions are kept.

Enters: its path as the job has it. Leaves: its content. What a bound is, `annotate.verification.bounds` knows.
"""

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.resources import resolve_path


def read_bounds_file(location: str) -> bytes:
    """The bytes of the file.

    Raises:
        UsageError: it cannot be read.
    """
    path = resolve_path(location)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"verification.bounds: {path} cannot be read ({error.strerror}); write it with "
            "`fcaps bench rules --calibrate FILE`, or leave the key out"
        ) from None
