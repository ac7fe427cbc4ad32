"""`python -m frontend.check`: whether the service could start with the settings of the environment; starts nothing."""

import sys

from frontend.app import create_from_environment
from frontend.refusals import read_settings


def main() -> int:
    """Build the application, which loads all of its code, and end.

    Returns:
        The process's exit code; settings that are refused end it with 2.
    """
    read_settings()
    create_from_environment()
    sys.stdout.write("oncoserve: the service can start with these settings.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
