"""Regions of a picture, whatever the task that found them: outlines, areas, GeoJSON and drawings. Pure functions."""
