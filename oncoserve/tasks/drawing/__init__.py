"""What is drawn over a picture, whatever the task: maps as heat, and marks."""
