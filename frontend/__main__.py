"""`python -m frontend`: serve with the settings of the environment, and work on jobs."""

import sys

from frontend.listening import listen
from frontend.parent import keep_running
from frontend.refusals import read_settings
from oncoserve.runtime.logs import dropped_lines
from supervision.output import unblock_standard_outputs

CANNOT_LISTEN = 1


def main() -> int:
    """Take the port, then keep the processes until the end.

    Returns:
        The process's exit code; settings that are refused end it with 2.
    """
    unblock_standard_outputs(dropped_lines)
    settings = read_settings()
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
