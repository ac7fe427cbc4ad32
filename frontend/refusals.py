"""Why the service does not start with the settings it was given: in words, before anything runs."""

import contextlib
import sys
from collections.abc import Iterator

from pydantic import ValidationError

from oncoserve.keys import read_keys
from oncoserve.settings import PREFIX, Settings

BAD_SETTINGS = 2


def read_settings() -> Settings:
    """The settings of the environment, with a key file that can be used.

    Raises:
        SystemExit: with 2, after a line for each thing that has to be put right.
    """
    with _in_words():
        settings = Settings.from_environment()
        if settings.api_keys_file is not None:
            read_keys(settings.api_keys_file)
    return settings


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        for each in error.errors():
            where = "".join(f"{PREFIX}{str(name).upper()}={each['input']!r}: " for name in each["loc"])
            sys.stderr.write(f"oncoserve: {where}{each['msg'].removeprefix('Value error, ')}\n")
    except ValueError as error:
        sys.stderr.write(f"oncoserve: {error}\n")
    else:
        return
    sys.exit(BAD_SETTINGS)
