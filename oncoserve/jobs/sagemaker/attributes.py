"""Model and parameters of a request as the one header that SageMaker passes on to its container."""

import re
from collections.abc import Mapping
from typing import Any, Final

from oncoserve.errors import InvalidParameter

MAX_LENGTH: Final = 1024  # of CustomAttributes, which SageMaker takes in visible ASCII only
PART = re.compile(r"[!-+\--<>-~]+")  # visible ASCII without the comma and the equals sign, which separate


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
        if not PART.fullmatch(name) or not PART.fullmatch(value):
            raise InvalidParameter(f"{name[:64]!r} is {value[:64]!r}, which an endpoint of SageMaker cannot be told.")
    text = ",".join(f"{name}={value}" for name, value in given.items())
    if len(text) > MAX_LENGTH:
        raise InvalidParameter(f"The parameters are {len(text)} characters long; an endpoint takes {MAX_LENGTH}.")
    return text


def _text(value: Any) -> str:  # noqa: ANN401 - any value that JSON has
    return str(value).lower() if isinstance(value, bool) else str(value)
