"""`python -m oncoserve`: the same as the command `oncoserve`."""

import sys

from oncoserve.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
