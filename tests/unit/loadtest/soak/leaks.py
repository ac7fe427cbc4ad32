"""What a process looks like that leaks so much."""

import numpy as np

from loadtest.soak.trends import Sample

MINUTES = 20
TIMES_S = np.arange(0, MINUTES * 60, 5)


def samples(mib_per_hour=0.0, files_per_hour=0.0, process="frontend", noise_mib=3.0):
    """What a process with this leak looks like, with the memory of a warm-up before."""
    noise = np.random.default_rng(0).normal(0, noise_mib, len(TIMES_S))
    return [
        Sample(float(at_s), process, 100 + min(at_s, 200) / 4 + mib_per_hour * at_s / 3600 + extra,
               round(30 + files_per_hour * at_s / 3600))
        for at_s, extra in zip(TIMES_S, noise, strict=True)
    ]  # fmt: skip
