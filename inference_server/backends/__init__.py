"""Triton backends, one folder each; the launcher copies them into Triton's backend directory."""
