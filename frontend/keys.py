"""`python -m frontend.keys`, the old spelling: says so and runs `oncoserve keys`. For one release."""

import os
import sys

if __name__ == "__main__":
    print(
        "python -m frontend.keys is now spelt `oncoserve keys`; the old spelling goes with the next release.",
        file=sys.stderr,
    )
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "oncoserve", "keys", *sys.argv[1:]])  # noqa: S606 - ours
