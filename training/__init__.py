"""Training of `brain_tumour`, the model that names a brain tumour and outlines it, or says that it does not know."""
