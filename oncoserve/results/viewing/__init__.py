"""Stored pictures and what lies over them, in tiles: a viewer asks for what is in sight, at the size it is in sight."""
