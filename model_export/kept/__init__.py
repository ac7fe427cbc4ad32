"""Models that are trained here and kept in git."""
