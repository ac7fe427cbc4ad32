"""The Python-based Triton backend named onnxruntime."""
