"""What depth, range and colour profile of a file do to answers."""
