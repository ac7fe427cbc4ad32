"""The models that Triton serves: each is kept answering, and the repository is followed."""
