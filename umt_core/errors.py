"""Errors of this project, all of them ``UmtError``.

A message is one line and says what was wanted, what came, and where, so that a
page or a command can show it as it is.
"""


class UmtError(Exception):
    """Base of every error that this project raises on purpose."""


class ConfigError(UmtError):
    """A setting is unknown, of the wrong type, or out of its range."""


class DataError(UmtError):
    """A data file or a tweet is not in the form that was asked for."""


class FolderError(DataError):
    """A folder that many files were to be in is not there any more."""


class BusyError(DataError):
    """Another process is at work in a folder."""


class ImageError(UmtError):
    """A picture cannot be read, or is not one that we read."""


class BackboneError(UmtError):
    """The weights of a text or vision encoder are missing or not what they should be."""


class CheckpointError(UmtError):
    """A checkpoint is missing, incomplete, damaged, or of another kind."""


class StoreError(UmtError):
    """The store of corrections cannot be opened, read or written."""


class JobError(UmtError):
    """A training job cannot be started, found, stopped or resumed."""


class AccessError(UmtError):
    """Somebody may not do what they ask for, cannot be told to be who they say, or the app may not be open to all."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is torch's or Python's word for memory that ran out; torch has one for devices, another for CPUs."""
    if isinstance(error, MemoryError):
        return True
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(said in str(error) for said in words)


def first_line(error: BaseException) -> str:
    """Of its message; its class where it has none, or only white space.

    >>> first_line(ValueError("\\n a line\\nand more")), first_line(MemoryError())
    ('a line', 'MemoryError')
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def class_and_line(error: BaseException) -> str:
    """For errors that are not ours, whose message alone may say little.

    >>> class_and_line(KeyError("name")), class_and_line(MemoryError())
    ("KeyError: 'name'", 'MemoryError')
    """
    name, line = type(error).__name__, first_line(error)
    return name if line == name else f"{name}: {line}"
