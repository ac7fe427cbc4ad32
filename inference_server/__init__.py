"""The real Triton Inference Server without Docker or a GPU: its launcher and its CPU backend."""
