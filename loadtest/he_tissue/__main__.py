"""`python -m loadtest.he_tissue`: what he_tissue costs, as a table, a CSV and a plot in docs/he_tissue/.

1. The tile loop through HTTP and Triton against a bare ONNX Runtime over the same tiles: interleaved rounds, medians.
2. The overlay, the layer alone and the areas again at other thresholds, over HTTP.
3. Time and the frontend's peak memory for pictures of 1 to 100 megapixels, a fresh frontend each.

Starts its own Triton and frontends on free ports of 127.0.0.1, and ends by itself.
"""

import argparse
import platform
import sys
import tempfile
from pathlib import Path
from typing import Final

from loadtest.he_tissue import tissue_costs
from testbed.servers import PROJECT, TritonServer

OUT: Final = PROJECT / "docs/he_tissue"


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.he_tissue", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of the first measurement")
    parser.add_argument("--megapixels", type=int, nargs="+", default=[1, 5, 10, 25, 50, 100])
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the CSV and the plot")
    given = parser.parse_args()
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name, TritonServer(PROJECT / "model_repository", Path(name)) as triton:
        tissue_costs.compare(triton, Path(name), given.rounds)
        tissue_costs.redraw(triton, Path(name))
        rows = tissue_costs.grow(triton, Path(name), given.megapixels)
    tissue_costs.write(rows, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
