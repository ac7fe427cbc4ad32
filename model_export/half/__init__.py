"""The FP16 graph that a GPU serves, and the gate that it has to pass."""
