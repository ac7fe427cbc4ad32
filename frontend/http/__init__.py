"""What surrounds every request, and what HTTP has to say: headers, limits, errors, shapes."""
