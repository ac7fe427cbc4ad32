"""What work on somebody's own model may take, and that nothing of it is left behind, whatever ends it."""
