"""`python -m client`, the old spelling: says so and runs `oncoserve predict`. For one release."""

import os
import sys

if __name__ == "__main__":
    print(
        "python -m client is now spelt `oncoserve predict`; the old spelling goes with the next release.",
        file=sys.stderr,
    )
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "oncoserve", "predict", *sys.argv[1:]])  # noqa: S606 - ours
