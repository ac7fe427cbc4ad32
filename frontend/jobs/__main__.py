"""The old spelling of `oncoserve worker`, for one release."""

import sys

from oncoserve.cli.main import main

if __name__ == "__main__":
    print("oncoserve: `python -m frontend.jobs` is now `oncoserve worker`; this spelling goes away.", file=sys.stderr)
    sys.exit(main(["worker", *sys.argv[1:]]))
