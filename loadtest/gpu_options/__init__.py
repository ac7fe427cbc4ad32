"""What each option of ONNX Runtime's CUDA provider is worth, measured without a server."""
