"""What FP16 changes in the answers, on this CPU or on a GPU."""
