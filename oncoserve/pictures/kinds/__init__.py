"""What is sent in place of a PNG or JPEG: its name, and a command that converts it."""
