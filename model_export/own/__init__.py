"""A model of one's own: its ONNX graph becomes a folder of the model repository, checked before it is written."""
