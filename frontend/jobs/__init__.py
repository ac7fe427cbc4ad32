"""The old name of the worker."""
