"""`python -m loadtest.int8 [FOLDER ...]`: what INT8 gains and costs brain_mri on this CPU; exits 1 if its gate fails.

1. Labels, accuracy and saliency of the INT8 graph against the FP32 one, on the samples and on every FOLDER with
   labelled pictures (FOLDER/<class>/*.jpg).
2. Images per second and CPU seconds per image of both, in interleaved rounds: bare ONNX Runtime and through Triton.

Starts its own Triton on free ports of 127.0.0.1, and ends by itself.
"""

import sys

from loadtest.int8.int8_gate import main

if __name__ == "__main__":
    sys.exit(main())
