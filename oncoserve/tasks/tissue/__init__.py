"""Segmentation of H&E tissue, the numerics: a picture to tiles, tiles' answers to labels, labels to what is shown.

Pure functions on arrays. What the model is and how its channels are made follows the package `lavlab-shell` 0.9.1
(`shell/transforms.py`, `shell/inference.py`), which published the weights.

Frames: ORIGINAL is the upload's pixel grid; the MODEL grid is the same picture at 2.0 micrometres per pixel.
"""
