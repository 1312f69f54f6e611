"""Every exception this project raises on purpose.

The class decides how an error is handled, never its text. A message says what is wrong,
where (id or path), what was found against what was expected, and what to do next.
All exceptions take one string and survive pickling, because they cross Ray processes. What a server or
a path says becomes part of messages, so each message is made printable here, whoever wrote it.
"""

import unicodedata

_ESCAPED_BYTE = 0xDC00
"""Python holds a byte of a file name that is not UTF-8 as the surrogate this far above it."""


def printable(text: str) -> str:
    r"""The text with escapes such as `\x1b` in place of characters that steer a terminal or that nobody sees.

    These are controls, line breaks included, marks of direction and of no width, surrogates, private and
    unassigned characters.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - _ESCAPED_BYTE:02x}"
    is_unseen = unicodedata.category(character)[0] == "C" or character in "\u2028\u2029"
    return character.encode("unicode_escape").decode("ascii") if is_unseen else character


class FcapsError(Exception):
    """Root of the tree; `exit_code` is what the command line returns for it."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


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


class SourceGoneError(StorageError):
    """No Recording of a whole WorkUnit can be opened: going on would only say so of all the others."""


class MemoryShortageError(FcapsError):
    """A process has too little memory for the moment; a fresh one tries again."""


class EngineRequestError(FcapsError):
    """The engine refused one request; asking again would be refused again."""


class EngineRetryableError(FcapsError):
    """The engine failed one request for a passing reason; ask again, after `retry_after_s` where it wished so."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotAskedError(EngineRequestError):
    """No earlier run was asked this, and nobody may be asked now."""


class EngineDeadError(FcapsError):
    """The engine can answer nothing any more; its process must be replaced."""


class ModelError(UsageError):
    """A model folder is missing, incomplete or of a kind the engine cannot serve."""


class OutputError(FcapsError):
    """The run folder cannot be written, for instance because the disk is full."""


class LeaseLostError(OutputError):
    """A folder that this process held was taken over by another; what is written there now is not ours."""


class CorruptRunError(FcapsError):
    """A committed file of a run is missing, changed or unreadable."""


class TrainingError(FcapsError):
    """Training cannot go on from where it is: a number is not finite, or no row can be used."""


class AccountingError(FcapsError):
    """Conservation is broken: a Segment was lost or counted twice. Always a defect of this program."""


class DependencyError(UsageError):
    """A package or system tool that the command needs is not installed."""
