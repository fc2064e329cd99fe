"""The errors that morphinfer raises on purpose; each message names the value, the limit and the way out.

A message names a parameter in backticks, alone (`channel`) or with a value in Python
(`pixel_size_um=0.325`). The command line replaces it by the option that sets it
(`morphinfer.cli.wording`).
"""

from morphinfer.names import printable

LONGEST_MESSAGE = 1000
"""Characters of a message; damaged files hold values of any length."""


class MorphinferError(Exception):
    """Root of all errors of morphinfer; the command line prints it as one line and exits with 1."""

    def __init__(self, message: str) -> None:
        super().__init__(_one_line(message))


class SlideError(MorphinferError, ValueError):
    """The slide cannot be used as it is: no image, no channel, no pixel size, NaN, constant."""


class EmptySlideError(SlideError):
    """The slide has no contrast: there is nothing on it, or it is another channel."""


class ChangedSlideError(SlideError):
    """The slide changed while it was read."""


class ModelError(MorphinferError, ValueError):
    """A model file or a model set is missing, truncated, foreign or contradicts itself."""


class RoleError(MorphinferError, ValueError):
    """A class of a model or of a label image states a role that does not exist."""


class ColourError(MorphinferError, ValueError):
    """A class of a model or of a label image states a colour that CSS does not know."""


class ProviderError(MorphinferError, RuntimeError):
    """ONNX Runtime is missing, installed twice, or cannot run the execution provider that was requested."""


class OptionsError(MorphinferError, ValueError):
    """An option has a value that it cannot have, or that loaded networks contradict."""


class CancelledError(MorphinferError, RuntimeError):
    """A run was cancelled by its caller."""


class OutOfMemoryError(MorphinferError, MemoryError):
    """The networks' memory does not suffice, not even for the smallest tile."""


class OutputError(MorphinferError, OSError):
    """A result cannot be written: it exists, the folder is read-only, the disk is full."""


class AlignmentError(MorphinferError, ValueError):
    """A label image and its reference cannot be compared."""


class SpotsError(MorphinferError, ValueError):
    """A table of spots cannot be used: no coordinates, unknown gene, spots off the slide."""


class RoiError(MorphinferError, ValueError):
    """A region of interest cannot be read, or lies off the slide."""


class ConfigError(MorphinferError, ValueError):
    """A training configuration is wrong."""


class ExportError(MorphinferError, ValueError):
    """An exported network does not reproduce the trained one; nothing was written."""


class RecordError(MorphinferError, ValueError):
    """A label image carries no run record, or one that cannot be read."""


def _one_line(message: str) -> str:
    """The message without line breaks and control characters, nor the middle where it is very long.

    >>> _one_line("a value" + chr(10) + "of two lines")
    'a value of two lines'
    """
    line = printable(" ".join(str(message).splitlines()))
    half = LONGEST_MESSAGE // 2
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:half]} ... {line[-half:]}"
