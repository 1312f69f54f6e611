"""Every exception this project raises on purpose.

The class decides how an error is handled, never its text. A message says what is wrong,
where (id or path), what was found against what was expected, and what to do next.
All exceptions take one string and survive pickling, because they cross Ray processes.
"""


class FcapsError(Exception):
    """Root of the tree; `exit_code` is what the command line returns for it."""

    exit_code = 1


class UsageError(FcapsError):
    """The command line, a job file or a prompt asks for something that cannot be done."""

    exit_code = 2


class JobError(UsageError):
    """A job file is invalid, or differs from the one its run folder was started with."""


class SourceError(UsageError):
    """A source cannot be listed: missing path, unreadable folder, bad manifest line, doubled id."""


class ResourceError(UsageError):
    """The job wants more GPUs, cores or memory than the machine or cluster has."""


class RecordingError(FcapsError):
    """One Recording cannot be decoded; the rest of the corpus goes on without it."""


class StorageError(FcapsError):
    """The storage did not give a file for a reason that passes or can be mended; it says nothing of the Recording."""


class MissingFileError(StorageError):
    """A file does not exist where its source says it lies."""


class EngineRequestError(FcapsError):
    """The engine refused one request; asking again would be refused again."""


class EngineRetryableError(FcapsError):
    """The engine failed one request for a passing reason; ask again."""


class EngineDeadError(FcapsError):
    """The engine can answer nothing any more; its process must be replaced."""


class ModelError(UsageError):
    """A model folder is missing, incomplete or of a kind the engine cannot serve."""


class OutputError(FcapsError):
    """The run folder cannot be written, for instance because the disk is full."""


class CorruptRunError(FcapsError):
    """A committed file of a run is missing, changed or unreadable."""


class TrainingError(FcapsError):
    """Training cannot go on from where it is: a number is not finite, or no row can be used."""


class AccountingError(FcapsError):
    """Conservation is broken: a Segment was lost or counted twice. Always a defect of this program."""


class DependencyError(UsageError):
    """A package or system tool that the command needs is not installed."""
