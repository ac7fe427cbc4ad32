"""Maps of probabilities over a picture, whatever the model: made of tiles or at once, and read as labels and areas."""
