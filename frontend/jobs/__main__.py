"""`python -m frontend.jobs`, the old spelling: says so and runs `oncoserve worker`. For one release."""

import os
import sys

if __name__ == "__main__":
    print(
        "python -m frontend.jobs is now spelt `oncoserve worker`; the old spelling goes with the next release.",
        file=sys.stderr,
    )
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "oncoserve", "worker", *sys.argv[1:]])  # noqa: S606 - ours
