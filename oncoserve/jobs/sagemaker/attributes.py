"""Model and parameters of a request as the one header that SageMaker passes on to its container, written and read."""

import re
from collections.abc import Mapping
from typing import Any, Final

from oncoserve.errors import InvalidParameter

MAX_LENGTH: Final = 1024  # of CustomAttributes, which SageMaker takes in visible ASCII only
ATTRIBUTES: Final = "X-Amzn-SageMaker-Custom-Attributes"
"""As the container gets it."""
PART: Final = r"[!-+\--<>-~]+"  # visible ASCII without the comma and the equals sign, which separate
NUMBER: Final = r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?"
NAME = re.compile(PART)
VALUE = re.compile(f"{PART}(?:,{NUMBER})*")
MORE_OF_IT = re.compile(NUMBER)


def custom_attributes(model: str, parameters: Mapping[str, Any]) -> str:
    """The header's value, such as "model=brain_mri,mm_per_px=0.5".

    Args:
        model: what is asked.
        parameters: the task's, as JSON values; those that are null are left out.

    Raises:
        InvalidParameter: they cannot be written so.
    """
    given = {"model": model} | {name: _text(value) for name, value in parameters.items() if value is not None}
    for name, value in given.items():
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise InvalidParameter(f"{name[:64]!r} is {value[:64]!r}, which an endpoint of SageMaker cannot be told.")
    text = ",".join(f"{name}={value}" for name, value in given.items())
    if len(text) > MAX_LENGTH:
        raise InvalidParameter(f"The parameters are {len(text)} characters long; an endpoint takes {MAX_LENGTH}.")
    return text


def _text(value: Any) -> str:  # noqa: ANN401 - any value that JSON has
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_attributes(text: str) -> list[tuple[str, str]]:
    """What the header says, such as "model=brain_tumour,window=40,400": a number alone belongs to the value before it.

    Raises:
        InvalidParameter: It is no list of names with a value each.
    """
    found: list[tuple[str, str]] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        if found and MORE_OF_IT.fullmatch(part):
            name, value = found.pop()
            found.append((name, f"{value},{part}"))
            continue
        name, separator, value = part.partition("=")
        if not separator or not name.strip():
            raise InvalidParameter(f"{ATTRIBUTES} has {part[:64]!r}; it is a list such as model=NAME,mm_per_px=0.5.")
        found.append((name.strip(), value.strip()))
    return found
