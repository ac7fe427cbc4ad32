"""What a model is worth on labelled pictures, by patient."""
