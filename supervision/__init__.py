"""Processes that are watched and brought back: by exit, and by sign of life. Knows nothing of what they do."""
