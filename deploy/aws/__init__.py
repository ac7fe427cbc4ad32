"""The AWS side: the stacks, and what they need."""
