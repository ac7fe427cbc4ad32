"""`python -m frontend`: serve the application with the settings of the environment."""

import os
import sys
import tempfile

import uvicorn
from pydantic import ValidationError

from frontend.settings import PREFIX, Settings


def main() -> int:
    """Start the worker processes and wait for them.

    Returns:
        The process's exit code: 2 for settings that cannot be used.
    """
    try:
        settings = Settings.from_environment()
    except ValidationError as error:
        for each in error.errors():
            name = PREFIX + str(each["loc"][0]).upper()
            print(f"oncoserve: {name}={each['input']!r}: {each['msg']}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"oncoserve: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="oncoserve-metrics-") as folder:
        # Read when prometheus_client is first imported, so it has to stand before the application is loaded.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            "frontend.app:create_from_environment",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=settings.shutdown_grace_s,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
