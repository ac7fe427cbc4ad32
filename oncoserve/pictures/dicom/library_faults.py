"""What pydicom and its decoders raise over damaged files, as our errors."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydicom.errors import BytesLengthException, InvalidDicomError

from oncoserve.errors import CorruptImage, PlatformError

GIVES_UP: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,  # of elements that are not there
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,  # sequences in sequences
    RuntimeError,  # all decoders failed
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """What the libraries raise in the block becomes one of our errors, in our words: theirs are for programmers.

    Args:
        what: is read in the block, such as "header".

    Raises:
        CorruptImage
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns of what it reads all the same
            yield
    except PlatformError:
        raise
    except GIVES_UP as error:
        raise CorruptImage(f"its {what} cannot be read") from error
