"""Turns pinned published weights into verified, serving-ready graphs: `python -m model_export`."""
