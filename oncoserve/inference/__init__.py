"""The inference server: a port, NVIDIA Triton behind it, and requests that travel together."""
