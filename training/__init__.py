"""Training of `brain_tumour`, the model that names a brain tumour and points at it."""
