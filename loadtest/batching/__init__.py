"""What batches are worth on a GPU: through the service, straight to Triton, and in ONNX Runtime alone."""
