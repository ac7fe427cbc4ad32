"""What is typical of the pictures of a network that was published without its training pictures."""
