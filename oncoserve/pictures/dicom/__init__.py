"""DICOM instances: what is in one, which of its frames is looked at, and how its numbers become brightness."""
