"""What the outputs of somebody's graph become, by task: found in the graph, computed by numpy, and as nodes."""
