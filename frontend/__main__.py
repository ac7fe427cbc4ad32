"""`python -m frontend`: serve with the settings of the environment, and work on jobs."""

import sys

from pydantic import ValidationError

from frontend.listening import listen
from frontend.parent import keep_running
from oncoserve.keys import read_keys
from oncoserve.runtime.logs import dropped_lines
from oncoserve.settings import PREFIX, Settings
from supervision.output import unblock_standard_outputs

CANNOT_LISTEN, BAD_SETTINGS = 1, 2


def main() -> int:
    """Take the port, then keep the processes until the end.

    Returns:
        The process's exit code.
    """
    unblock_standard_outputs(dropped_lines)
    try:
        settings = Settings.from_environment()
        if settings.api_keys_file is not None:
            read_keys(settings.api_keys_file)  # told here, in words, before any process is started
    except ValidationError as error:
        for each in error.errors():
            where = "".join(f"{PREFIX}{str(name).upper()}={each['input']!r}: " for name in each["loc"])
            print(f"oncoserve: {where}{each['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return BAD_SETTINGS
    except ValueError as error:
        print(f"oncoserve: {error}", file=sys.stderr)
        return BAD_SETTINGS
    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        where = f"port {settings.port} of {settings.host} ({error.strerror})"
        print(f"oncoserve: cannot listen on {where}; set ONCO_PORT or ONCO_HOST to others.", file=sys.stderr)
        return CANNOT_LISTEN
    with listener:
        return keep_running(settings, listener)


if __name__ == "__main__":
    sys.exit(main())
