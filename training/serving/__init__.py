"""What is served of a trained network: the graph, its INT8 variant and the record beside them."""
