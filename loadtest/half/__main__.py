"""`python -m loadtest.half [MODEL ...]`: holds the gate of FP16 on more pictures, or on a GPU; exits 1 if it fails.

Compares model.gpu.onnx with model.onnx on the samples and on every --folder with labelled pictures
(FOLDER/<class>/*.jpg); he_tissue on the tiles of real H&E pictures, as the service makes them. FP32 is computed on the
CPU. With --device cuda the graph for GPUs is computed by ONNX Runtime's CUDA provider, as Triton does; else on the CPU,
with every float16 tensor rounded.
"""

import sys

from loadtest.half.half_agreement import main

if __name__ == "__main__":
    sys.exit(main())
